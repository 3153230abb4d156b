"""API route of a stream's level forecast, with quantiles and chances of exceeding thresholds."""

from datetime import datetime, timedelta
from math import inf
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from alerts.forecast.level_forecast import LeadForecast
from models.learning import LearningTrouble, NoForecast
from models.rule import ColourThresholds
from services.queries.stations.current import current_stations
from services.queries.stations.forecasts import PublishedForecast, forecast_of, learning_failure
from services.web.access import PUBLIC
from services.web.api.parameters import Id
from services.web.api.stations.stations import NoSuchStation
from services.web.context import DatabaseSnapshot, Now
from services.web.routes import PreparedRoute

MAX_LEADS = 20

router = APIRouter(tags=["stations"], dependencies=[PUBLIC], route_class=PreparedRoute)

Probability = Annotated[float, Field(ge=0, le=1, examples=[0.35])]


class Lead(BaseModel):
    """The forecast for one instant. The level is below `p10` with a probability of 10 %, and so on; m."""

    at: datetime
    lead_min: int = Field(examples=[60])
    expected: float = Field(examples=[1.31])
    p10: float = Field(examples=[1.12])
    p50: float = Field(examples=[1.29])
    p90: float = Field(examples=[1.58])
    chances: tuple[Probability, Probability, Probability] | None = Field(
        description="Of being above the station's thresholds for amarillo, naranja and rojo",
        examples=[[0.9, 0.35, 0.02]],
    )


class StationForecast(BaseModel):
    """A stream's forecast. Not published: quiet water, too little history, or no better than persistence."""

    station: str = Field(examples=["gato-143-524"])
    published: bool
    made_at: datetime | None = Field(description="Of the level it starts from")
    unit: str = Field(examples=["m"])
    ahead: list[Lead] = Field(max_length=MAX_LEADS)
    why_none: NoForecast | None = Field(
        description="Why none is published: no_stream; not_learnt, where `not_learnt` says why, null where never "
        "tried; no_better than a level that stays, on this stream's past; no_level or gaps in the hours that it needs; "
        "quiet water",
        examples=[None],
    )
    not_learnt: LearningTrouble | None = Field(
        description="Why nothing was learnt when it was last tried; null where nothing went wrong"
    )


@router.get("/stations/{station_id}/forecast")
def forecast(snapshot: DatabaseSnapshot, now: Now, station_id: Id) -> StationForecast:
    """The level 15 minutes to 6 hours ahead, only where it was better than persistence on this stream's history."""
    found = current_stations(snapshot, station_id)
    if not found:
        raise NoSuchStation
    found_or_why = forecast_of(snapshot, now, station_id)
    made = found_or_why if isinstance(found_or_why, PublishedForecast) else None
    return StationForecast(
        station=station_id,
        published=made is not None,
        made_at=made.made_at if made else None,
        unit=found[0].kind.unit,
        ahead=[_lead(made, one, found[0].thresholds) for one in made.ahead] if made else [],
        why_none=None if isinstance(found_or_why, PublishedForecast) else found_or_why,
        not_learnt=failure.trouble if (failure := learning_failure(snapshot, station_id)) else None,
    )


def _lead(made: PublishedForecast, one: LeadForecast, thresholds: ColourThresholds | None) -> Lead:
    amarillo, naranja, rojo = map(one.probability_above, thresholds or (inf, inf, inf))
    return Lead(
        at=made.made_at + timedelta(seconds=one.lead_s),
        lead_min=one.lead_s // 60,
        expected=one.expected_m,
        p10=one.p10_m,
        p50=one.p50_m,
        p90=one.p90_m,
        chances=(amarillo, naranja, rojo) if thresholds else None,
    )
