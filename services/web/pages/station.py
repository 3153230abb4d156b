"""A station's page: its series over a period, its instruments, its alerts and why they moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection, Row

from models.kinds.rain import RAIN
from models.kinds.river import RIVER
from services.queries.alerts.alert_history import alerts_of, transitions_of
from services.queries.stations import current as queries
from services.queries.stations.current import StationNow
from services.queries.watch.chart import LARGE, Ahead, Chart, Sample, Series, draw
from services.queries.watch.condition import Health, Trend, health, trend
from services.queries.watch.page import published, samples_of

BINS = {
    6: timedelta(minutes=2),
    24: timedelta(minutes=5),
    168: timedelta(minutes=30),
    720: timedelta(hours=2),
}
"""How long each interval of the chart is, by the hours it looks back."""
BARS = {6: timedelta(minutes=10), 24: timedelta(minutes=30), 168: timedelta(hours=3), 720: timedelta(hours=12)}
"""The same for amounts of rain."""
FORECAST_BESIDE_HOURS = 24
"""Beside a longer past, six hours ahead cannot be seen."""
TREND_BACK = timedelta(hours=1)
MOST_ROWS = 60
"""Rows of the table beside the chart, the newest ones; the CSV has all."""


@dataclass(frozen=True, slots=True)
class StationPage:
    """Everything on a station's page at one moment. `rows`: newest first. `transitions`: by alert, newest first."""

    station: StationNow
    health: Health
    trend: Trend | None
    hours: int
    bars: bool
    chart: Chart
    samples: Sequence[Sample]
    forecast: Sequence[Ahead]
    alerts: list[Row[Any]]
    transitions: dict[int, list[Row[Any]]]

    @property
    def rows(self) -> list[Sample]:
        """What the table shows."""
        return list(reversed(self.samples))[:MOST_ROWS]


def station_page(transaction: Connection, station: StationNow, now: datetime, hours: int, zone: tzinfo) -> StationPage:
    """Read and lay out a station's page over the last `hours`, one of BINS."""
    state = health(station, now)
    bars = station.kind is RAIN
    samples = series(transaction, station, now, hours)
    ahead = _ahead(transaction, station, now) if state is Health.FRESH and hours <= FORECAST_BESIDE_HOURS else ()
    shown = Series(
        start=now - timedelta(hours=hours),
        end=max([now, *(one.at for one in ahead)]),
        samples=samples,
        gap=BARS[hours] if bars else max(3 * BINS[hours], station.silent_after),
        zone=zone,
        thresholds=station.thresholds or (),
        forecast=ahead,
        from_zero=bars,
    )
    alerts = alerts_of(transaction, station.id)
    moves = transitions_of(transaction, [alert.id for alert in alerts])
    return StationPage(
        station=station,
        health=state,
        trend=_trend(samples, now) if state is Health.FRESH and station.kind is RIVER else None,
        hours=hours,
        bars=bars,
        chart=draw(shown, LARGE, bars=bars),
        samples=samples,
        forecast=ahead,
        alerts=alerts,
        transitions={alert.id: [move for move in moves if move.alert_id == alert.id] for alert in alerts},
    )


def series(transaction: Connection, station: StationNow, now: datetime, hours: int) -> list[Sample]:
    """The station's trusted values over the last `hours`: one sample an interval of BINS, or rain for each of BARS."""
    start, length = now - timedelta(hours=hours), (BARS if station.kind is RAIN else BINS)[hours]
    ids = [device.id for device in station.devices]
    bins = queries.bins(transaction, station.kind, ids, start=start, end=now, length=length)
    if station.kind is RAIN:
        fallen = [one for device in ids[:1] for one in bins.get(device, ())]
        return [Sample(one.at, one.total, one.total, one.total) for one in fallen]
    return samples_of(station, bins, length)


def _ahead(transaction: Connection, station: StationNow, now: datetime) -> Sequence[Ahead]:
    return published(transaction, now, station.id).get(station.id, ())


def _trend(samples: Sequence[Sample], now: datetime) -> Trend | None:
    return trend([sample for sample in samples if sample.at >= now - TREND_BACK])


def as_csv(samples: Sequence[Sample], measure: str) -> str:
    """The series as a table any spreadsheet opens: times in UTC, a point for the decimals."""
    head = f"time_utc,{measure}_least,{measure}_mean,{measure}_greatest"
    rows = (f"{s.at:%Y-%m-%dT%H:%M:%SZ},{s.least:.4f},{s.mean:.4f},{s.greatest:.4f}" for s in samples)
    return "\r\n".join([head, *rows, ""])
