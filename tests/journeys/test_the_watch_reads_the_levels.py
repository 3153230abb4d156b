"""What the watch reads of its streams: levels now, doubtful values as such, and the most dangerous first."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, takewhile

import pytest
from sqlalchemy import Engine, text

from alerts.current_level.sentence import sentence
from models.alert import NAR
from models.reading import UNTRUSTED, Flag, Message
from services.city.load import load
from services.city.seed import LA_PLATA, read_seed
from services.pipeline.road import Pipeline
from services.queries.city.city import CurrentCity, current_city
from services.queries.stations.current import current_stations
from services.queries.watch.levels import current_levels
from services.queries.watch.page import WatchPage, watch_page
from services.runtime.audience import Audience
from services.web.api.stations.latest import station_latest
from services.web.pages.evidence import headline
from services.web.pages.language import Words
from services.web.pages.station import station_page
from simulators.devices.faults import usual_faults
from simulators.scenario import SimulatedCity
from simulators.scenarios import SCENARIOS
from tests.seeds import la_plata

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SPIKED = "gato-143-524"
SCENARIO = SCENARIOS["storm_2013"]


class Clock:
    """A clock that the story sets."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def page_of(database: Engine, now: datetime) -> tuple[WatchPage, CurrentCity]:
    """The watch page as operators read it."""
    with database.begin() as transaction:
        city = current_city(transaction)
        return watch_page(transaction, now, Audience.OPERATORS, city=city), city


def test_a_lone_peak_is_doubtful_until_the_next_reading_and_then_gone(database: Engine) -> None:
    clock = Clock(NOON)
    with database.begin() as transaction:
        load(transaction, la_plata(), NOON)
    pipeline = Pipeline(database, clock, lane=None)

    def send(minute: float, level_m: float) -> None:
        clock.now = NOON + minute * MINUTE + timedelta(seconds=1)
        body = {"observed_at": (NOON + minute * MINUTE).isoformat(), "level_m": level_m}
        topic = f"vigia/v1/laplata/river/{SPIKED}"
        pipeline.process_messages([Message(topic, json.dumps(body).encode(), clock.now)])

    def shown() -> tuple[float | None, float | None, float | None, float]:
        page, _ = page_of(database, clock.now)
        (card,) = [one for one in page.cards if one.station.id == SPIKED]
        doubtful = card.station.doubtful
        rate = card.trend.rate_m_h if card.trend else None
        return card.station.value, doubtful.value if doubtful else None, rate, max(one.greatest for one in card.samples)

    try:
        for minute in range(31):
            send(minute, 1.50 + 0.01 * (minute % 2))
        send(31, 4.60)
        value, doubtful, rate, greatest = shown()
        assert (value, doubtful, greatest) == (1.50, 4.60, 1.51)
        assert rate is not None
        assert abs(rate) < 0.1
        page, city = page_of(database, clock.now)
        (alert,) = [one for one in page.alerts if one.station_id == SPIKED]
        assert not alert.confirmed
        assert sentence(page.levels[SPIKED], "es", city.zone, clock.now).startswith("Ahora 1,50 m")
        assert page.peaks == frozenset()
        for minute, level_m in ((32, 1.53), (33, 1.52)):
            send(minute, level_m)
            assert page_of(database, clock.now)[0].peaks == {alert.id}
            value, doubtful, rate, greatest = shown()
            assert (value, doubtful) == (level_m, None)
            assert rate is not None
            assert abs(rate) < 0.2
            assert greatest < 2.0
        send(34, 148.0)
        assert shown()[:2] == (1.52, 148.0)
    finally:
        pipeline.close()


