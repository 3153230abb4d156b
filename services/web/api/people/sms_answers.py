"""API route by which an SMS gateway passes on what a person answers, signed as SMS Gateway for Android signs it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, Field, ValidationError

from services.notices.senders.sms_gateway import is_signed
from services.notices.sms_answers import answer_text_message, refusal
from services.runtime.clock import credential_clock
from services.runtime.problem import HttpProblem
from services.web.access import PUBLIC
from services.web.context import Now, Transaction, context_of
from services.web.routes import BoundedRoute

router = APIRouter(tags=["notices"], dependencies=[PUBLIC], route_class=BoundedRoute)
RECEIVED = "sms:received"
MAX_HEADER_CHARS = 128


class NoSmsKey(HttpProblem):
    """Falta la clave del teléfono: poné VIGIA_SMS_WEBHOOK_KEY. / The gateway has no key: set VIGIA_SMS_WEBHOOK_KEY."""

    status = 503


class NotTheGateway(HttpProblem):
    """La firma no es la del teléfono, o es vieja: revisá clave y hora. / Not the gateway's signature, or an old one."""

    status = 401


class WrongSmsEvent(HttpProblem):
    """No es un mensaje de texto recibido. / This is no text message that was received."""

    status = 422


class ReceivedText(BaseModel):
    """A text message as the telephone received it. Newer versions of the gateway write `sender` for `phoneNumber`."""

    message: str = Field(max_length=4_000, examples=["RECONOCER 4821"])
    phone_number: str = Field(default="", alias="phoneNumber", max_length=40, examples=["+5492215551234"])
    sender: str = Field(default="", max_length=40, examples=["+5492215551234"])

    @property
    def number(self) -> str:
        """Who sent it."""
        return self.phone_number or self.sender


class SmsEvent(BaseModel):
    """What the gateway posts."""

    event: str = Field(max_length=64, examples=[RECEIVED])
    id: str = Field(min_length=1, max_length=128, description="One answer is sent for each", examples=["Ey6ECgOkVV"])
    payload: ReceivedText


class SmsOutcome(BaseModel):
    """What came of the message, and the text that answers it. A person's answer is sent by the outbox."""

    outcome: str = Field(examples=["done"])
    text: str = Field(examples=["Suceso 12 reconocido. Queda a tu nombre."])


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post("/sms/answers", operation_id="sms_answer")
def sms_answer(
    request: Request,
    content: Annotated[bytes, Depends(_body)],
    transaction: Transaction,
    now: Now,
    x_signature: Annotated[str, Header(max_length=MAX_HEADER_CHARS)] = "",
    x_timestamp: Annotated[str, Header(max_length=MAX_HEADER_CHARS)] = "",
) -> SmsOutcome:
    """Act on a text message of a person. The gateway signs it; the number and the code say who answers what."""
    context = context_of(request)
    key = context.settings.sms_webhook_key
    if key is None:
        raise NoSmsKey
    real_now = credential_clock(context.clock)()
    if not is_signed(key.get_secret_value(), content, x_timestamp, x_signature, real_now):
        raise NotTheGateway
    try:
        event = SmsEvent.model_validate_json(content)
    except ValidationError:
        raise WrongSmsEvent from None
    if event.event != RECEIVED:
        raise WrongSmsEvent
    if context.sms_answer_limit.is_exceeded(event.payload.number):
        answer = refusal("too_many")
    else:
        context.sms_answer_limit.add(event.payload.number)
        answer = answer_text_message(transaction, event.payload.number, event.payload.message, event.id, now)
    return SmsOutcome(outcome=answer.outcome, text=answer.text)
