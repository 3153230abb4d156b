"""API routes of vehicle speeds by street and of the ranking of streets."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from models.speeds import SpeedStatistics, rank_streets
from services.queries.city.city import current_city
from services.queries.stations import speeds as queries
from services.queries.stations.speeds import RadarFilter, Speeds, StreetSpeeds
from services.web.access import PUBLIC
from services.web.api.paging import Page, Paged
from services.web.api.parameters import Municipality, Station
from services.web.api.periods import Period, period
from services.web.context import DatabaseSnapshot
from services.web.routes import PreparedRoute

DEFAULT_PERIOD = timedelta(days=7)
MAX_PERIOD = timedelta(days=31)
MAX_RANKED = 500

router = APIRouter(tags=["speeds"], dependencies=[PUBLIC], route_class=PreparedRoute)

RequestedPeriod = Annotated[Period, Depends(period(default=DEFAULT_PERIOD, longest=MAX_PERIOD))]
MinVehicles = Annotated[int, Query(ge=1, le=1_000_000, description="Streets with fewer are not ranked")]


class Ranked(BaseModel):
    """A street's place in the ranking."""

    place: int = Field(examples=[1])
    station: str = Field(examples=["av7-y-60"])
    street: str = Field(examples=["Av. 7"])
    speeds: Speeds


class Ranking(BaseModel):
    """Streets by share of vehicles over the limit, the worst first; then by how far P85 is above the limit."""

    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    streets: list[Ranked] = Field(max_length=MAX_RANKED)


@router.get("/speeds")
def speeds(
    snapshot: DatabaseSnapshot,
    days: RequestedPeriod,
    paged: Paged,
    municipality: Municipality = None,
    station: Station = None,
) -> Page[StreetSpeeds]:
    """Count, mean, P85, P95 and share over the limit by street and hour of the day; the last 7 days by default."""
    radars = RadarFilter(municipality=municipality, station=station, after=paged.cursor)
    zone = current_city(snapshot).zone_name
    rows = queries.street_speeds(snapshot, zone, days.start, days.end, radars, limit=paged.fetch_limit)
    return paged.page(rows, lambda one: one.station)


@router.get("/speeds/ranking")
def speeds_ranking(
    snapshot: DatabaseSnapshot,
    days: RequestedPeriod,
    municipality: Municipality = None,
    least_vehicles: MinVehicles = 100,
) -> Ranking:
    """Streets by the share of vehicles over the limit, highest first; the last 7 days by default."""
    radars, zone = RadarFilter(municipality=municipality), current_city(snapshot).zone_name
    rows = queries.street_speeds(snapshot, zone, days.start, days.end, radars, limit=MAX_RANKED)
    found = {one.station: one for one in rows}
    order = rank_streets({station: _statistics(one.whole) for station, one in found.items()}, least_vehicles)
    streets = [
        Ranked(place=place, station=name, street=found[name].street, speeds=found[name].whole)
        for place, name in enumerate(order, start=1)
    ]
    return Ranking(start=days.start, end=days.end, streets=streets)


def _statistics(of: Speeds) -> SpeedStatistics:
    usual_limit_kmh = max(of.limits_kmh)
    return SpeedStatistics(of.vehicles, of.mean_kmh, of.p85_kmh, of.p95_kmh, usual_limit_kmh, of.share_over)
