"""Current levels of streams with their trend, forecast and thresholds, read from the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from sqlalchemy import Connection

from alerts.current_level.level import CurrentLevel, current_level
from alerts.current_level.sentence import sentence
from models.kinds.river import RIVER
from models.reading import NO_LEVEL_NOW
from services.queries.alerts.alerts import ExpectedCrossing, LevelNow
from services.queries.city.city import current_city
from services.queries.stations import current as queries
from services.queries.stations.current import Bin, CurrentStation
from services.queries.stations.forecasts import published_forecasts
from services.queries.watch.chart import ForecastPoint, Sample
from services.queries.watch.condition import TREND_SPAN, TREND_TOLERANCE, Health, Trend, health, trend

RIVER_BIN = timedelta(minutes=5)
TREND_PERIOD = TREND_SPAN + 2 * TREND_TOLERANCE
"""The past that a trend needs."""
Forecasts = Mapping[str, Sequence[ForecastPoint]]


def levels_now(transaction: Connection, now: datetime, subjects: Sequence[str]) -> dict[str, LevelNow]:
    """The current levels of these streams, as the API returns them; none for what is no stream or never had a value."""
    if not subjects:
        return {}
    zone = current_city(transaction).zone
    found = current_levels(transaction, now, subjects[0] if len(set(subjects)) == 1 else None)
    return {station: _level_now(found[station], zone, now) for station in set(subjects) if station in found}


def _level_now(level: CurrentLevel, zone: tzinfo, now: datetime) -> LevelNow:
    ahead = level.crossing
    return LevelNow(
        level_m=level.level_m,
        observed_at=level.at,
        age_s=max((now - level.at).total_seconds(), 0.0),
        fresh=level.fresh,
        rate_m_h=level.rate_m_h,
        reached=int(level.reached),
        above_m=level.above_m,
        next=None if level.next_up is None else int(level.next_up),
        missing_m=level.missing_m,
        crossing=None
        if ahead is None
        else ExpectedCrossing(expected_at=ahead.expected, earliest_at=ahead.earliest, latest_at=ahead.latest),
        text_es=sentence(level, "es", zone, now),
        text_en=sentence(level, "en", zone, now),
    )


def current_levels(transaction: Connection, now: datetime, station: str | None = None) -> dict[str, CurrentLevel]:
    """The current levels of all active streams, or of one station, by station; none where there never was one."""
    streams = [one for one in queries.current_stations(transaction, station) if one.kind is RIVER]
    if not streams:
        return {}
    courses, ahead = current_trends(transaction, now, streams), forecast_points(transaction, now, station)
    found = {}
    for one in streams:
        fresh = health(one, now) is Health.FRESH
        level = current_level_of(one, now, courses.get(one.id), ahead.get(one.id, ()) if fresh else ())
        if level is not None:
            found[one.id] = level
    return found


def current_trends(transaction: Connection, now: datetime, stations: Sequence[CurrentStation]) -> dict[str, Trend]:
    """The present trend of each stream with a fresh value, by station: one for every page and route.

    Of the readings that make the level, so without late ones. None across a gap.
    """
    streams = [one for one in stations if one.kind is RIVER and health(one, now) is Health.FRESH]
    if not streams:
        return {}
    devices = [device.id for one in streams for device in one.devices]
    bins = queries.read_bins(
        transaction, RIVER, devices, start=now - TREND_PERIOD, end=now, length=RIVER_BIN, without=NO_LEVEL_NOW
    )
    courses = {one.id: trend(samples_of(one, bins, RIVER_BIN)) for one in streams}
    return {station: course for station, course in courses.items() if course is not None}


def current_level_of(
    station: CurrentStation, now: datetime, course: Trend | None, forecast: Sequence[ForecastPoint]
) -> CurrentLevel | None:
    """The current level of a stream; None for another kind of station, and where there never was a trusted value."""
    if station.kind is not RIVER or station.value is None or station.value_at is None:
        return None
    return current_level(
        station.value,
        station.value_at,
        thresholds=station.thresholds,
        rate_m_h=course.rate_m_h if course else None,
        forecast=forecast,
        fresh=health(station, now) is Health.FRESH,
    )


def forecast_points(transaction: Connection, now: datetime, station: str | None = None) -> Forecasts:
    """Published forecasts as points of a chart, by station."""
    return {
        one.station: [
            ForecastPoint(one.made_at + timedelta(seconds=a.lead_s), a.p10_m, a.p50_m, a.p90_m) for a in one.ahead
        ]
        for one in published_forecasts(transaction, now, station).values()
    }


def samples_of(station: CurrentStation, bins: Mapping[int, Sequence[Bin]], length: timedelta) -> list[Sample]:
    """The series of a station: of its first device, with gaps filled from its other devices."""
    merged: dict[datetime, Bin] = {}
    for device in station.devices:
        for one in bins.get(device.id, ()):
            merged.setdefault(one.at, one)
    return [Sample(at + length / 2, one.least, one.mean, one.greatest) for at, one in sorted(merged.items())]
