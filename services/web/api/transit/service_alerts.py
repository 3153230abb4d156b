"""API routes of service alerts: what operators publish about disruptions of the lines."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.runtime.audience import Audience
from services.transit.model.service_alert import ActivePeriod, Cause, Effect, InformedEntity, Translated
from services.transit.serving import service_alert_actions
from services.transit.serving import service_alert_queries as queries
from services.transit.serving.service_alert_queries import KeptAlert, State
from services.web.access import PUBLIC, NotAnOperator, Operator, ReadBy
from services.web.api.paging import Page, Paged
from services.web.api.parameters import EARLIEST, LATEST, Number
from services.web.context import DatabaseSnapshot, Now, Transaction
from services.web.routes import PreparedRoute

LONGEST_HEADER = 200
LONGEST_DESCRIPTION = 2_000
NO_NUL = r"^[^\x00]*$"

router = APIRouter(prefix="/transit", tags=["transit"], route_class=PreparedRoute)

Moment = Annotated[AwareDatetime, Field(ge=EARLIEST, le=LATEST)]
Name = Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class Header(BaseModel):
    """One line in both languages; English may be left out."""

    model_config = ConfigDict(extra="forbid")

    es: str = Field(min_length=1, max_length=LONGEST_HEADER, pattern=NO_NUL, examples=["Calle 7 cortada"])
    en: str = Field(default="", max_length=LONGEST_HEADER, pattern=NO_NUL, examples=["Street 7 closed"])


class Description(BaseModel):
    """A longer text in both languages; either may be left out."""

    model_config = ConfigDict(extra="forbid")

    es: str = Field(default="", max_length=LONGEST_DESCRIPTION, pattern=NO_NUL, examples=["Desvío por 6 y por 8."])
    en: str = Field(default="", max_length=LONGEST_DESCRIPTION, pattern=NO_NUL, examples=["Detour by 6 and 8."])


class Concerns(BaseModel):
    """What the alert concerns: all fields that are given must match."""

    model_config = ConfigDict(extra="forbid")

    agency: Name = Field(default="", examples=["linea-siete"])
    line: Name = Field(default="", examples=["307"])
    stop: Name = Field(default="", examples=["LP1912"])
    direction: int | None = Field(default=None, ge=0, le=1, description="Of that line", examples=[0])

    @model_validator(mode="after")
    def _names_somebody(self) -> "Concerns":
        if not (self.agency or self.line or self.stop):
            raise ValueError("name an agency, a line or a stop")
        if self.direction is not None and not self.line:
            raise ValueError("a direction needs its line")
        return self


class Holds(BaseModel):
    """From `start` up to but not at `end`; open where unset."""

    model_config = ConfigDict(extra="forbid")

    start: Moment | None = Field(default=None, examples=["2026-03-02T08:00:00-03:00"])
    end: Moment | None = Field(default=None, examples=["2026-03-02T18:00:00-03:00"])

    @model_validator(mode="after")
    def _goes_forward(self) -> "Holds":
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("`start` must be before `end`")
        return self


class NewServiceAlert(BaseModel):
    """A new service alert. It stays a draft until it is published."""

    model_config = ConfigDict(extra="forbid")

    cause: Cause = Field(examples=["construction"])
    effect: Effect = Field(examples=["detour"])
    header: Header
    description: Description = Field(default_factory=Description)
    url: str = Field(default="", max_length=500, pattern=r"^$|^https?://[^\s\x00]+$")
    concerns: list[Concerns] = Field(min_length=1, max_length=100)
    periods: list[Holds] = Field(default_factory=list, max_length=20, description="None: while it is published")


class Seen(BaseModel):
    """The version of a service alert that the operator saw."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=2**31 - 1, description="Its version when it was seen", examples=[1])


@router.get("/service-alerts", dependencies=[PUBLIC])
def service_alerts(
    connection: DatabaseSnapshot,
    audience: ReadBy,
    paged: Paged,
    state: Annotated[State, Query(description="draft: for operators")] = "published",
) -> Page[KeptAlert]:
    """Service alerts, the newest first; drafts for operators only."""
    if state == "draft" and audience is Audience.PUBLIC:
        raise NotAnOperator
    rows = queries.list_alerts(connection, audience, state=state, after=paged.cursor_number, limit=paged.fetch_limit)
    return paged.page(rows, lambda one: one.id)


@router.get("/service-alerts/{alert_id}", dependencies=[PUBLIC])
def service_alert(connection: DatabaseSnapshot, audience: ReadBy, alert_id: Number) -> KeptAlert:
    """One service alert; a draft for operators only."""
    alert = queries.get_alert(connection, alert_id, audience)
    if alert is None:
        raise service_alert_actions.NoSuchServiceAlert
    if alert.state == "draft" and audience is Audience.PUBLIC:
        raise NotAnOperator
    return alert


@router.post("/service-alerts", operation_id="draft_service_alert")
def draft(operator: Operator, transaction: Transaction, now: Now, alert: NewServiceAlert) -> KeptAlert:
    """Create a service alert as a draft, not yet published."""
    return _reread(transaction, service_alert_actions.draft(transaction, _draft_of(alert), operator=operator, now=now))


@router.post("/service-alerts/{alert_id}/publish", operation_id="publish_service_alert")
def publish(operator: Operator, transaction: Transaction, now: Now, alert_id: Number, seen: Seen) -> KeptAlert:
    """Publish a draft. 409 where it is no draft any more, or changed since it was seen."""
    service_alert_actions.publish(transaction, alert_id, version=seen.version, operator=operator, now=now)
    return _reread(transaction, alert_id)


@router.post("/service-alerts/{alert_id}/end", operation_id="end_service_alert")
def end(operator: Operator, transaction: Transaction, now: Now, alert_id: Number, seen: Seen) -> KeptAlert:
    """End a published alert, or drop a draft. 409 where it ended earlier, or changed since it was seen."""
    service_alert_actions.end(transaction, alert_id, version=seen.version, operator=operator, now=now)
    return _reread(transaction, alert_id)


def _reread(transaction: Transaction, alert_id: int) -> KeptAlert:
    stored = queries.get_alert(transaction, alert_id, Audience.OPERATORS)
    if stored is None:
        raise service_alert_actions.NoSuchServiceAlert
    return stored


def _draft_of(new: NewServiceAlert) -> service_alert_actions.Draft:
    return service_alert_actions.Draft(
        new.cause,
        new.effect,
        Translated(new.header.es, new.header.en),
        Translated(new.description.es, new.description.en),
        tuple(InformedEntity(one.agency, one.line, one.stop, one.direction) for one in new.concerns),
        tuple(ActivePeriod(_unix_seconds(one.start), _unix_seconds(one.end)) for one in new.periods),
        new.url,
    )


def _unix_seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
