"""The watch page's contents: what is queried and how it is laid out for one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection, Row

from models.kind import SensorKind
from models.kinds.radar import RADAR
from models.kinds.rain import RAIN
from models.kinds.river import RIVER
from services.queries.alerts.alert_history import open_alerts
from services.queries.city.city import Area, CityNow, basin_areas, municipality_areas, pulses
from services.queries.stations import current as queries
from services.queries.stations.current import Bin, StationNow
from services.queries.stations.forecasts import forecasts
from services.queries.stations.speeds import Speeds, street_speeds
from services.queries.watch.chart import SMALL, Ahead, Chart, Sample, Series, draw
from services.queries.watch.condition import Health, Status, Trend, health, status, trend, urgency

BACK = timedelta(hours=4)
AHEAD = timedelta(hours=2)
RIVER_BIN = timedelta(minutes=5)
RAIN_BIN = timedelta(minutes=5)
WINDOWS = {"min_15": timedelta(minutes=15), "h_1": timedelta(hours=1), "h_3": timedelta(hours=3)}
MOST_NOTES = 3
SPEEDS_BACK = timedelta(hours=1)
Forecasts = Mapping[str, Sequence[Ahead]]


@dataclass(frozen=True, slots=True)
class Card:
    """A stream on the page."""

    station: StationNow
    health: Health
    trend: Trend | None
    chart: Chart
    samples: Sequence[Sample]
    forecast: Sequence[Ahead]


@dataclass(frozen=True, slots=True)
class Gauge:
    """A rain gauge on the page; `amounts` in mm by window, None where it is not known."""

    station: StationNow
    health: Health
    amounts: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Radar:
    """A speed radar on the page; `speeds` of the last hour."""

    station: StationNow
    health: Health
    speeds: Speeds


@dataclass(frozen=True, slots=True)
class WatchPage:
    """Everything on the watch page at one moment."""

    city: Area | None
    neighbours: tuple[Area, ...]
    basins: tuple[Area, ...]
    status: Status
    alerts: list[Row[Any]]
    cards: list[Card]
    gauges: list[Gauge]
    radars: list[Radar]
    notes: tuple[str, ...]
    """What is to be known of the stations, such as that their thresholds are not official."""

    @property
    def unacknowledged(self) -> int:
        """How many alerts wait for a person."""
        return sum(alert.acknowledged_at is None for alert in self.alerts)


def watch_page(transaction: Connection, now: datetime, *, city: CityNow, pace: float) -> WatchPage:
    """Read and lay out the page. `pace`: how many times as fast as real time the clock runs."""
    stations = queries.stations_now(transaction)
    areas = municipality_areas(transaction, city.id)
    return WatchPage(
        city=areas[0] if areas else None,
        neighbours=areas[1:],
        basins=basin_areas(transaction),
        status=status(stations, pulses(transaction), now, pace),
        alerts=open_alerts(transaction),
        cards=_cards(transaction, [s for s in stations if s.kind is RIVER], now, city.zone),
        gauges=_gauges(transaction, [s for s in stations if s.kind is RAIN], now),
        radars=_radars(transaction, [s for s in stations if s.kind is RADAR], now, city),
        notes=tuple(sorted({station.note for station in stations if station.note}))[:MOST_NOTES],
    )


def published(transaction: Connection, now: datetime, station: str | None = None) -> Forecasts:
    """What may be shown of the level ahead, by station."""
    return {
        one.station: [Ahead(one.made_at + timedelta(seconds=a.lead_s), a.p10_m, a.p50_m, a.p90_m) for a in one.ahead]
        for one in forecasts(transaction, now, station).values()
    }


def _recent(
    transaction: Connection, kind: SensorKind, stations: Sequence[StationNow], now: datetime, length: timedelta
) -> dict[int, list[Bin]]:
    ids = [device.id for station in stations for device in station.devices]
    return queries.bins(transaction, kind, ids, start=now - BACK, end=now, length=length)


def samples_of(station: StationNow, bins: Mapping[int, Sequence[Bin]], length: timedelta) -> list[Sample]:
    """One series for a station: that of its first device, completed by its others where that has nothing."""
    merged: dict[datetime, Bin] = {}
    for device in station.devices:
        for one in bins.get(device.id, ()):
            merged.setdefault(one.at, one)
    return [Sample(at + length / 2, one.least, one.mean, one.greatest) for at, one in sorted(merged.items())]


def _cards(transaction: Connection, stations: Sequence[StationNow], now: datetime, zone: tzinfo) -> list[Card]:
    bins = _recent(transaction, RIVER, stations, now, RIVER_BIN)
    ahead = published(transaction, now)
    end = now + AHEAD + RIVER_BIN if ahead else now
    cards = [_card(station, samples_of(station, bins, RIVER_BIN), now, end, zone, ahead) for station in stations]
    return sorted(cards, key=lambda card: urgency(card.station, now, card.trend.course if card.trend else None))


def _card(
    station: StationNow, samples: list[Sample], now: datetime, end: datetime, zone: tzinfo, forecasts: Forecasts
) -> Card:
    state = health(station, now)
    fresh = state is Health.FRESH
    ahead = [one for one in forecasts.get(station.id, ()) if one.at <= end] if fresh else []
    series = Series(
        start=now - BACK,
        end=end,
        samples=samples,
        gap=max(3 * RIVER_BIN, station.silent_after),
        zone=zone,
        thresholds=station.thresholds or (),
        forecast=ahead,
    )
    return Card(station, state, trend(samples) if fresh else None, draw(series, SMALL), samples, ahead)


def _gauges(transaction: Connection, stations: Sequence[StationNow], now: datetime) -> list[Gauge]:
    bins = _recent(transaction, RAIN, stations, now, RAIN_BIN)
    gauges = [_gauge(station, bins, now) for station in stations]
    return sorted(gauges, key=lambda gauge: (urgency(gauge.station, now, None)[:2], -(gauge.amounts["h_1"] or 0.0)))


def _gauge(station: StationNow, bins: Mapping[int, Sequence[Bin]], now: datetime) -> Gauge:
    """A gauge's rain is that of its first device: two in one place would count the same rain twice."""
    state = health(station, now)
    fallen = [one for device in station.devices[:1] for one in bins.get(device.id, ())]
    amounts = {
        name: sum(one.total for one in fallen if one.at >= now - window) if state is Health.FRESH else None
        for name, window in WINDOWS.items()
    }
    return Gauge(station, state, amounts)


def _radars(transaction: Connection, stations: Sequence[StationNow], now: datetime, city: CityNow) -> list[Radar]:
    """The streets where most vehicles exceed the limit first; those that say nothing last."""
    if not stations:
        return []
    counted = street_speeds(transaction, city.zone_name, now - SPEEDS_BACK, now, limit=queries.MOST_STATIONS)
    by_station = {street.station: street.whole for street in counted}
    radars = [Radar(station, health(station, now), by_station[station.id]) for station in stations]
    return sorted(radars, key=lambda radar: (-(radar.speeds.share_over or 0.0), radar.station.name))
