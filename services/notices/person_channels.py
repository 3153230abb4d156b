"""Channels of people: add, test, order, end and list them. Addresses are for the person and administrators only."""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from alerts.record import Entry, record
from models.alert import CONSOLE
from models.tables.alerts import notices
from models.tables.people import people, person_channels
from services.notices.addresses import SERVICES, checked_address, shown_address
from services.notices.messages import Purpose
from services.notices.person_notices import PersonNotice, queue_person_notice
from services.runtime.problem import HttpProblem, NotFound

MAX_CHANNELS = 8
TEST_LASTS = timedelta(minutes=15)
MAX_TEST_TRIES = 5
MAX_TESTS_PER_HOUR = 6
"""Tests that one person may send: an address may be somebody else's."""
CODE_DIGITS = 6
_URGENT = 0


class NoSuchChannel(NotFound):
    """No tenés un canal con ese número. / You have no channel of that number."""


class TooManyChannels(HttpProblem):
    """Ya tenés 8 canales: quitá uno antes de agregar otro. / You have 8 channels: remove one before adding another."""

    status = 409


class ChannelExists(HttpProblem):
    """Ese canal ya está en tu lista. / This channel is on your list already."""

    status = 409


class TooManyTests(HttpProblem):
    """Mandaste 6 pruebas en una hora: esperá un rato. / You sent 6 tests within an hour: wait a while."""

    status = 429
    retry_after_s = 600


class WrongTestCode(HttpProblem):
    """Ese no es el código que mandamos: miralo de nuevo. / This is not the code that we sent: look again."""


class TestEnded(HttpProblem):
    """La prueba venció o se probó demasiado: mandá otra. / The test ended, or was tried too often: send another."""

    status = 409


@dataclass(frozen=True, slots=True)
class PersonChannel:
    """A channel of a person. `shown`: its address without what is secret in it."""

    id: int
    channel: str
    shown: str
    position: int
    told_of_exercises: bool
    tested_at: datetime | None
    test_ends_at: datetime | None


def person_of(transaction: Connection, name: str) -> int | None:
    """The number of the person of this name; None where an API key or nobody has it."""
    query = select(people.c.id).where(func.lower(people.c.name) == name.lower(), people.c.disabled_at.is_(None))
    return transaction.execute(query).scalar_one_or_none()


def channels_of(transaction: Connection, person_id: int) -> list[PersonChannel]:
    """A person's channels in use, in the order in which they are tried."""
    return [
        PersonChannel(
            id=row.id,
            channel=row.channel,
            shown=shown_address(row.channel, row.address),
            position=row.position,
            told_of_exercises=row.told_of_exercises,
            tested_at=row.tested_at,
            test_ends_at=row.test_ends_at,
        )
        for row in _in_use(transaction, person_id)
    ]


def add_channel(
    transaction: Connection,
    person_id: int,
    channel: str,
    address: str,
    now: datetime,
    *,
    told_of_exercises: bool,
    services: Collection[str] = SERVICES,
) -> int:
    """Add a channel after the person's others; returns its number. The console needs no test: it is the page itself.

    Raises WrongAddress, ChannelExists, TooManyChannels.
    """
    stored = checked_address(channel, address, services)
    transaction.execute(select(people.c.id).where(people.c.id == person_id).with_for_update(key_share=True))
    others = _in_use(transaction, person_id)
    if any((one.channel, one.address) == (channel, stored) for one in others):
        raise ChannelExists
    if len(others) >= MAX_CHANNELS:
        raise TooManyChannels
    added = int(
        transaction.execute(
            insert(person_channels)
            .values(
                person_id=person_id,
                channel=channel,
                address=stored,
                position=max((one.position for one in others), default=0) + 1,
                told_of_exercises=told_of_exercises,
                created_at=now,
                tested_at=now if channel == CONSOLE else None,
            )
            .returning(person_channels.c.id)
        ).scalar_one()
    )
    _record(transaction, "channel.added", person_id, channel, now)
    return added


