"""Contents of the watch page at one instant: cards of streams, rain gauges and radars, alerts and data flow."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection, Row

from alerts.current_level.level import CurrentLevel, can_wait, danger
from alerts.incidents.summary import asks
from models.kind import SensorKind
from models.kinds.radar import RADAR
from models.kinds.rain import RAIN
from models.kinds.river import RIVER
from services.queries.alerts.alert_history import isolated_peaks, open_alert_rows, silences_by_outage
from services.queries.city.city import Area, CurrentCity, basin_areas, municipality_areas
from services.queries.city.processes import list_processes
from services.queries.stations import current as queries
from services.queries.stations.current import Bin, CurrentStation
from services.queries.stations.speeds import Speeds, street_speeds
from services.queries.watch.chart import SMALL, Chart, ChartSeries, ForecastPoint, Sample, lay_out
from services.queries.watch.condition import DataFlow, Health, Trend, data_flow, health, urgency
from services.queries.watch.incident_lines import IncidentLine, incident_lines
from services.queries.watch.levels import (
    RIVER_BIN,
    Forecasts,
    current_level_of,
    current_trends,
    forecast_points,
    samples_of,
)
from services.queries.watch.plan import CityPlan, StationState, city_plan, plan_places
from services.runtime.audience import Audience

CHART_PAST = timedelta(hours=4)
CHART_FUTURE = timedelta(hours=2)
RAIN_BIN = timedelta(minutes=5)
RAIN_WINDOWS = {"min_15": timedelta(minutes=15), "h_1": timedelta(hours=1), "h_3": timedelta(hours=3)}
MAX_NOTES = 3
MAX_RISING = 5
"""Streams in the list of those that rise fastest."""
MEASURED = frozenset({"stage", "rainfall"})
"""Rules whose colour a station shows."""
SPEED_PERIOD = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StreamCard:
    """A stream on the page."""

    station: CurrentStation
    health: Health
    trend: Trend | None
    chart: Chart
    samples: Sequence[Sample]
    forecast: Sequence[ForecastPoint]
    level: CurrentLevel | None
    """None where the station never had a trusted value."""

    @property
    def limits(self) -> list[tuple[str, float]]:
        """The thresholds with the names of their colours, from amarillo upwards."""
        return list(zip(("amarillo", "naranja", "rojo"), self.station.thresholds or (), strict=False))


@dataclass(frozen=True, slots=True)
class RainCard:
    """A rain gauge on the page. `amounts`: mm by window, None where unknown."""

    station: CurrentStation
    health: Health
    amounts: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class RadarCard:
    """A speed radar on the page; `speeds` of the last hour."""

    station: CurrentStation
    health: Health
    speeds: Speeds


@dataclass(frozen=True, slots=True)
class WatchPage:
    """All contents of the watch page at one instant."""

    city: Area | None
    neighbours: tuple[Area, ...]
    basins: tuple[Area, ...]
    status: DataFlow
    covered: Mapping[int, Sequence[Row[Any]]]
    """By the number of an outage's alert, those of the silent stations that it covers; they stand inside it."""
    shelved: list[Row[Any]]
    """Open alerts that are put aside for a while, the first to come back first."""
    peaks: frozenset[int]
    """Alerts that rest on a value which was an isolated peak."""
    incidents: list[IncidentLine]
    """The open incidents that matter now, the most dangerous first. Each open alert is in one incident."""
    waiting_incidents: list[IncidentLine]
    """Those that can wait: the water falls, or what raised their alerts is long ago or over."""
    levels: Mapping[str, CurrentLevel]
    """The current level of each stream that ever had a trusted one, by station."""
    cards: list[StreamCard]
    gauges: list[RainCard]
    radars: list[RadarCard]
    plan: CityPlan | None
    """The plan of the city; None without stations."""
    notes: tuple[str, ...]
    """Notes on the stations, such as that their thresholds are not official."""

    @property
    def doubtful(self) -> dict[str, CurrentStation]:
        """The streams with a newer value that is not taken as their level, by station."""
        return {card.station.id: card.station for card in self.cards if card.station.doubtful}

    @property
    def alerts(self) -> list[Row[Any]]:
        """All open alerts in the order in which the page shows them."""
        shown = [alert for line in [*self.incidents, *self.waiting_incidents] for alert in self.standing(line)]
        return [one for alert in shown for one in [alert, *self.covered.get(alert.id, ())]]

    def standing(self, line: IncidentLine) -> list[Row[Any]]:
        """The alerts of an incident that neither are put aside nor stand inside the alert of an outage."""
        inside = {alert.id for several in self.covered.values() for alert in several}
        return [alert for alert in line.members if alert.id not in inside and alert.shelved_until is None]

    @property
    def rising(self) -> list[StreamCard]:
        """The streams that rise now, the fastest first."""
        found = [card for card in self.cards if card.level is not None and card.level.rising]
        return sorted(found, key=lambda card: (-(card.trend.rate_m_h if card.trend else 0.0), card.station.name))[
            :MAX_RISING
        ]

    def next_unacknowledged(self, after: int | None = None) -> int | None:
        """The first alert that asks to be acknowledged: below the alert `after`, else from the top; never `after`."""
        numbers = [alert.id for alert in self.alerts]
        start = numbers.index(after) + 1 if after in numbers else 0
        turned = [*self.alerts[start:], *self.alerts[: max(0, start - 1)]]
        return next((alert.id for alert in turned if asks(alert)), None)

    @property
    def raised_by(self) -> dict[str, Row[Any]]:
        """By station, the open alert that holds its highest colour."""
        held = [alert for alert in self.alerts if alert.state == "firing" and alert.judgement in MEASURED]
        return {alert.station_id: alert for alert in sorted(held, key=lambda alert: alert.nar)}

    @property
    def unacknowledged(self) -> int:
        """How many alerts ask to be acknowledged."""
        return sum(map(asks, self.alerts))


