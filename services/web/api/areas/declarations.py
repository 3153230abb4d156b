"""API routes of declared levels: what a person of the authority declared for an area, beside what is proposed."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from models.alert import NAR
from models.tables.declared.declarations import MAX_REASON_CHARS
from services.actions import declarations as actions
from services.actions.declarations import Declaration, NoSuchArea
from services.queries.city import declared as queries
from services.queries.city.declared import AreaLevelsNow, DeclarationActed
from services.runtime.audience import Audience
from services.web.access import PUBLIC, ReadBy, Supervisor
from services.web.api.paging import MAX_ID, Page, Paged
from services.web.context import DatabaseSnapshot, Now, Transaction
from services.web.routes import PreparedRoute

router = APIRouter(tags=["declared levels"], route_class=PreparedRoute)

AREA_PATTERN = r"^(municipality|basin|barrio):[A-Za-z0-9._:-]{1,100}$"
Area = Annotated[str, Path(pattern=AREA_PATTERN, examples=["municipality:laplata"])]
Reason = Annotated[str, Field(max_length=MAX_REASON_CHARS, pattern=r"^[^\x00]*$", examples=["Llueve sobre el Gato."])]
Seen = Annotated[
    int | None, Field(ge=1, le=MAX_ID, description="The last act of the area that was seen (`last`)", examples=[7])
]


class LevelDeclaration(BaseModel):
    """The level to declare, above or below the proposal."""

    model_config = ConfigDict(extra="forbid")

    nar: int = Field(ge=0, le=3, description="0 verde, 1 amarillo, 2 naranja, 3 rojo", examples=[2])
    until: AwareDatetime = Field(description="Its end, within 7 days")
    reason: Reason
    seen: Seen = None


class LevelExtension(BaseModel):
    """Another end of the declared level."""

    model_config = ConfigDict(extra="forbid")

    until: AwareDatetime = Field(description="Its end, within 7 days")
    reason: Reason = ""
    seen: int = Field(ge=1, le=MAX_ID, examples=[7])


class LevelWithdrawal(BaseModel):
    """Why the declared level ends before its time."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    seen: int = Field(ge=1, le=MAX_ID, examples=[7])


@router.get("/levels", dependencies=[PUBLIC])
def levels(snapshot: DatabaseSnapshot, now: Now, audience: ReadBy) -> list[AreaLevelsNow]:
    """Both levels of the city, other municipalities, basins and barrios.

    `proposed` follows from measurements and is no alert; an alert (alerta, Ley 27.287) is what is in `declared`.
    """
    return [queries.as_answer(one) for one in queries.area_levels(snapshot, now, audience)]


@router.get("/declarations", dependencies=[PUBLIC])
def declarations(snapshot: DatabaseSnapshot, audience: ReadBy, paged: Paged) -> Page[DeclarationActed]:
    """Acts about declared levels, the newest first. Names and reasons are for staff."""
    rows = queries.acts(snapshot, audience, after=paged.cursor_number, limit=paged.fetch_limit)
    return paged.page([DeclarationActed(**row._mapping) for row in rows], lambda one: one.id)


@router.post("/levels/{area}/declare", operation_id="declare_level")
def declare(
    supervisor: Supervisor, transaction: Transaction, now: Now, area: Area, body: LevelDeclaration
) -> AreaLevelsNow:
    """Declare the level of an area. 409 where somebody acted on it since it was seen."""
    wanted = Declaration(area, NAR(body.nar), body.until, body.reason, body.seen)
    actions.declare(transaction, wanted, by=supervisor, now=now)
    return _now(transaction, area, now)


@router.post("/levels/{area}/extend", operation_id="extend_level")
def extend(
    supervisor: Supervisor, transaction: Transaction, now: Now, area: Area, body: LevelExtension
) -> AreaLevelsNow:
    """Give the declared level of an area another end. 404 where none is in force, 409 where it changed."""
    actions.extend(transaction, area, seen=body.seen, until=body.until, reason=body.reason, by=supervisor, now=now)
    return _now(transaction, area, now)


@router.post("/levels/{area}/withdraw", operation_id="withdraw_level")
def withdraw(
    supervisor: Supervisor, transaction: Transaction, now: Now, area: Area, body: LevelWithdrawal
) -> AreaLevelsNow:
    """End the declared level of an area before its time. 404 where none is in force, 409 where it changed."""
    actions.withdraw(transaction, area, seen=body.seen, reason=body.reason, by=supervisor, now=now)
    return _now(transaction, area, now)


def _now(transaction: Transaction, area: str, now: datetime) -> AreaLevelsNow:
    found = queries.area_levels(transaction, now, Audience.OPERATORS, [area])
    if not found:
        raise NoSuchArea
    return queries.as_answer(found[0])
