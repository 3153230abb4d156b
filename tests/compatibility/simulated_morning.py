"""A simulated morning of a small city, processed by the pipeline until every table and stored field has a value.

The recorded database was written by running this at an earlier version (`recorded_database`). All data are simulated:
the stations are those of the default seed, the buses those of the simulator's timetable.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, Engine, text

from alerts.forecast.level_forecast import ForecastModel
from alerts.forecast.series import Series, resample
from models.kinds import KINDS_BY_NAME
from models.migrations.readings import delete_readings_keep_hours
from models.network import Network
from models.reading import Message
from models.rule import ExtremeSpeed, Fault, Judgement, Rainfall, Rule, Silence, SpeedTrend, Stage
from services import actions
from services.city.load import load
from services.city.seed import Seed
from services.notices.notifier import Notifier
from services.notices.outbox import set_webhook
from services.people.api_keys import add_api_key
from services.pipeline.road import Pipeline
from services.queries.transit.rider_reports import ReportCode, RiderReport, store_report
from services.runtime.heartbeat import write_heartbeat
from services.transit.fleet.fleet import Fleet, ReportedStop
from services.transit.fleet.fleet_updater import FleetUpdater
from services.transit.fleet.rows import read_travel_times, visit_row, write_travel_times, write_visits
from services.transit.fleet.stop_visits import StopVisit
from services.transit.model.service_alert import ActivePeriod, Cause, Effect, InformedEntity, Translated
from services.transit.serving.service_alert_actions import Draft, draft, end, publish
from services.transit.timetable import versions
from services.transit.travel_times.link_times import TravelTimes
from services.upkeep.learning import fit_station, store_models
from tests.compatibility import simulated_buses
from tests.seeds import la_plata

STATIONS = (
    *("gato-143-524", "perez-31-520", "gato-centenario-516", "gato-ringuelet"),
    *("lluvia-san-carlos", "lluvia-romero", "lluvia-tolosa"),
    *("radar-7-50", "radar-13-60", "radar-44-25", "radar-60-31", "radar-32-13"),
)
RISING, FALLEN, SKEWED, DROWNED = STATIONS[:4]
"""A stream in flood; a gauge with a zero shift; one with a wrong clock; one that falls silent at a high level."""
POURING, RAINED_OUT, DRY = STATIONS[4:7]
FAST, FASTER_EACH_WEEK, *MUTE = STATIONS[7:]
UNUSUAL: Mapping[tuple[str, type[Judgement]], dict[str, Any]] = {
    (RISING, Stage): {"rain": (DRY,)},
    (FALLEN, Stage): {"confirm_samples": 3, "clear_margin_m": 0.12, "clear_hold_s": 1500, "period_s": 60},
    (SKEWED, Stage): {
        "rise_min_m": 0.03,
        "rise_window_s": 1200,
        "raise_chance": 0.5,
        "look_ahead_s": 2400,
        "sure_margin_m": 0.25,
        "rain_backs_mm": 6.0,
        "upstream": (RISING,),
        "rain": (POURING,),
    },
    (RAINED_OUT, Rainfall): {
        "in_15_min_mm": (9.0, 17.0, 24.0),
        "in_1_h_mm": (29.0, 44.0, 59.0),
        "in_3_h_mm": (49.0, 79.0, 119.0),
        "clear_hold_s": 2700,
    },
    (DROWNED, Silence): {"least_s": 600, "period_s": 90},
    (FALLEN, Fault): {"in_a_row": 3, "clear_after": 5},
    (FAST, ExtremeSpeed): {
        "over_limit_kmh": (35.0, 55.0, 75.0),
        "window_s": 1200,
        "several": 4,
        "limit_kmh": 50.0,
    },
    (FASTER_EACH_WEEK, SpeedTrend): {
        "recent_days": 6,
        "before_days": 24,
        "least_vehicles": 400,
        "z_score": 2.5,
        "grew_points": (0.04, 0.09, 0.5),
        "limit_kmh": 45.0,
    },
}
"""Parameters of rules that differ from the defaults, so that a parameter which is not read back is noticed."""
LOADED = datetime(2026, 1, 20, 12, tzinfo=UTC)
BEGINS = datetime(2026, 3, 2, 9, tzinfo=UTC)
ENDS = simulated_buses.ENDS
MINUTES = 120
SITE_LIMITS = {RISING: (-0.5, 4.0)}
UNREACHABLE_WEBHOOK = "http://127.0.0.1:1/avisos"
"""Refuses every connection: its notices are tried again."""
EVENTS_KEPT = 3
"""Events kept for each event name, and notices for each recipient, in the recording."""
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Clock:
    """A clock that is set by the simulation."""

    now: datetime = LOADED

    def __call__(self) -> datetime:
        """The simulated time."""
        return self.now


def fill(database: Engine) -> None:
    """Simulate the morning on an empty, migrated database."""
    clock = Clock()
    with database.begin() as transaction:
        for seed in (small_seed(), with_unusual_parameters(small_seed())):
            load(transaction, seed, LOADED)
        versions.store(transaction, simulated_buses.timetable(), "laplata", LOADED)
        store_models(transaction, {RISING: _model()}, LOADED)
        add_api_key(transaction, "Ana", LOADED)
        set_webhook(transaction, UNREACHABLE_WEBHOOK, LOADED)
        transaction.execute(
            text("INSERT INTO contacts (name, channel, address, least_nar) VALUES ('Beto', 'webhook', 'nowhere', 3)")
        )
    pipeline = Pipeline(database, clock, None, fleet=FleetUpdater())
    try:
        _process_messages(database, pipeline, clock)
        _write_heartbeats(database, pipeline)
    finally:
        pipeline.close()
    with database.begin() as transaction:
        _reported_stops(transaction)
        _service_alerts(transaction)
        _rider_reports(transaction)
        _age_rows(transaction)


# ---------------------------------------------------------------- stations, rules and models


def small_seed() -> Seed:
    """Some stations of the default seed."""
    whole = la_plata()
    city = replace(
        whole.city,
        basins=tuple(basin for basin in whole.city.basins if basin.id == "gato"),
        barrios=tuple(barrio for barrio in whole.city.barrios if barrio.basin in {None, "gato"}),
        stations=tuple(replace(whole.city.station(name), site_limits=SITE_LIMITS.get(name)) for name in STATIONS),
        devices=tuple(device for device in whole.city.devices if device.station in STATIONS),
    )
    return Seed(city=city, rules=tuple(rule for rule in whole.rules if rule.subject in STATIONS))


def with_unusual_parameters(seed: Seed) -> Seed:
    """The same seed with the parameters of UNUSUAL."""
    return replace(seed, rules=tuple(_unusual(rule) for rule in seed.rules))


def _unusual(rule: Rule) -> Rule:
    changes = UNUSUAL.get((rule.subject, type(rule.judgement)))
    return rule if changes is None else replace(rule, judgement=replace(rule.judgement, **changes))


def _model() -> ForecastModel:
    """A forecast model fitted to two simulated months of rain and level."""
    stage = next(rule.judgement for rule in small_seed().rules if rule.id == f"{RISING}.stage")
    assert isinstance(stage, Stage)
    model = fit_station(stage, past())
    assert model is not None
    return msgspec.structs.replace(model, exceedance=replace(model.exceedance, least_chance=0.35))


def past(days: int = 60) -> Series:
    """Level and rain in steps of five minutes, by two linear reservoirs; always the same."""
    random = np.random.default_rng(3)
    rain = np.zeros(days * 288)
    at = 200
    while at < len(rain) - 400:
        length = int(random.integers(6, 40))
        rain[at : at + length] = random.uniform(0.2, 3.0, length)
        at += int(random.integers(150, 350))
    upper = lower = 0.0
    levels = []
    for fallen_mm in rain.tolist():
        upper = 0.93 * upper + 0.02 * fallen_mm
        lower = 0.95 * lower + 0.07 * upper
        levels.append(round(0.4 + lower + 0.002 * float(random.standard_normal()), 3))
    start_s = LOADED.timestamp() - 300 * len(levels)
    return resample([start_s + 300 * step for step in range(len(levels))], levels, step_s=300, rain_mm=rain.tolist())


# ---------------------------------------------------------------- messages


def _process_messages(database: Engine, pipeline: Pipeline, clock: Clock) -> None:
    for message in (*_weeks_of_traffic(), *_days_of_water()):
        clock.now = message.received_at
        pipeline.process_messages([message])
    messages = sorted(
        [*_sensors(), *simulated_buses.messages(_network(database))], key=lambda message: message.received_at
    )
    notifier = Notifier(database, clock)
    for minute in range(MINUTES + 1):
        clock.now = BEGINS + minute * MINUTE
        due = [message for message in messages if clock.now - MINUTE < message.received_at <= clock.now]
        pipeline.process_messages(due)
        pipeline.tick_rules()
        pipeline.tick_buses()
        _operate(database, minute, clock.now)
        if minute in {31, 60}:
            notifier.drain()
    pipeline.state.save()


def _network(database: Engine) -> Network:
    with database.connect() as connection:
        network = versions.load(connection)
    assert network is not None
    return network


def _weeks_of_traffic() -> Iterator[Message]:
    """Five weeks of vehicle counts; in the last week more vehicles are too fast."""
    for days in range(35, 0, -1):
        at = BEGINS - timedelta(days=days) + timedelta(hours=6)
        slow, fast = (520, 30) if days > 6 else (430, 120)
        counts = [0] * 9 + [slow] + [0] * 4 + [fast]
        yield _message("radar", FASTER_EACH_WEEK, at, {"counts": counts, "interval_s": 3_600})


def _days_of_water() -> Iterator[Message]:
    """The record that forecasts need, and readings old enough to be kept only as hours."""
    for station, hours, count in ((FALLEN, 60, 24), (RISING, 28, 336)):
        times = [BEGINS - timedelta(hours=hours) + 5 * step * MINUTE for step in range(count)]
        batch = [{"observed_at": shifted_time(at, -10), "level_m": 0.4 + 0.001 * (at.minute % 7)} for at in times]
        yield Message(f"vigia/v1/laplata/river/{station}", json.dumps(batch).encode(), times[-1])


def _sensors() -> Iterator[Message]:
    for minute in range(MINUTES + 1):
        at = BEGINS + minute * MINUTE - timedelta(seconds=10)
        yield from _streams(minute, at)
        yield from _gauges(minute, at)
        yield from _radars(minute, at)
    yield from _faulty_messages()


def _streams(minute: int, at: datetime) -> Iterator[Message]:
    counted = {"boot": "b7", "seq": minute, "battery_v": 12.4}
    yield _message("river", RISING, at, {"level_m": _flood_m(minute), **counted})
    fallen_m = 0.52 if minute < 12 else 0.05
    yield _message("river", FALLEN, at, {"level_m": fallen_m + 0.002 * (minute % 3)})
    if minute not in {40, 41, 42}:  # 41 comes later
        skewed = shifted_time(at, -90)
        level_m = 1.4 if minute == MINUTES else 0.55 + 0.001 * (minute // 30)
        yield _message("river", SKEWED, at, {"level_m": level_m, "observed_at": skewed, "boot": "c1", "seq": minute})
    if minute <= 70:
        yield _message("river", DROWNED, at, {"level_m": round(0.9 + 0.012 * minute, 3)})


def _flood_m(minute: int) -> float:
    """Quiet, a rise to 2 m within half an hour, then a slow fall."""
    if minute < 30:
        return round(0.40 + 0.001 * (minute % 4), 3)
    if minute < 62:
        return round(0.40 + 0.05 * (minute - 30), 3)
    return round(2.00 - 0.02 * (minute - 62), 3)


def _gauges(minute: int, at: datetime) -> Iterator[Message]:
    yield _message("rain", POURING, at, {"rain_mm": 2.0 if 25 <= minute < 45 else 0.0})
    yield _message("rain", RAINED_OUT, at, {"rain_mm": 1.2 if 80 <= minute < 95 else 0.0, "battery_v": 12.1})
    senml = [{"bn": "urn:dev:1:", "bt": at.timestamp(), "n": "rain", "u": "mm", "v": 0.0}]
    yield Message(f"vigia/v1/laplata/rain/{DRY}", json.dumps(senml).encode(), at)


def _radars(minute: int, at: datetime) -> Iterator[Message]:
    speed_kmh = 118.0 if minute == 6 else 128.0 if minute in {108, 111, 114} else 52.0
    if minute % 3 == 0:
        yield _message("radar", FAST, at, {"speed_kmh": speed_kmh, "vehicle_class": "car", "lane": 1})
    if minute == 2:
        yield from (_message("radar", name, at, {"speed_kmh": 47.0}) for name in MUTE)
    if minute % 20 == 0:
        yield _message("radar", FASTER_EACH_WEEK, at, {"counts": [0] * 9 + [9, 2], "interval_s": 1_200})


def _faulty_messages() -> Iterator[Message]:
    """Readings that are late, from the future, retained or contradictory, and messages that are no readings."""
    at = BEGINS + 50 * MINUTE
    river = f"vigia/v1/laplata/river/{RISING}"
    yield _message("river", RISING, at, {"level_m": 0.41, "observed_at": shifted_time(at, -9 * 86_400)})
    yield _message("river", RISING, at, {"level_m": 0.42, "observed_at": shifted_time(at, 900)})
    late = shifted_time(BEGINS + 41 * MINUTE - timedelta(seconds=10), -90)
    yield _message("river", SKEWED, at, {"level_m": 0.551, "observed_at": late, "boot": "c1", "seq": 41})
    same = shifted_time(BEGINS + 20 * MINUTE, -10)
    yield _message("river", RISING, at, {"level_m": 0.77, "observed_at": same, "boot": "b7", "seq": 20})
    yield Message(f"vigia/v1/laplata/river/{FALLEN}", b'{"observed_at": 1772442000, "level_m": -9999}', at)
    yield Message(river, b'{"observed_at": "2026-03-02T09:40:30Z", "level_m": 0.9}', at, retained=True)
    yield Message(f"{river}/status", b'{"online": true, "observed_at": "2026-03-02T09:00:00Z", "boot": "b7"}', at)
    yield Message(f"vigia/v1/laplata/river/{DROWNED}/status", b"offline", BEGINS + 72 * MINUTE)
    yield _message("river", "nobody-placed-it", at, {"level_m": 1.0})
    for topic, payload in (
        (river, b"\xff\xfe"),
        (river, b"{"),
        (river, b"[]"),
        (river, b'{"observed_at": "2026-03-02T09:00:00Z"}'),
        (river, b'{"observed_at": 1772442000000, "level_m": 1}'),
        ("vigia/v1/laplata/tide/one", b"{}"),
    ):
        yield Message(topic, payload, at)


def _message(kind: str, device: str, at: datetime, values: dict[str, object]) -> Message:
    """A message of a device, received at `at`, with `observed_at` the same unless given."""
    body = {"observed_at": shifted_time(at, 0)} | values
    return Message(f"vigia/v1/laplata/{kind}/{device}", json.dumps(body).encode(), at)


def shifted_time(at: datetime, seconds: float) -> str:
    """A time plus some seconds, ISO 8601."""
    return (at + timedelta(seconds=seconds)).isoformat()


# ---------------------------------------------------------------- operators and riders


def _operate(database: Engine, minute: int, now: datetime) -> None:
    """Acknowledge firing alerts, comment, and close cleared alerts."""
    actions_by_minute: dict[int, Callable[[Connection], None]] = {
        64: lambda transaction: _act_on_alerts(
            transaction, "state = 'firing' AND acknowledged_at IS NULL", _acknowledge(now)
        ),
        66: lambda transaction: _act_on_alerts(transaction, f"subject = '{RISING}'", _comment(now)),
        118: lambda transaction: _act_on_alerts(transaction, "state = 'cleared'", _close(now)),
    }
    if (action := actions_by_minute.get(minute)) is not None:
        with database.begin() as transaction:
            action(transaction)


AlertAction = Callable[[Connection, int, int], object]


def _act_on_alerts(transaction: Connection, wanted: str, action: AlertAction) -> None:
    for row in transaction.execute(text(f"SELECT id, version FROM alerts WHERE {wanted} ORDER BY id")).all():
        action(transaction, row.id, row.version)


def _acknowledge(now: datetime) -> AlertAction:
    return lambda transaction, number, version: actions.acknowledge(
        transaction, number, operator="Ana", note="Voy / on my way", version=version, now=now
    )


def _comment(now: datetime) -> AlertAction:
    return lambda transaction, number, _: actions.comment(
        transaction, number, operator="Ana", note="Agua en la calle / water on the street", now=now
    )


def _close(now: datetime) -> AlertAction:
    return lambda transaction, number, version: actions.close(
        transaction, number, operator="Ana", note="", version=version, now=now
    )


def _service_alerts(transaction: Connection) -> None:
    period = ActivePeriod(ENDS.timestamp() - 3_600, ENDS.timestamp() + 86_400)
    words = Translated("Desvío por obra en 7 y 50", "Detour for road works at 7 and 50")
    whom = (InformedEntity(agency_id="siete"), InformedEntity(route_id="307", stop_id="", direction_id=1))
    detour = Draft(
        Cause.CONSTRUCTION, Effect.DETOUR, words, words, whom, (period, ActivePeriod()), "https://example.org/obra"
    )
    first, second, third = (draft(transaction, detour, operator="Ana", now=ENDS) for _ in range(3))
    publish(transaction, first, version=1, operator="Ana", now=ENDS)
    publish(transaction, second, version=1, operator="Ana", now=ENDS)
    end(transaction, second, version=2, operator="Ana", now=ENDS)
    assert third


def _rider_reports(transaction: Connection) -> None:
    trip = next(iter(trip for trip in simulated_buses.timetable().trips.values() if trip.block_id))
    stop_id = simulated_buses.timetable().patterns[trip.pattern].stop_ids[3]
    seen = RiderReport(
        at=ENDS,
        source="onebusaway",
        code=ReportCode.VEHICLE_NEVER_CAME,
        stop_id=stop_id,
        route_id="307",
        trip_id=trip.id,
        service_date=simulated_buses.DAY,
        vehicle="interno-8",
        on_board=False,
        comment="No pasó / it never came",
    )
    for report in (seen, replace(seen, source="page"), RiderReport(at=ENDS, source="sms", code=ReportCode.OTHER)):
        store_report(transaction, report)


# ---------------------------------------------------------------- other stored data


def _write_heartbeats(database: Engine, pipeline: Pipeline) -> None:
    assert pipeline.state.fleet is not None
    status = {"connected": True, **asdict(pipeline.state.counts), **asdict(pipeline.state.fleet.status)}
    write_heartbeat(database, pipeline.name, BEGINS, lambda: ENDS, status)
    write_heartbeat(database, "notifier", BEGINS, lambda: ENDS, {"sent": 4})


def _reported_stops(transaction: Connection) -> None:
    """A bus that reports its stops, so that dwell times are learnt and stored with the visits."""
    network = versions.load(transaction)
    assert network is not None
    travel_times = TravelTimes()
    travel_times.restore(*read_travel_times(transaction))
    fleet = Fleet(network, travel_times)
    journey = next(iter(network.journeys_between(simulated_buses.BACK, ENDS.timestamp() - 5_400, ENDS.timestamp())))
    visits: list[StopVisit] = []
    for position in range(1, 6):
        arrived_at = journey.arrival_at(position) + 20.0
        for left_at in (0.0, arrived_at + 18.0):
            stop = ReportedStop("laplata.interno-12", journey, position, arrived_at, left_at)
            visits += fleet.follow_stop(stop, max(arrived_at, left_at)).visits
    rows = {row[:5]: row for visit in visits if (row := visit_row(network, visit)) is not None}
    write_visits(transaction, rows.values())
    write_travel_times(transaction, travel_times.pop_changed_links(), travel_times.source_weights, ENDS)


def _age_rows(transaction: Connection) -> None:
    """Move old readings to kept hours, mark a rejection as re-ingested, delete old predictions."""
    for kind, before in (
        ("river", BEGINS - timedelta(hours=30)),
        ("bus", ENDS - 8 * MINUTE),
        ("rain", ENDS - 15 * MINUTE),
    ):
        delete_readings_keep_hours(transaction, KINDS_BY_NAME[kind], before=before, most=10_000)
    for statement in (_MARK_REINGESTED, _DELETE_OLD_PREDICTIONS):
        transaction.execute(text(statement))


def remove_repetitions(transaction: Connection) -> None:
    """Delete most events and notices, so that the recorded files stay short. For recording only."""
    for statement in (_DELETE_MOST_NOTICES, _DELETE_MOST_EVENTS, _DELETE_MOST_READING_EVENTS):
        transaction.execute(text(statement))


_MARK_REINGESTED = "UPDATE rejected_messages SET reingested_at = received_at + interval '1 hour' WHERE reason = 'field'"
_DELETE_OLD_PREDICTIONS = "DELETE FROM expected_journeys WHERE until < timestamptz '2026-03-02T10:58:00Z'"
_DELETE_MOST_NOTICES = (
    "DELETE FROM notices n USING (SELECT id, row_number() OVER (PARTITION BY channel, recipient, attempts > 1"
    f" ORDER BY id) AS place FROM notices) p WHERE p.id = n.id AND p.place > {EVENTS_KEPT}"
)
_DELETE_MOST_EVENTS = (
    "DELETE FROM events e USING (SELECT id, row_number() OVER (PARTITION BY event ORDER BY length(data::text) DESC)"
    f" AS place FROM events WHERE event <> 'readings') p WHERE p.id = e.id AND p.place > {EVENTS_KEPT}"
)
_DELETE_MOST_READING_EVENTS = (
    "DELETE FROM events e USING (SELECT id, row_number() OVER (PARTITION BY data ->> 'kind' ORDER BY id DESC)"
    " AS place FROM events WHERE event = 'readings') p WHERE p.id = e.id AND p.place > 1"
)