def watch_page(
    transaction: Connection,
    now: datetime,
    audience: Audience,
    *,
    city: CurrentCity,
    clock_factor: float = 1.0,
    expected: Collection[str] = (),
) -> WatchPage:
    """Read and lay out the page for its readers. `clock_factor`: speed of the clock relative to real time.

    `expected`: the processes that the setting names.
    """
    stations = queries.current_stations(transaction)
    areas = municipality_areas(transaction, city.id)
    cards = _stream_cards(transaction, [s for s in stations if s.kind is RIVER], now, city.zone)
    levels = {card.station.id: card.level for card in cards if card.level}
    every = open_alert_rows(transaction, audience)
    rows = [row for row in every if row.shelved_until is None]
    covered = silences_by_outage(rows)
    basins, incidents = basin_areas(transaction), incident_lines(transaction, every, levels)
    waiting = [line for line in incidents if _waits(line, levels, now)]
    courses = {card.station.id: card.trend.course for card in cards if card.trend}
    states = [StationState(one, health(one, now), courses.get(one.id)) for one in stations]
    return WatchPage(
        city=areas[0] if areas else None,
        neighbours=areas[1:],
        basins=basins,
        status=data_flow(stations, list_processes(transaction), now, clock_factor=clock_factor, expected=expected),
        covered=covered,
        shelved=sorted((row for row in every if row.shelved_until), key=lambda row: (row.shelved_until, row.id)),
        peaks=isolated_peaks(transaction, [one.id for one in every]),
        incidents=[line for line in incidents if line not in waiting],
        waiting_incidents=waiting,
        levels=levels,
        cards=cards,
        gauges=rain_cards(transaction, [s for s in stations if s.kind is RAIN], now),
        radars=_radar_cards(transaction, [s for s in stations if s.kind is RADAR], now, city),
        plan=city_plan(plan_places(transaction), basins, states, incidents),
        notes=tuple(sorted({station.note for station in stations if station.note}))[:MAX_NOTES],
    )


