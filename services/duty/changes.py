"""Changes of the rota by people: take the watch now, ask another to cover a turn, accept, withdraw, order another."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from alerts.record import Entry, record
from models.tables.city import basins, municipalities
from models.tables.duty import shift_changes
from services.duty.rota import Period, Position, on_duty, watches
from services.duty.rota_rows import Person, people_of, person_named, read_rota
from services.runtime.problem import HttpProblem, NotFound

MAX_TAKE = timedelta(hours=24)
"""Whoever takes the watch holds it to the end of the turn that they take over, and no longer than this."""
MAX_CHANGE = timedelta(days=62)
MAX_NOTE_CHARS = 2_000
_RECORDED = {"take": "shift.taken", "override": "shift.ordered", "cover": "shift.asked"}


class NoSuchZone(NotFound):
    """No existe esa zona: es municipality:ID o basin:ID. / There is no such zone: municipality:ID or basin:ID."""


class AlreadyOnDuty(HttpProblem):
    """Ya tenés esa guardia. / You are on duty there already."""

    status = 409


class NoSuchChange(NotFound):
    """No hay un cambio de guardia con ese número. / There is no change of the rota of that number."""


class NotYourChange(HttpProblem):
    """Sólo puede hacerlo a quien se lo pidieron. / Only the person who was asked may do this."""

    status = 403


class ChangeIsOver(HttpProblem):
    """Ese cambio ya se aceptó, se retiró o pasó. / That change was accepted or withdrawn earlier, or is over."""

    status = 409


class WrongPeriod(HttpProblem):
    """El período debe terminar después de empezar, en el futuro y antes de 62 días. / The period must end after it
    begins, in the future, and last at most 62 days.
    """


class NotOnDutyThen(HttpProblem):
    """No estás de guardia ahí en ese período: mirá el horario y la zona. / You are not on duty there in that period:
    look at the times and the zone.
    """

    status = 409


@dataclass(frozen=True, slots=True)
class Post:
    """A position of a zone, for which somebody is on duty."""

    zone: str
    position: Position


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change that somebody wants: `person` is on duty for a period. `instead_of`: None: instead of whoever is."""

    post: Post
    period: Period
    person: Person
    note: str = ""
    instead_of: int | None = None


def take_watch(transaction: Connection, post: Post, *, by: str, now: datetime, note: str = "") -> int:
    """Put the person `by` on duty from now on, instead of whoever is. Returns the number of the change.

    It lasts to the end of the turn that is under way, or until the next one where nobody is on duty. Raises
    NoSuchZone, NotAPerson, AlreadyOnDuty.
    """
    require_zone(transaction, post.zone)
    person = person_named(transaction, by)
    rota = read_rota(transaction, now)
    period, people = watches(rota, post.zone, post.position, Period(now, now + MAX_TAKE))[0]
    if people == (person.id,):
        raise AlreadyOnDuty
    return _insert(transaction, "take", NewChange(post, period, person, note), person.name, now)


def order_change(transaction: Connection, wanted: NewChange, *, by: str, now: datetime) -> int:
    """Put a person on duty for a period. Returns the number of the change. Raises NoSuchZone, WrongPeriod."""
    require_zone(transaction, wanted.post.zone)
    _require_period(wanted.period, now)
    return _insert(transaction, "override", wanted, by, now)


def ask_cover(transaction: Connection, wanted: NewChange, *, by: str, now: datetime) -> int:
    """Ask another person to be on duty instead of `by`. Nothing changes until they accept. Returns its number.

    Raises NoSuchZone, NotAPerson, WrongPeriod, NotOnDutyThen, AlreadyOnDuty.
    """
    post, period = wanted.post, wanted.period
    require_zone(transaction, post.zone)
    _require_period(period, now)
    asker = person_named(transaction, by)
    if asker.id == wanted.person.id:
        raise AlreadyOnDuty
    if asker.id not in on_duty(read_rota(transaction, now), post.zone, post.position, period.start):
        raise NotOnDutyThen
    return _insert(transaction, "cover", replace(wanted, instead_of=asker.id), by, now)


def accept_change(transaction: Connection, number: int, *, by: str, now: datetime) -> None:
    """Accept to be on duty instead of the one who asked. Raises NoSuchChange, NotYourChange, ChangeIsOver."""
    change = _locked(transaction, number)
    if person_named(transaction, by).id != change.person_id:
        raise NotYourChange
    if change.accepted_at is not None or change.withdrawn_at is not None or change.ends_at <= now:
        raise ChangeIsOver
    _update(transaction, number, accepted_at=now, accepted_by=by)
    record(transaction, Entry("shift.accepted", f"shift_change:{number}", by), now)


def withdraw_change(transaction: Connection, number: int, *, by: str, now: datetime) -> None:
    """Withdraw a change, or refuse one that was asked: the rota is as it was before. For the two people of it.

    Raises NoSuchChange, NotYourChange, ChangeIsOver.
    """
    change = _locked(transaction, number)
    person = people_of(transaction, [change.person_id]).get(change.person_id)
    if by not in {change.asked_by, None if person is None else person.name}:
        raise NotYourChange
    if change.withdrawn_at is not None or change.ends_at <= now:
        raise ChangeIsOver
    _update(transaction, number, withdrawn_at=now, withdrawn_by=by)
    record(transaction, Entry("shift.withdrawn", f"shift_change:{number}", by), now)


def require_zone(transaction: Connection, zone: str) -> None:
    """Refuse a zone that the city does not have. Raises NoSuchZone."""
    noun, _, name = zone.partition(":")
    table = {"municipality": municipalities, "basin": basins}.get(noun)
    if table is None or transaction.execute(select(table.c.id).where(table.c.id == name)).first() is None:
        raise NoSuchZone


def _require_period(period: Period, now: datetime) -> None:
    if not (period.start < period.end and now < period.end and period.end - period.start <= MAX_CHANGE):
        raise WrongPeriod


def _insert(transaction: Connection, kind: str, wanted: NewChange, by: str, now: datetime) -> int:
    accepted = {} if kind == "cover" else {"accepted_at": now, "accepted_by": by}
    times = {"starts_at": wanted.period.start, "ends_at": wanted.period.end}
    place = {"zone": wanted.post.zone, "position": wanted.post.position}
    number = int(
        transaction.execute(
            insert(shift_changes)
            .values(
                kind=kind,
                person_id=wanted.person.id,
                instead_of=wanted.instead_of,
                asked_at=now,
                asked_by=by,
                note=wanted.note,
                **place,
                **times,
                **accepted,
            )
            .returning(shift_changes.c.id)
        ).scalar_one()
    )
    details = {**place, **times, "person": wanted.person.name, "note": wanted.note}
    record(transaction, Entry(_RECORDED[kind], f"shift_change:{number}", by, details), now)
    return number


def _locked(transaction: Connection, number: int) -> Row[Any]:
    row = transaction.execute(select(shift_changes).where(shift_changes.c.id == number).with_for_update()).one_or_none()
    if row is None:
        raise NoSuchChange
    return row


def _update(transaction: Connection, number: int, **values: object) -> None:
    transaction.execute(update(shift_changes).where(shift_changes.c.id == number).values(**values))
