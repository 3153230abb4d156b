"""Contents of a station's page: series over a period, devices, alerts and their transitions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection, Row

from models.kinds.rain import RAIN
from models.kinds.river import RIVER
from models.learning import NoForecast
from services.queries.alerts.alert_history import station_alert_rows, transition_rows
from services.queries.stations import current as queries
from services.queries.stations.current import CurrentStation
from services.queries.stations.forecasts import LearningFailure, PublishedForecast, forecast_of, learning_failure
from services.queries.watch.chart import LARGE, Chart, ChartSeries, ForecastPoint, Sample, lay_out
from services.queries.watch.condition import Health, Trend, health
from services.queries.watch.levels import current_trends, forecast_points, samples_of
from services.runtime.audience import Audience

LINE_BINS = {
    6: timedelta(minutes=2),
    24: timedelta(minutes=5),
    168: timedelta(minutes=30),
    720: timedelta(hours=2),
}
"""Length of the chart's intervals, by the hours that the chart shows."""
RAIN_BINS = {6: timedelta(minutes=10), 24: timedelta(minutes=30), 168: timedelta(hours=3), 720: timedelta(hours=12)}
"""The same for amounts of rain."""
MAX_HOURS_WITH_FORECAST = 24
"""Beside a longer past, the six hours of the forecast would be too narrow to see."""
MAX_ROWS = 60
"""Rows of the table beside the chart, the newest ones. The CSV file has all."""


@dataclass(frozen=True, slots=True)
class StationPage:
    """All contents of a station's page at one instant. `transitions`: by alert, newest first."""

    station: CurrentStation
    health: Health
    trend: Trend | None
    hours: int
    bars: bool
    chart: Chart
    samples: Sequence[Sample]
    forecast: Sequence[ForecastPoint]
    not_learnt: LearningFailure | None
    no_forecast: NoForecast | None
    alerts: list[Row[Any]]
    transitions: dict[int, list[Row[Any]]]

    @property
    def rows(self) -> list[Sample]:
        """The rows of the table, newest first."""
        return list(reversed(self.samples))[:MAX_ROWS]


def station_page(
    transaction: Connection, station: CurrentStation, now: datetime, audience: Audience, hours: int, zone: tzinfo
) -> StationPage:
    """Read and lay out a station's page over the last `hours`, a key of LINE_BINS."""
    state = health(station, now)
    bars = station.kind is RAIN
    samples = station_samples(transaction, station, now, hours)
    ahead = _ahead(transaction, station, now) if state is Health.FRESH and hours <= MAX_HOURS_WITH_FORECAST else ()
    chart_series = ChartSeries(
        start=now - timedelta(hours=hours),
        end=max([now, *(one.at for one in ahead)]),
        samples=samples,
        max_gap=RAIN_BINS[hours] if bars else max(3 * LINE_BINS[hours], station.silent_after),
        zone=zone,
        thresholds=station.thresholds or (),
        forecast=ahead,
        from_zero=bars,
    )
    alerts = station_alert_rows(transaction, station.id, audience)
    transitions = transition_rows(transaction, [alert.id for alert in alerts])
    return StationPage(
        station=station,
        health=state,
        trend=current_trends(transaction, now, [station]).get(station.id),
        hours=hours,
        bars=bars,
        chart=lay_out(chart_series, LARGE, bars=bars),
        samples=samples,
        forecast=ahead,
        not_learnt=learning_failure(transaction, station.id),
        no_forecast=None if ahead else _why_no_forecast(transaction, station, now),
        alerts=alerts,
        transitions={alert.id: [one for one in transitions if one.alert_id == alert.id] for alert in alerts},
    )


def station_samples(transaction: Connection, station: CurrentStation, now: datetime, hours: int) -> list[Sample]:
    """Trusted values of the last `hours`: a sample for each interval of LINE_BINS, for rain an amount for RAIN_BINS."""
    start, length = now - timedelta(hours=hours), (RAIN_BINS if station.kind is RAIN else LINE_BINS)[hours]
    ids = [device.id for device in station.devices]
    bins = queries.read_bins(transaction, station.kind, ids, start=start, end=now, length=length)
    if station.kind is RAIN:
        rain_bins = [one for device in ids[:1] for one in bins.get(device, ())]
        return [Sample(one.at, one.total, one.total, one.total) for one in rain_bins]
    return samples_of(station, bins, length)


def _why_no_forecast(transaction: Connection, station: CurrentStation, now: datetime) -> NoForecast | None:
    """Why there is no forecast of this stream; None for another kind of station, and where there is one."""
    if station.kind is not RIVER:
        return None
    found = forecast_of(transaction, now, station.id)
    return None if isinstance(found, PublishedForecast) else found


def _ahead(transaction: Connection, station: CurrentStation, now: datetime) -> Sequence[ForecastPoint]:
    return forecast_points(transaction, now, station.id).get(station.id, ())


def to_csv(samples: Sequence[Sample], measure: str) -> str:
    """The series as CSV: times in UTC, decimal points."""
    head = f"time_utc,{measure}_least,{measure}_mean,{measure}_greatest"
    rows = (f"{s.at:%Y-%m-%dT%H:%M:%SZ},{s.least:.4f},{s.mean:.4f},{s.greatest:.4f}" for s in samples)
    return "\r\n".join([head, *rows, ""])