def _recent_bins(
    transaction: Connection, kind: SensorKind, stations: Sequence[CurrentStation], now: datetime, length: timedelta
) -> dict[int, list[Bin]]:
    ids = [device.id for station in stations for device in station.devices]
    return queries.read_bins(transaction, kind, ids, start=now - CHART_PAST, end=now, length=length)


def _stream_cards(
    transaction: Connection, stations: Sequence[CurrentStation], now: datetime, zone: tzinfo
) -> list[StreamCard]:
    bins = _recent_bins(transaction, RIVER, stations, now, RIVER_BIN)
    ahead = forecast_points(transaction, now)
    end = now + CHART_FUTURE + RIVER_BIN if ahead else now
    courses = current_trends(transaction, now, stations)
    cards = [
        _stream_card(station, samples_of(station, bins, RIVER_BIN), courses.get(station.id), now, end, zone, ahead)
        for station in stations
    ]
    return sorted(cards, key=_danger_of_card)


def _danger_of_card(card: StreamCard) -> tuple[object, ...]:
    """Sort key, the most dangerous first. A station that never had a value is like one that fell silent."""
    silent = card.health is not Health.FRESH
    return (*danger(card.station.nar, card.level, silent=silent), card.station.name)


def _waits(line: IncidentLine, levels: Mapping[str, CurrentLevel], now: datetime) -> bool:
    """Whether an incident can wait: all its alerts are over or put aside, or their water falls or stays for long."""
    return bool(line.members) and all(
        one.state == "cleared" or one.shelved_until or can_wait(levels.get(one.station_id), now - one.changed_at)
        for one in line.members
    )


def _stream_card(
    station: CurrentStation,
    samples: list[Sample],
    course: Trend | None,
    now: datetime,
    end: datetime,
    zone: tzinfo,
    forecasts: Forecasts,
) -> StreamCard:
    state = health(station, now)
    fresh = state is Health.FRESH
    ahead = [one for one in forecasts.get(station.id, ()) if one.at <= end] if fresh else []
    series = ChartSeries(
        start=now - CHART_PAST,
        end=end,
        samples=samples,
        max_gap=max(3 * RIVER_BIN, station.silent_after),
        zone=zone,
        thresholds=station.thresholds or (),
        forecast=ahead,
    )
    level = current_level_of(station, now, course, ahead)
    return StreamCard(station, state, course, lay_out(series, SMALL), samples, ahead, level)


def rain_cards(transaction: Connection, stations: Sequence[CurrentStation], now: datetime) -> list[RainCard]:
    """Rain gauges with their amounts, the most urgent first."""
    bins = _recent_bins(transaction, RAIN, stations, now, RAIN_BIN)
    gauges = [_rain_card(station, bins, now) for station in stations]
    return sorted(gauges, key=lambda gauge: (urgency(gauge.station, now, None)[:2], -(gauge.amounts["h_1"] or 0.0)))


def _rain_card(station: CurrentStation, bins: Mapping[int, Sequence[Bin]], now: datetime) -> RainCard:
    """Rain by window, of the first device only: two devices in one place would count the same rain twice."""
    state = health(station, now)
    bins_of_gauge = [one for device in station.devices[:1] for one in bins.get(device.id, ())]
    amounts = {
        name: sum(one.total for one in bins_of_gauge if one.at >= now - window) if state is Health.FRESH else None
        for name, window in RAIN_WINDOWS.items()
    }
    return RainCard(station, state, amounts)


def _radar_cards(
    transaction: Connection, stations: Sequence[CurrentStation], now: datetime, city: CurrentCity
) -> list[RadarCard]:
    """Radars ordered by the share of vehicles above the limit, highest first; those without vehicles last."""
    if not stations:
        return []
    counted = street_speeds(transaction, city.zone_name, now - SPEED_PERIOD, now, limit=queries.MAX_STATIONS)
    by_station = {street.station: street.whole for street in counted}
    radars = [RadarCard(station, health(station, now), by_station[station.id]) for station in stations]
    return sorted(radars, key=lambda radar: (-(radar.speeds.share_over or 0.0), radar.station.name))
