"""A town with a rota: people in its chain, each with turns of a whole day, for the tests of duty and escalation."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import Connection, Engine, insert

from models.tables.duty import shifts
from services.city.load import load
from services.notices.escalation.escalation import Escalation
from services.notices.notifier import Notifier
from tests.alerts.town import NOON, town
from tests.services.notices.people import add_person

TOWN = "municipality:azul"
ENTERED = datetime(2012, 1, 1, tzinfo=UTC)
"""When the shifts were entered: before every day that tests play."""
CHAIN = {"Ana Sosa": "operator", "Bruno Díaz": "second", "Carla Funes": "chief"}


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def add_shift(
    transaction: Connection, person: int, position: str, *, zone: str = TOWN, hours: tuple[int, int] = (8, 8)
) -> None:
    """Daily turns from an hour to an hour; a whole day where they are the same."""
    transaction.execute(
        insert(shifts).values(
            zone=zone,
            position=position,
            person_id=person,
            first_day=ENTERED.date(),
            cycle_days=1,
            days=[0],
            from_time=time(hours[0]),
            to_time=time(hours[1]),
            created_at=ENTERED,
            created_by="test",
        )
    )


def add_chain(transaction: Connection) -> dict[str, int]:
    """A town of two gauges, and three people in its chain with tested channels. Their numbers, by first name."""
    load(transaction, town(["head", "mouth"]), NOON)
    return add_people(transaction)


def add_people(transaction: Connection, zone: str = TOWN, untested: Sequence[str] = ()) -> dict[str, int]:
    """Three people in the chain of a zone, each on duty all day. The channels of `untested` were never tested."""
    found = {}
    for name, position in CHAIN.items():
        first = name.split()[0]
        found[first] = add_person(transaction, name, ["console"], tested=first not in untested)
        add_shift(transaction, found[first], position, zone=zone)
    return found


def play(
    database: Engine, clock: Clock, seconds: float, *, every_s: float = 20.0, notifier: Notifier | None = None
) -> None:
    """Let time pass with the rounds of a notifier, now and every `every_s`. It delivers where somebody was called."""
    escalation, end = Escalation(database, clock), clock.now + timedelta(seconds=seconds)
    while True:
        if escalation.run() and notifier is not None:
            notifier.drain()
        if clock.now >= end:
            return
        clock.now += timedelta(seconds=every_s)
