"""API route of prediction accuracy, public: by line and by horizon."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.queries.transit.accuracy import sums_between
from services.transit.accuracy.statistics import (
    ALL_LINES,
    HORIZONS_MIN,
    MBTA_HORIZONS_MIN,
    ErrorStatistics,
    LineStatistics,
    accuracy_by_line,
)
from services.web.access import PUBLIC
from services.web.api.parameters import EARLIEST, LATEST
from services.web.api.periods import BadPeriod
from services.web.api.transit.arrivals import LineFilter
from services.web.context import CurrentTransitSnapshot, DatabaseSnapshot, Now
from services.web.routes import PreparedRoute

DEFAULT_DAYS = 7
LONGEST_DAYS = 400
MOST_LINES = 5_000

router = APIRouter(prefix="/transit", tags=["transit"], dependencies=[PUBLIC], route_class=PreparedRoute)

Share = Annotated[float, Field(ge=0, le=1)]
FromDay = Annotated[
    date | None,
    Query(
        alias="from",
        ge=EARLIEST.date(),
        le=LATEST.date(),
        description="First day, in the city's time; a week where unset",
    ),
]
ToDay = Annotated[
    date | None,
    Query(alias="to", ge=EARLIEST.date(), le=LATEST.date(), description="Last day, included; today where unset"),
]


class Errors(BaseModel):
    """Error statistics of n predictions. Errors are actual less predicted: positive where the bus came later."""

    n: int = Field(examples=[12000])
    mae_s: float = Field(description="Mean absolute error of the median", examples=[92.4])
    rmse_s: float = Field(examples=[141.0])
    bias_s: float = Field(description="Mean error of the median", examples=[6.1])
    rider_mae_s: float = Field(description="Of the time told to riders, which is early on purpose", examples=[108.3])
    rider_bias_s: float = Field(examples=[71.0])
    coverage_p10_p90: Share = Field(description="It should be 0.8", examples=[0.79])
    eta_accuracy: Share | None = Field(
        description="Transit ETA Accuracy Benchmark of the median; overall, the mean of its four bins", examples=[0.76]
    )
    rider_eta_accuracy: Share | None = Field(description="The same of the rider's time", examples=[0.89])


class AtHorizon(BaseModel):
    """How good predictions were for buses that were so many minutes ahead."""

    from_min: int = Field(examples=[3])
    to_min: int = Field(examples=[6])
    errors: Errors | None = Field(description="Null where there was none")


class MbtaShare(BaseModel):
    """The share of predictions so many minutes ahead that was accurate by the limits of the MBTA."""

    from_min: int = Field(examples=[0])
    to_min: int = Field(examples=[3])
    accurate: Share | None = Field(examples=[0.82])


class LineAccuracy(BaseModel):
    """How good one line's estimates were."""

    line_id: str | None = Field(description="Null: all lines together", examples=["307"])
    line: str = Field(examples=["307"])
    overall: Errors
    horizons: list[AtHorizon] = Field(max_length=len(HORIZONS_MIN))
    mbta: list[MbtaShare] = Field(max_length=len(MBTA_HORIZONS_MIN))


class TransitAccuracy(BaseModel):
    """How good the estimates were from one day to another, both included: all lines first, then each."""

    first: date
    last: date
    lines: list[LineAccuracy] = Field(max_length=MOST_LINES)


@router.get("/accuracy", operation_id="transit_accuracy")
def accuracy(
    snapshot: CurrentTransitSnapshot,
    connection: DatabaseSnapshot,
    now: Now,
    start: FromDay = None,
    end: ToDay = None,
    line: LineFilter = None,
) -> TransitAccuracy:
    """Every published prediction is scored when its bus passes: errors, benchmark, coverage, together and unshifted."""
    last = end or now.astimezone(snapshot.network.zone).date()
    first = start or last - timedelta(days=DEFAULT_DAYS - 1)
    if not timedelta() <= last - first < timedelta(days=LONGEST_DAYS):
        raise BadPeriod(
            f"De `from` a `to`, hasta {LONGEST_DAYS} días. / From `from` to `to`, up to {LONGEST_DAYS} days."
        )
    found = accuracy_by_line(sums_between(connection, first, last, None if line is None else (line,)))
    names = {route.id: route.short_name or route.long_name for route in snapshot.network.routes.values()}
    lines = [
        _line(route_id, names.get(route_id, route_id), statistics) for route_id, statistics in sorted(found.items())
    ]
    return TransitAccuracy(first=first, last=last, lines=lines[:MOST_LINES])


def _line(route_id: str, name: str, statistics: LineStatistics) -> LineAccuracy:
    return LineAccuracy(
        line_id=None if route_id == ALL_LINES else route_id,
        line=name,
        overall=_errors(statistics.overall),
        horizons=[
            AtHorizon(from_min=start, to_min=end, errors=None if figures is None else _errors(figures))
            for (start, end), figures in zip(HORIZONS_MIN, statistics.by_horizon, strict=True)
        ],
        mbta=[
            MbtaShare(from_min=start, to_min=end, accurate=share)
            for (start, end), share in zip(MBTA_HORIZONS_MIN, statistics.mbta, strict=True)
        ],
    )


def _errors(figures: ErrorStatistics) -> Errors:
    return Errors(
        n=figures.n,
        mae_s=figures.mae_s,
        rmse_s=figures.rmse_s,
        bias_s=figures.bias_s,
        rider_mae_s=figures.rider_mae_s,
        rider_bias_s=figures.rider_bias_s,
        coverage_p10_p90=figures.coverage,
        eta_accuracy=figures.eta_accuracy,
        rider_eta_accuracy=figures.rider_accuracy,
    )
