"""Continue a recorded database for forty minutes: stored states of rules, checks and counts show in what follows."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from models.kinds import KINDS
from models.reading import Flag, Message
from services.pipeline.road import Pipeline
from services.transit.fleet.fleet_updater import FleetUpdater
from tests.compatibility import simulated_buses, simulated_morning
from tests.compatibility.reader_results import plain
from tests.compatibility.simulated_morning import ENDS, MINUTE, Clock, shifted_time

MINUTES = 40


def continued_run(database: Engine) -> dict[str, Any]:
    """Process the messages of MINUTES and return the resulting rows by topic."""
    clock = Clock(ENDS)
    with database.connect() as connection:
        last = connection.execute(text("SELECT max(id) FROM transitions")).scalar_one()
    pipeline = Pipeline(database, clock, None, fleet=FleetUpdater())
    try:
        for minute in range(1, MINUTES + 1):
            clock.now = ENDS + minute * MINUTE
            pipeline.process_messages(list(_messages(minute)))
            pipeline.tick_rules()
            pipeline.tick_buses()
    finally:
        pipeline.close()
    with database.connect() as connection:
        return {topic: plain(rows) for topic, rows in _outcome(connection, last).items()}


def _messages(minute: int) -> Iterator[Message]:
    at = ENDS + minute * MINUTE - timedelta(seconds=10)
    falling_m = round(0.84 - 0.02 * minute, 3) if minute < 25 else 0.4
    level_m = 4.5 if minute == 30 else falling_m
    yield _reading("river", simulated_morning.RISING, at, level_m=level_m, boot="b7", seq=120 + minute + (minute > 10))
    yield _reading(
        "river",
        simulated_morning.SKEWED,
        at,
        level_m=1.4,
        observed_at=shifted_time(at, -90),
        boot="c1",
        seq=120 + minute,
    )
    yield _reading("river", simulated_morning.FALLEN, at, level_m=0.051)
    yield _reading("rain", simulated_morning.RAINED_OUT, at, rain_mm=0.0)
    if minute > 5:
        yield _reading("river", simulated_morning.DROWNED, at, level_m=1.0)
        yield from (
            _reading("radar", name, at, speed_kmh=40.0) for name in (*simulated_morning.MUTE, simulated_morning.FAST)
        )


def _reading(kind: str, device: str, at: Any, **values: object) -> Message:
    body = {"observed_at": shifted_time(at, 0)} | values
    return Message(f"vigia/v1/laplata/{kind}/{device}", json.dumps(body).encode(), at)


def _outcome(connection: Connection, last: int) -> dict[str, object]:
    return {
        "transitions": [tuple(row) for row in connection.execute(text(_TRANSITIONS_QUERY), {"last": last})],
        "alerts": [tuple(row) for row in connection.execute(text(_ALERTS_QUERY))],
        "flags of new readings": {kind.name: list(_flags(connection, kind.name)) for kind in KINDS},
        "losses": [tuple(row) for row in connection.execute(text("SELECT * FROM sequence_gaps ORDER BY 1, 2, 3"))],
        "vehicles": [tuple(row) for row in connection.execute(text(_VEHICLES_QUERY))],
        "journeys without a bus": [
            tuple(row) for row in connection.execute(text(_UNASSIGNED_QUERY), {"day": simulated_buses.DAY})
        ],
    }


def _flags(connection: Connection, kind: str) -> Iterator[tuple[object, ...]]:
    query = text(
        f"SELECT d.code, r.flags, count(*) AS n FROM {kind}_readings r JOIN devices d ON d.id = r.device_id"
        " WHERE r.received_at > :ends GROUP BY 1, 2 ORDER BY 1, 2"
    )
    for row in connection.execute(query, {"ends": ENDS}):
        yield row.code, [flag.name for flag in Flag if flag & row.flags], row.n


_TRANSITIONS_QUERY = (
    "SELECT rule_id, before, after, change, cause, confirmed, evidence FROM transitions"
    " WHERE id > :last ORDER BY rule_id, id"
)
_ALERTS_QUERY = (
    "SELECT rule_id, state, nar, highest_nar, cause, acknowledged_by, closed_by FROM alerts ORDER BY rule_id, opened_at"
)
_VEHICLES_QUERY = "SELECT vehicle, observed_at FROM vehicle_outlooks ORDER BY 1"
_UNASSIGNED_QUERY = (
    "SELECT trip_id, start_s, coming::jsonb ->> 'basis', coming::jsonb ->> 'reason' FROM expected_journeys"
    " WHERE service_date = to_char(CAST(:day AS date), 'YYYYMMDD')"
    " AND until > timestamptz '2026-03-02T11:30:00Z' ORDER BY 1, 2"
)