def test_late_readings_make_no_level_and_no_trend_on_any_page(database: Engine) -> None:
    """A lone late peak cannot be told from a rise, so level, trend and rate are of what came in order, everywhere."""
    clock = Clock(NOON)
    with database.begin() as transaction:
        load(transaction, la_plata(), NOON)
    pipeline = Pipeline(database, clock, lane=None)

    def said() -> list[tuple[float | None, float | None]]:
        page, city = page_of(database, clock.now)
        (card,) = [one for one in page.cards if one.station.id == SPIKED]
        with database.begin() as transaction:
            (station,) = current_stations(transaction, SPIKED)
            alone = station_page(transaction, station, clock.now, Audience.PUBLIC, 6, city.zone)
            level = current_levels(transaction, clock.now, SPIKED)[SPIKED]
            latest = station_latest(transaction, clock.now, SPIKED)
        assert max(one.greatest for one in alone.samples) == pytest.approx(greatest)  # the chart shows late readings
        assert card.trend
        assert card.level
        assert alone.trend
        assert latest.trend
        return [
            (card.station.value, card.trend.rate_m_h),
            (card.level.level_m, card.level.rate_m_h),
            (station.value, alone.trend.rate_m_h),
            (level.level_m, level.rate_m_h),
            (latest.value, latest.trend.rate_m_h),
        ]

    def send(minute: float, level_m: float) -> None:
        body = {"observed_at": (NOON + minute * MINUTE).isoformat(), "level_m": level_m}
        pipeline.process_messages([Message(f"vigia/v1/laplata/river/{SPIKED}", json.dumps(body).encode(), clock.now)])

    try:
        for minute in range(0, 31, 2):
            clock.now = NOON + minute * MINUTE + timedelta(seconds=1)
            send(minute, 0.42)
        greatest = 0.42
        assert set(said()) == {(0.42, 0.0)}
        for minute, level_m in ((25, 0.43), (27, 2.60), (29, 0.44)):
            send(minute, level_m)
        greatest = 2.60
        assert set(said()) == {(0.42, 0.0)}
        clock.now += MINUTE
        send(31, 4.60)  # not yet confirmed: the level is still the one before, never a late one
        assert set(said()) == {(0.42, 0.0)}
    finally:
        pipeline.close()


def test_a_sudden_rise_that_the_next_reading_confirms_is_the_level(database: Engine) -> None:
    clock = Clock(NOON)
    with database.begin() as transaction:
        load(transaction, la_plata(), NOON)
    pipeline = Pipeline(database, clock, lane=None)
    try:
        for minute, level_m in [*((one, 1.5) for one in range(20)), (20, 3.4), (21, 3.6)]:
            clock.now = NOON + minute * MINUTE + timedelta(seconds=1)
            body = {"observed_at": (NOON + minute * MINUTE).isoformat(), "level_m": level_m}
            topic = f"vigia/v1/laplata/river/{SPIKED}"
            pipeline.process_messages([Message(topic, json.dumps(body).encode(), clock.now)])
        page, _ = page_of(database, clock.now)
    finally:
        pipeline.close()
    assert (page.cards[0].station.id, page.cards[0].station.value, page.cards[0].station.doubtful) == (
        SPIKED,
        3.6,
        None,
    )
    assert page.cards[0].trend is not None
    assert page.cards[0].trend.rate_m_h > 3


def test_a_colour_by_rain_names_the_duration_whose_limit_fired_on_the_gauge_and_on_its_stream(database: Engine) -> None:
    """Rain of three hours: red by their limit, while a quarter of an hour has less than its own."""
    clock = Clock(NOON)
    with database.begin() as transaction:
        load(transaction, la_plata(), NOON)
    pipeline = Pipeline(database, clock, lane=None)
    stream, gauges = SPIKED, ("lluvia-romero", "lluvia-san-carlos")
    told: dict[tuple[str, NAR], str | None] = {}
    try:
        for minute in range(0, 180, 5):
            clock.now = NOON + minute * MINUTE + timedelta(seconds=1)
            body = {"observed_at": (NOON + minute * MINUTE).isoformat(), "rain_mm": 4.9, "interval_s": 300}
            level = {"observed_at": body["observed_at"], "level_m": 0.4}
            pipeline.process_messages(
                [
                    *(Message(f"vigia/v1/laplata/rain/{one}", json.dumps(body).encode(), clock.now) for one in gauges),
                    Message(f"vigia/v1/laplata/river/{stream}", json.dumps(level).encode(), clock.now),
                ]
            )
            page, city = page_of(database, clock.now)
            for alert in page.alerts:
                nar = NAR(alert.nar)
                told.setdefault(
                    (alert.station_id, nar), headline(Words("es", city.zone), nar, alert.cause, alert.evidence)
                )
    finally:
        pipeline.close()
    for subject in (stream, *gauges):
        assert told[subject, NAR.AMARILLO] == "14,7 mm, umbral 10,0 mm en 15 min"
        assert told[subject, NAR.NARANJA] == "49,0 mm, umbral 45,0 mm en 1 h"
        assert told[subject, NAR.ROJO] == "122,5 mm, umbral 120,0 mm en 3 h"


@dataclass
class Minute:
    """What the page said at one minute."""

    at: datetime
    first: str
    first_is_over: bool
    stream_alerts: int
    said: dict[str, float]
    """By station of an open alert, the level in its text, m."""


