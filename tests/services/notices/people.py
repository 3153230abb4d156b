"""People with channels, an incident, and notices to them, for the tests of delivery."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from services.notices.messages import Message, Purpose
from services.notices.outcomes import Outcome, Sent
from services.notices.person_notices import PersonNotice, queue_person_notice
from tests.alerts.town import NOON

ADDRESSES: Mapping[str, str] = {
    "sms": "+549221555{person:04d}",
    "apprise": "tgram://{person}:secret/1",
    "webhook": "https://hooks.example/{person}",
    "console": "guardia",
    "webpush": '{{"endpoint": "https://push.example/{person}"}}',
}


def add_person(
    transaction: Connection, name: str, channels: Sequence[str] = (), *, tested: bool = True, language: str = "es"
) -> int:
    """A person who may acknowledge, with tested channels in this order. Returns the number."""
    person = int(
        transaction.execute(
            text(
                "INSERT INTO people (login, name, language, created_at, created_by)"
                " VALUES (lower(:name), :name, :language, :now, 'test') RETURNING id"
            ),
            {"name": name, "language": language, "now": NOON},
        ).scalar_one()
    )
    transaction.execute(
        text(
            "INSERT INTO person_roles (person_id, role, granted_at, granted_by) VALUES (:id, 'operator', :now, 'test')"
        ),
        {"id": person, "now": NOON},
    )
    for position, channel in enumerate(channels, 1):
        transaction.execute(
            text(
                "INSERT INTO person_channels (person_id, channel, address, position, told_of_exercises, created_at,"
                " tested_at) VALUES (:id, :channel, :address, :position, false, :now, :tested)"
            ),
            {
                "id": person,
                "channel": channel,
                "address": ADDRESSES[channel].format(person=person),
                "position": position,
                "now": NOON,
                "tested": NOON if tested else None,
            },
        )
    return person


def add_incident(transaction: Connection, alerts: Sequence[int] = (), *, exercise: str | None = None) -> int:
    """An open flood with an unacknowledged alert of each of these colours. Returns its number."""
    incident = int(
        transaction.execute(
            text(
                "INSERT INTO incidents (hazard, area, exercise, opened_at)"
                " VALUES ('flood', 'basin:azul', :exercise, :now) RETURNING id"
            ),
            {"exercise": exercise, "now": NOON},
        ).scalar_one()
    )
    for number, nar in enumerate(alerts):
        add_alert(transaction, incident, f"gauge-{number}", nar)
    return incident


def add_alert(transaction: Connection, incident: int, subject: str, nar: int, at: datetime = NOON) -> int:
    """An unacknowledged alert of an incident. Returns its number."""
    return int(
        transaction.execute(
            text(
                "INSERT INTO alerts (rule_id, rule_version, subject, kind, judgement, state, nar, rule_nar,"
                " highest_nar, cause, confirmed, observed_at, opened_at, changed_at, evidence, incident_id, membership)"
                " VALUES (:subject, 1, :subject, 'river', 'stage', 'firing', :nar, :nar, :nar, 'level', true, :now,"
                " :now, :now, '{}', :incident, 'stream') RETURNING id"
            ),
            {"subject": subject, "nar": nar, "incident": incident, "now": at},
        ).scalar_one()
    )


def queue(
    transaction: Connection,
    person: int,
    incident: int,
    key: str = "1",
    *,
    nar: int = 3,
    now: datetime = NOON,
    **more: Any,
) -> None:
    """Queue a notice of an incident to a person."""
    body = {"purpose": Purpose.ESCALATION, "incident_id": incident, "nar": nar, "hazard": "flood", "place": "Azul"}
    notice = PersonNotice(person, key, 3 - nar, body, incident_id=incident, **more)
    assert queue_person_notice(transaction, notice, now)


@dataclass
class Mail:
    """A sender that keeps what it was given, and answers with the outcomes of each channel in turn; then `Sent`."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    sent: list[tuple[str, str, str, Message]] = field(default_factory=list)
    before: Callable[[str], None] = lambda _address: None
    """Called with the address before each attempt."""

    def send(self, channel: str, address: str, key: str, message: Message, now: datetime) -> Outcome:  # noqa: ARG002
        """One attempt."""
        self.before(address)
        self.sent.append((channel, address, key, message))
        left = self.outcomes.get(channel, [])
        return left.pop(0) if left else Sent()

    @property
    def channels(self) -> list[str]:
        """The channels that were used, in order."""
        return [one[0] for one in self.sent]


def rows(database: Engine, query: str) -> list[tuple[Any, ...]]:
    """Every row of a query."""
    with database.begin() as transaction:
        return [tuple(row) for row in transaction.execute(text(query))]
