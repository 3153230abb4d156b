"""Acts of a person about the level of an area: declare, extend, withdraw. In the caller's transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, literal, select

from alerts.declared.declaration_log import DeclarationAct, LastAct, append, last_act
from alerts.declared.level import BARRIO, BASIN, MUNICIPALITY, Act
from models.alert import NAR
from models.tables.alerts import attention
from models.tables.city import barrios, basins, municipalities
from models.tables.declared.declarations import MAX_DECLARED_DAYS
from services.runtime.problem import HttpProblem, NotFound

MAX_DECLARED = timedelta(days=MAX_DECLARED_DAYS)
_TABLES = {MUNICIPALITY: municipalities, BASIN: basins, BARRIO: barrios}


class NoSuchArea(NotFound):
    """No existe ese municipio, cuenca o barrio. / There is no such municipality, basin or barrio."""


class NothingDeclared(NotFound):
    """Ahí no hay un nivel declarado que siga en pie. / No declared level is in force there."""


class LevelChanged(HttpProblem):
    """Otra persona declaró o cambió el nivel mientras lo mirabas. / Somebody declared or changed it meanwhile."""

    status = 409


class EndOutOfRange(HttpProblem):
    """El fin tiene que ser posterior a ahora y dentro de 7 días. / The end must be after now and within 7 days."""


class ReasonMissing(HttpProblem):
    """Falta el motivo, en palabras. / The reason is missing, in words."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """The level that a person declares. `seen`: the last act of the area that they saw; None where there was none."""

    area: str
    nar: NAR
    until: datetime
    reason: str
    seen: int | None


def declare(transaction: Connection, declaration: Declaration, *, by: str, now: datetime) -> int:
    """Declare the level of an area, above or below the proposal; returns the number of the declaration.

    It replaces the level declared there. Raises NoSuchArea, EndOutOfRange, ReasonMissing, and LevelChanged where
    somebody acted on the area since the person saw it.
    """
    _require_area(transaction, declaration.area)
    act = DeclarationAct(
        area=declaration.area,
        act=Act.DECLARED,
        proposed=_proposed(transaction, declaration.area),
        by=by,
        replaces=_require_seen(last_act(transaction, declaration.area), declaration.seen),
        nar=declaration.nar,
        reason=_require_reason(declaration.reason),
        since=now,
        until=_require_end(declaration.until, now),
    )
    return _append(transaction, act, now)


def extend(
    transaction: Connection, area: str, *, seen: int, until: datetime, reason: str, by: str, now: datetime
) -> int:
    """Give the level declared for an area another end; returns the number of the new act.

    Raises NothingDeclared, EndOutOfRange, LevelChanged.
    """
    last = _require_in_force(transaction, area, seen, now)
    act = DeclarationAct(
        area=area,
        act=Act.EXTENDED,
        proposed=_proposed(transaction, area),
        by=by,
        replaces=last.id,
        nar=last.nar,
        reason=reason.strip(),
        since=last.since,
        until=_require_end(until, now),
    )
    return _append(transaction, act, now)


def withdraw(transaction: Connection, area: str, *, seen: int, reason: str, by: str, now: datetime) -> int:
    """End the level declared for an area before its time; returns the number of the act.

    Raises NothingDeclared, ReasonMissing, LevelChanged.
    """
    last = _require_in_force(transaction, area, seen, now)
    proposed = _proposed(transaction, area)
    return _append(
        transaction, DeclarationAct(area, Act.WITHDRAWN, proposed, by, last.id, reason=_require_reason(reason)), now
    )


def _append(transaction: Connection, act: DeclarationAct, now: datetime) -> int:
    number = append(transaction, act, now)
    if number is None:
        raise LevelChanged
    return number


def _require_area(transaction: Connection, area: str) -> None:
    noun, _, name = area.partition(":")
    table = _TABLES.get(noun)
    if table is None or transaction.execute(select(literal(1)).where(table.c.id == name)).first() is None:
        raise NoSuchArea


def _require_seen(last: LastAct | None, seen: int | None) -> int | None:
    """The act to replace. Raises LevelChanged where the person saw another one."""
    number = None if last is None else last.id
    if number != seen:
        raise LevelChanged
    return number


def _require_in_force(transaction: Connection, area: str, seen: int, now: datetime) -> LastAct:
    last = last_act(transaction, area)
    if last is None or not last.in_force(now):
        raise NothingDeclared
    _require_seen(last, seen)
    return last


def _require_end(until: datetime, now: datetime) -> datetime:
    if not now < until <= now + MAX_DECLARED:
        raise EndOutOfRange
    return until


def _require_reason(reason: str) -> str:
    if not (words := reason.strip()):
        raise ReasonMissing
    return words


def _proposed(transaction: Connection, area: str) -> NAR:
    """The level proposed for an area; of a barrio, that of its basin."""
    subject = area
    if area.startswith(f"{BARRIO}:"):
        basin = select(barrios.c.basin_id).where(literal(f"{BARRIO}:") + barrios.c.id == area)
        subject = f"{BASIN}:{transaction.execute(basin).scalar()}"
    return NAR(transaction.execute(select(attention.c.nar).where(attention.c.subject == subject)).scalar() or 0)