def storm_minutes(database: Engine, first: timedelta, last: timedelta, step: int) -> Iterator[Minute]:
    """The storm of 2013 through the pipeline, and what the page says every `step` minutes between these hours."""
    city, start = read_seed(LA_PLATA), SCENARIO.default_start
    clock = Clock(start)
    with database.begin() as transaction:
        load(transaction, city, start)
    cast = SimulatedCity(city.city, SCENARIO, seed=2013, start=start)
    parcels = takewhile(lambda one: one.due_at < start + last, cast.messages(usual_faults(city.city, 2013, 1.0)))
    messages = (Message(one.topic, one.payload, one.due_at) for one in parcels)
    pipeline = Pipeline(database, clock, lane=None)
    try:
        for turn, batch in groupby(messages, lambda one: (one.received_at - start) // MINUTE):
            clock.now = start + (turn + 1) * MINUTE
            pipeline.process_messages(list(batch))
            pipeline.tick_rules()
            if clock.now - start >= first and turn % step == 0:
                page, place = page_of(database, clock.now)
                yield read_minute(page, place, clock.now)
    finally:
        pipeline.close()


def read_minute(page: WatchPage, city: CurrentCity, now: datetime) -> Minute:
    """What a reader of the page learns."""
    said = {}
    for alert in page.alerts:
        if alert.station_id in page.levels:
            told = re.match(
                r"(?:Ahora|Último dato) ([\d,−]+) m", sentence(page.levels[alert.station_id], "es", city.zone, now)
            )
            assert told
            said[alert.station_id] = float(told[1].replace(",", ".").replace("−", "-"))
    card = page.cards[0]
    over = card.level is not None and card.level.fresh and card.level.reached is NAR.ROJO
    stream_alerts = sum(one.judgement == "stage" and one.state == "firing" for one in page.alerts)
    return Minute(now, card.station.id, over, stream_alerts, said)


def check_storm(database: Engine, minutes: list[Minute]) -> tuple[int, int]:
    """Compare with the stored readings: each text, and how often the first tile was the right one, of how many."""
    readings: dict[str, list[tuple[datetime, datetime, float]]] = defaultdict(list)
    with database.begin() as transaction:
        rows = transaction.execute(
            text(
                "SELECT d.station_id, r.observed_at, r.received_at, r.level_m FROM river_readings r JOIN devices d"
                " ON d.id = r.device_id WHERE r.flags & :untrusted = 0 AND r.level_m IS NOT NULL ORDER BY r.observed_at"
            ),
            {"untrusted": int(UNTRUSTED | Flag.SPIKE)},
        )
        for station, observed_at, received_at, level_m in rows:
            readings[station].append((observed_at, received_at, level_m))
        lines = transaction.execute(
            text("SELECT subject, (judgement->'thresholds_m'->>2)::float FROM rules WHERE id LIKE '%.stage'")
        )
        red_lines = {str(station): float(line) for station, line in lines}
    for minute in minutes:
        for station, level_m in minute.said.items():
            known = [value for observed_at, received_at, value in readings[station] if received_at <= minute.at]
            assert any(abs(level_m - value) <= 0.0051 for value in known[-2:]), (
                minute.at,
                station,
                level_m,
                known[-3:],
            )
    right = counted = 0
    for minute in minutes:
        crossings = {
            station: crossed
            for station, line in red_lines.items()
            if (crossed := next_crossing(readings[station], minute.at, line)) is not None
        }
        if minute.stream_alerts and (minute.first_is_over or crossings):
            counted += 1
            right += minute.first_is_over or minute.first == min(crossings, key=crossings.__getitem__)
    return right, counted


def next_crossing(readings: list[tuple[datetime, datetime, float]], now: datetime, line: float) -> datetime | None:
    """When the stream goes over the line next; None where it is over it now or stays below."""
    before = [value for observed_at, _, value in readings if observed_at <= now]
    if before and before[-1] >= line:
        return None
    return next((observed_at for observed_at, _, value in readings if observed_at > now and value >= line), None)


@pytest.mark.timeout(300)
def test_in_the_storm_each_text_is_the_level_now_and_the_worst_stream_stands_first(database: Engine) -> None:
    minutes = list(storm_minutes(database, timedelta(hours=1), timedelta(hours=6), 10))
    right, counted = check_storm(database, minutes)
    assert counted > 10
    assert right >= 0.9 * counted, (right, counted)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_at_every_minute_of_the_storm(database: Engine) -> None:
    minutes = list(storm_minutes(database, timedelta(0), timedelta(hours=24), 1))
    right, counted = check_storm(database, minutes)
    print("| minutes | with a stream's alert | first tile right |")
    print(f"| {len(minutes)} | {counted} | {right / counted:.1%} |")
    assert right >= 0.9 * counted
