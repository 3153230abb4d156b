"""API route that answers a rider's text message, for an SMS gateway."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.transit.rider.gsm7 import MOST_SEPTETS, septet_count
from services.transit.rider.sms import LONGEST_TEXT
from services.transit.rider.text_answers import answer
from services.web.access import PUBLIC
from services.web.context import CurrentTransitSnapshot, Now
from services.web.routes import BoundedRoute

router = APIRouter(tags=["transit"], dependencies=[PUBLIC], route_class=BoundedRoute)


class TextMessage(BaseModel):
    """What a rider wrote. The sender's number is not wanted here."""

    text: Annotated[
        str,
        Field(
            max_length=LONGEST_TEXT,
            description="A stop's code or corner, and a line, in any order and case",
            examples=["LP1912 307"],
        ),
    ]


class TextAnswer(BaseModel):
    """The text to send back, in Spanish, in the alphabet of text messages (3GPP TS 23.038)."""

    text: str = Field(examples=["LP1912 14:32 307: 4-7min y 18-25min"])
    septets: int = Field(le=MOST_SEPTETS, description="Of one message that is not split", examples=[35])


@router.post("/sms")
def sms(snapshot: CurrentTransitSnapshot, now: Now, message: TextMessage) -> TextAnswer:
    """Answer a rider's text message. Any text gets an answer; one that is no question gets help."""
    text = answer(snapshot, message.text, now.timestamp())
    return TextAnswer(text=text, septets=septet_count(text))
