"""Orders of a named person to a siren or a sign, under a declared level, in the caller's transaction.

The database refuses an order without a level in force, by anybody but a supervisor, or that outlives the level.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from alerts.record import Entry, record
from models.tables.declared.actuators import MAX_TEXT_CHARS, actuator_orders, actuator_tests, actuators
from models.tables.declared.declarations import declarations
from services.runtime.problem import HttpProblem, NotFound


class NoSuchActuator(NotFound):
    """No existe esa sirena o cartel. / There is no such siren or sign."""


class NotUnderDeclaredLevel(HttpProblem):
    """Sólo una persona supervisora y con un nivel declarado ahí. / Only a supervisor, under a level declared there."""

    status = 409


class AlreadyOrdered(HttpProblem):
    """Ya hay una orden en curso para ese equipo. / An order for that device is under way."""

    status = 409


class UnwritableText(HttpProblem):
    """El cartel lleva hasta 80 letras, en una línea. / A sign shows up to 80 letters on one line."""


@dataclass(frozen=True, slots=True)
class ActuatorOrder:
    """What a person orders: a device, for how long at most, and of a sign its text."""

    actuator: str
    lasts: timedelta
    shows: str = ""


def order(transaction: Connection, wanted: ActuatorOrder, *, person_id: int | None, by: str, now: datetime) -> int:
    """Order a siren to sound or a sign to show a text; returns the number of the order.

    It ends with the declared level at the latest. Raises NoSuchActuator, UnwritableText, NotUnderDeclaredLevel,
    AlreadyOrdered.
    """
    if len(wanted.shows) > MAX_TEXT_CHARS or not (wanted.shows.isprintable() or not wanted.shows):
        raise UnwritableText
    device = transaction.execute(select(actuators).where(actuators.c.id == wanted.actuator)).one_or_none()
    if device is None:
        raise NoSuchActuator
    level = _level(transaction, device.area, device.municipality_id, now)
    if level is None:
        raise NotUnderDeclaredLevel
    values = {
        "actuator_id": wanted.actuator,
        "declaration_id": level[0],
        "person_id": person_id,
        "ordered_by": by,
        "shows": wanted.shows,
        "ordered_at": now,
        "ends_at": min(now + wanted.lasts, level[1]),
        "state_at": now,
    }
    try:
        with transaction.begin_nested():
            number = transaction.execute(
                insert(actuator_orders).values(values).returning(actuator_orders.c.id)
            ).scalar_one()
    except IntegrityError as refused:
        unique = getattr(refused.orig, "sqlstate", "") == "23505"
        raise (AlreadyOrdered if unique else NotUnderDeclaredLevel) from refused
    details = {"order": number, "declaration": level[0], "note": wanted.shows, "until": values["ends_at"]}
    record(transaction, Entry("siren.ordered", f"actuator:{wanted.actuator}", by, details), now)
    return int(number)


def ask_self_test(transaction: Connection, actuator: str, *, by: str, now: datetime) -> int:
    """Ask a device to check itself in silence; returns the number of the test. Raises NoSuchActuator."""
    if transaction.execute(select(actuators.c.id).where(actuators.c.id == actuator)).first() is None:
        raise NoSuchActuator
    query = insert(actuator_tests).values(actuator_id=actuator, asked_at=now, asked_by=by)
    number = int(transaction.execute(query.returning(actuator_tests.c.id)).scalar_one())
    record(transaction, Entry("siren.test_asked", f"actuator:{actuator}", by, {"test": number}), now)
    return number


def _level(transaction: Connection, area: str, municipality: str, now: datetime) -> tuple[int, datetime] | None:
    """The declaration in force of the device's area, else of its municipality, and its end."""
    later = declarations.alias()
    for one in dict.fromkeys((area, f"municipality:{municipality}")):
        row = transaction.execute(
            select(declarations.c.id, declarations.c.until).where(
                declarations.c.area == one,
                declarations.c.nar > 0,
                declarations.c.until > now,
                ~select(later.c.id).where(later.c.replaces == declarations.c.id).exists(),
            )
        ).one_or_none()
        if row is not None:
            return row.id, row.until
    return None