def start_test(
    transaction: Connection, person_id: int, channel_id: int, now: datetime, real_now: datetime | None = None
) -> None:
    """Queue a message with a code to one channel. Raises NoSuchChannel, TooManyTests.

    `real_now`: the time by which the code ends; people live in the real time also where a simulation runs faster.
    """
    real_now = real_now or now
    channel = _own_channel(transaction, person_id, channel_id)
    sent = transaction.execute(
        select(func.count()).where(
            notices.c.person_id == person_id,
            notices.c.person_channel_id.is_not(None),
            notices.c.body["purpose"].astext == Purpose.TEST,
            notices.c.body["at"].astext > (real_now - timedelta(hours=1)).isoformat(),
        )
    ).scalar_one()
    if sent >= MAX_TESTS_PER_HOUR:
        raise TooManyTests
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    _update(
        transaction,
        channel.id,
        test_code_sha256=_hash(channel.id, code),
        test_ends_at=real_now + TEST_LASTS,
        test_tries=0,
    )
    body = {"purpose": Purpose.TEST, "code": code, "at": real_now.isoformat()}
    key = f"test:{secrets.token_hex(8)}"
    queue_person_notice(transaction, PersonNotice(person_id, key, _URGENT, body, only_channel=channel.id), now)


def confirm_test(transaction: Connection, person_id: int, channel_id: int, code: str, now: datetime) -> bool:
    """Note that the person got the code: the channel is tested. False for another code.

    A wrong code is counted: the caller commits, then says WrongTestCode. Raises NoSuchChannel, TestEnded.
    """
    channel = _own_channel(transaction, person_id, channel_id)
    ended = channel.test_ends_at is None or channel.test_ends_at < now or channel.test_tries >= MAX_TEST_TRIES
    if ended:
        raise TestEnded
    if not hmac.compare_digest(channel.test_code_sha256, _hash(channel.id, code.strip())):
        _update(transaction, channel.id, test_tries=channel.test_tries + 1)
        return False
    _update(transaction, channel.id, tested_at=now, test_code_sha256=None, test_ends_at=None)
    _record(transaction, "channel.tested", person_id, channel.channel, now)
    return True


def put_first(transaction: Connection, person_id: int, channel_id: int) -> None:
    """Try this channel before the person's others. Raises NoSuchChannel."""
    _own_channel(transaction, person_id, channel_id)
    others = [one.id for one in _in_use(transaction, person_id) if one.id != channel_id]
    for position, one in enumerate([channel_id, *others], 1):
        _update(transaction, one, position=position)


def set_exercises(transaction: Connection, person_id: int, channel_id: int, *, told: bool) -> None:
    """Say whether drills and training may come by this channel. Raises NoSuchChannel."""
    _update(transaction, _own_channel(transaction, person_id, channel_id).id, told_of_exercises=told)


def end_channel(transaction: Connection, person_id: int, channel_id: int, now: datetime) -> None:
    """Send nothing by this channel any more. Raises NoSuchChannel."""
    channel = _own_channel(transaction, person_id, channel_id)
    _update(transaction, channel.id, ended_at=now)
    _record(transaction, "channel.ended", person_id, channel.channel, now)


def _in_use(transaction: Connection, person_id: int) -> list[Row[Any]]:
    return list(
        transaction.execute(
            select(person_channels)
            .where(person_channels.c.person_id == person_id, person_channels.c.ended_at.is_(None))
            .order_by(person_channels.c.position, person_channels.c.id)
        )
    )


def _own_channel(transaction: Connection, person_id: int, channel_id: int) -> Row[Any]:
    """The channel, locked. Raises NoSuchChannel where it is another person's, or was ended."""
    row = transaction.execute(
        select(person_channels)
        .where(
            person_channels.c.id == channel_id,
            person_channels.c.person_id == person_id,
            person_channels.c.ended_at.is_(None),
        )
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise NoSuchChannel
    return row


def _update(transaction: Connection, channel_id: int, **values: object) -> None:
    transaction.execute(update(person_channels).where(person_channels.c.id == channel_id).values(**values))


def _record(transaction: Connection, what: str, person_id: int, channel: str, now: datetime) -> None:
    """Record what the person did about a channel, without its address."""
    name = transaction.execute(select(people.c.name).where(people.c.id == person_id)).scalar_one()
    record(transaction, Entry(what, f"person:{name}", by=str(name), details={"channel": channel}), now)


def _hash(channel_id: int, code: str) -> str:
    return hashlib.sha256(f"{channel_id}:{code}".encode()).hexdigest()
