"""API routes of a person's own channels: list, add, test, order and end them. Nobody reads another person's."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from models.alert import MAX_ADDRESS_CHARS
from services.duty.chain import without_tested_channel
from services.notices import person_channels
from services.notices.person_channels import MAX_CHANNELS, WrongTestCode, channels_of, person_of
from services.notices.senders.configured import configured_services
from services.runtime.clock import credential_clock
from services.runtime.problem import HttpProblem
from services.web.access import Viewer
from services.web.api.parameters import Number
from services.web.context import Now, Transaction, context_of
from services.web.routes import BoundedRoute

router = APIRouter(tags=["channels"], route_class=BoundedRoute)


class NotAPerson(HttpProblem):
    """Esta clave no es de una persona: entrá con tu cuenta. / This key is no person's: sign in with your account."""

    status = 403


class OwnChannel(BaseModel):
    """A channel by which the person is told. The first that is tested is tried first."""

    id: int = Field(examples=[3])
    channel: str = Field(examples=["sms"])
    shown: str = Field(description="The address without what is secret in it", examples=["…1234"])
    position: int = Field(examples=[1])
    told_of_exercises: bool = Field(description="Whether drills and training may come here")
    tested_at: datetime | None = Field(description="When it was proved to reach the person; null: it is not used")


class OwnChannels(BaseModel):
    """The person's channels in order. `reached`: whether a tested one counts; web push alone does not."""

    items: list[OwnChannel] = Field(max_length=MAX_CHANNELS)
    reached: bool


class NewChannel(BaseModel):
    """A channel to add; it is not used before it was tested."""

    model_config = ConfigDict(extra="forbid")

    channel: Literal["console", "apprise", "webhook", "webpush", "sms"]
    address: str = Field(default="", max_length=MAX_ADDRESS_CHARS, examples=["+54 9 221 555 1234"])
    told_of_exercises: bool = True


class TestCode(BaseModel):
    """The code that came by the channel."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(max_length=20, examples=["034512"])


def own_number(transaction: Connection, name: str) -> int:
    """The number of the person of this name. Raises NotAPerson."""
    person_id = person_of(transaction, name)
    if person_id is None:
        raise NotAPerson
    return person_id


async def _real_now(request: Request) -> datetime:
    return credential_clock(context_of(request).clock)()


RealNow = Annotated[datetime, Depends(_real_now)]
"""The time by which codes end: the real one, also in a simulated city."""


@router.get("/me/channels")
def own_channels(name: Viewer, transaction: Transaction) -> OwnChannels:
    """The channels of whoever asks, in the order in which they are tried."""
    return _listed(transaction, own_number(transaction, name))


@router.post("/me/channels", status_code=201)
def add_own_channel(name: Viewer, request: Request, transaction: Transaction, now: Now, new: NewChannel) -> OwnChannels:
    """Add a channel after the others. The console needs no test."""
    person_id = own_number(transaction, name)
    services = configured_services(context_of(request).settings)
    person_channels.add_channel(
        transaction,
        person_id,
        new.channel,
        new.address,
        now,
        told_of_exercises=new.told_of_exercises,
        services=services,
    )
    return _listed(transaction, person_id)


@router.post("/me/channels/{channel_id}/test", status_code=202)
def test_own_channel(
    name: Viewer, transaction: Transaction, now: Now, real_now: RealNow, channel_id: Number
) -> OwnChannels:
    """Send a code by a channel; it is valid for 15 minutes and five tries."""
    person_id = own_number(transaction, name)
    person_channels.start_test(transaction, person_id, channel_id, now, real_now)
    return _listed(transaction, person_id)


@router.post("/me/channels/{channel_id}/confirm")
def confirm_own_channel(
    name: Viewer, request: Request, now: RealNow, channel_id: Number, entered: TestCode
) -> OwnChannels:
    """Enter the code that came by a channel: it is tested. 400 for another code, which counts as a try."""
    with context_of(request).engine.begin() as transaction:
        person_id = own_number(transaction, name)
        is_right = person_channels.confirm_test(transaction, person_id, channel_id, entered.code, now)
        listed = _listed(transaction, person_id)
    if not is_right:
        raise WrongTestCode
    return listed


@router.post("/me/channels/{channel_id}/first")
def put_own_channel_first(name: Viewer, transaction: Transaction, channel_id: Number) -> OwnChannels:
    """Try a channel before the others."""
    person_id = own_number(transaction, name)
    person_channels.put_first(transaction, person_id, channel_id)
    return _listed(transaction, person_id)


@router.delete("/me/channels/{channel_id}")
def end_own_channel(name: Viewer, transaction: Transaction, now: Now, channel_id: Number) -> OwnChannels:
    """Send nothing by a channel any more."""
    person_id = own_number(transaction, name)
    person_channels.end_channel(transaction, person_id, channel_id, now)
    return _listed(transaction, person_id)


def _listed(transaction: Connection, person_id: int) -> OwnChannels:
    items = [
        OwnChannel(
            id=one.id,
            channel=one.channel,
            shown=one.shown,
            position=one.position,
            told_of_exercises=one.told_of_exercises,
            tested_at=one.tested_at,
        )
        for one in channels_of(transaction, person_id)
    ]
    return OwnChannels(items=items, reached=not without_tested_channel(transaction, [person_id]))
