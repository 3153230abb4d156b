"""A city in the middle of a storm, as rows, for tests of the pages."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import exp, sin
from typing import Any

from sqlalchemy import Connection, func, insert, literal_column, select, update

from alerts import incident_log
from alerts.incidents.grouping import membership
from alerts.rulebook import Station
from models.alert import NAR
from models.kinds import KINDS_BY_NAME
from models.tables.alerts import alerts, attention, transitions
from models.tables.city import devices, stations
from models.tables.operations import heartbeats
from models.tables.readings import READINGS, device_memories
from models.tables.rules import rules, subject_states
from services.city.load import load
from services.people.api_keys import add_api_key
from tests.seeds import la_plata

NOW = datetime(2013, 4, 2, 21, 7, 30, tzinfo=UTC)
"""18:07 in La Plata."""
MINUTE = timedelta(minutes=1)
BACK = timedelta(hours=7)

Row = dict[str, Any]


def load_seed(transaction: Connection) -> None:
    """La Plata as shipped, without readings."""
    load(transaction, la_plata(), NOW - timedelta(days=30))


def beat(transaction: Connection, at: datetime = NOW) -> None:
    """Store a heartbeat of the pipeline, as old as `at` is before NOW."""
    transaction.execute(heartbeats.delete())
    written_at = func.clock_timestamp() - (NOW - at)
    row = {"process": "pipeline-all", "at": at, "started_at": at - BACK, "written_at": written_at, "status": {}}
    transaction.execute(insert(heartbeats).values(**row))


def storm(transaction: Connection, *, until: datetime = NOW) -> None:
    """The seed's city with a storm of readings up to `until`: streams at every colour, one of them silent at rojo."""
    load_seed(transaction)
    beat(transaction)
    places = transaction.execute(
        select(stations.c.id, stations.c.kind, devices.c.id.label("device_id"), rules.c.judgement["thresholds_m"])
        .select_from(
            stations.join(devices).outerjoin(
                rules, (rules.c.subject == stations.c.id) & (rules.c.id == stations.c.id + ".stage")
            )
        )
        .order_by(stations.c.id)
    ).all()
    for order, (station_id, kind, device_id, thresholds) in enumerate(places):
        last = until - timedelta(minutes=40) if station_id == "gato-tolosa" else until
        match kind:
            case "river":
                levels = _levels(last, station_id, thresholds, order)
                _readings(transaction, kind, device_id, "level_m", levels)
                _colour(transaction, station_id, "stage", levels[-1][1], thresholds)
            case "rain":
                amounts = _amounts(last, order)
                _readings(transaction, kind, device_id, "rain_mm", amounts)
                hour = sum(amount for at, amount in amounts if at > until - timedelta(hours=1))
                _colour(transaction, station_id, "rainfall", hour, (30.0, 45.0, 60.0))
            case "radar":
                _vehicles(transaction, device_id, last, order)


FLOODS = {
    "gato-ringuelet": (1.1, 20),
    "gato-tolosa": (1.05, 50),
    "perez-31-520": (0.85, -25),
    "gato-centenario-516": (0.9, 60),
}
"""Streams whose crest is this part of rojo, this many minutes ago; the others stay lower."""


def _levels(until: datetime, station_id: str, thresholds: Sequence[float], order: int) -> list[tuple[datetime, float]]:
    """Readings of a stream after rain, one a minute; each stream at another moment of its flood."""
    part, crest_ago = FLOODS.get(station_id, (0.25 + 0.05 * (order % 8), 30 + (order * 37) % 150))
    levels = []
    for minute in range(int(BACK / MINUTE), -1, -1):
        ahead = (crest_ago - minute) / (35.0 if minute > crest_ago else 90.0)
        level = 0.28 + (part * thresholds[2] - 0.28) * exp(-(ahead**2)) + 0.003 * sin(minute * 1.7 + order)
        levels.append((until - minute * MINUTE, round(level, 3)))
    return levels


def _amounts(until: datetime, order: int) -> list[tuple[datetime, float]]:
    minutes = int(BACK / MINUTE)
    crest = 30.0 + 12 * (order % 5)
    return [
        (until - minute * MINUTE, round(0.2 * round(5 * 1.4 * exp(-(((minute - crest) / 45.0) ** 2))), 1))
        for minute in range(minutes, -1, -1)
    ]


def _vehicles(transaction: Connection, device_id: int, until: datetime, order: int) -> None:
    rows = [
        {
            "device_id": device_id,
            "observed_at": until - minute * 5 * MINUTE,
            "seq": -1,
            "received_at": until - minute * 5 * MINUTE,
            "interval_s": 300,
            "counts": [0] * 6 + [1, 3, 6, 9 + order % 4, 12, 8, 5 + order % 7, 3, order % 3],
            "flags": 0,
        }
        for minute in range(12)
    ]
    transaction.execute(insert(READINGS["radar"]), rows)
    _remember(transaction, device_id, until, {"counts": rows[0]["counts"]})


def _readings(
    transaction: Connection, kind: str, device_id: int, measure: str, series: list[tuple[datetime, float]]
) -> None:
    assert KINDS_BY_NAME[kind].measure == measure
    transaction.execute(
        insert(READINGS[kind]),
        [
            {"device_id": device_id, "observed_at": at, "seq": -1, "received_at": at, measure: value, "flags": 0}
            for at, value in series
        ],
    )
    _remember(transaction, device_id, series[-1][0], {measure: series[-1][1]})


def _remember(transaction: Connection, device_id: int, at: datetime, latest: Row) -> None:
    transaction.execute(
        insert(device_memories).values(
            device_id=device_id,
            version=1,
            memory=literal_column("'{}'"),
            observed_at=at,
            received_at=at,
            latest=latest,
            flags=0,
        )
    )


def _colour(
    transaction: Connection, station_id: str, judgement: str, value: float, thresholds: Sequence[float]
) -> None:
    nar = sum(value >= threshold for threshold in thresholds)
    hold(transaction, station_id, judgement, NAR(nar))


def hold(transaction: Connection, station_id: str, judgement: str, nar: NAR) -> None:
    """Store the state of a rule that holds a level."""
    transaction.execute(
        update(subject_states).where(subject_states.c.subject == station_id).values(colours={judgement: int(nar)})
    )


def attend(transaction: Connection, subject: str, nar: NAR, since: datetime = NOW - timedelta(minutes=52)) -> None:
    """The level proposed for a basin or municipality."""
    transaction.execute(insert(attention).values(subject=subject, nar=int(nar), since=since, evidence={}))


def raise_alert(transaction: Connection, subject: str, nar: NAR = NAR.NARANJA, **values: Any) -> int:
    """An open alert by level, with its first transition; `values` replace columns. Returns its number."""
    evidence = {"level_m": 1.42, "thresholds_m": [1.0, 1.3, 1.6], "risen_m": 0.31, "rise_window_s": 900, "flags": 0}
    row: Row = {
        "rule_id": f"{subject}.stage",
        "rule_version": 1,
        "subject": subject,
        "kind": "river",
        "judgement": "stage",
        "state": "firing",
        "nar": int(nar),
        "highest_nar": int(nar),
        "cause": "level",
        "confirmed": True,
        "observed_at": NOW - timedelta(minutes=13),
        "opened_at": NOW - timedelta(minutes=12),
        "evidence": evidence,
    } | values
    row.setdefault("rule_nar", row["nar"])
    row.setdefault("changed_at", row.get("cleared_at") or row["opened_at"])
    placed = select(stations.c.municipality_id, stations.c.basin_id).where(stations.c.id == subject)
    municipality, basin = transaction.execute(placed).one_or_none() or (subject.removeprefix("municipality:"), None)
    station = Station(subject, str(row["kind"]), municipality, basin, subject)
    key, why = membership(station, str(row["judgement"]), NAR(row["highest_nar"]))
    row |= {"incident_id": incident_log.join(transaction, key, row["opened_at"]), "membership": why}
    alert_id = transaction.execute(insert(alerts).values(row).returning(alerts.c.id)).scalar_one()
    transaction.execute(
        insert(transitions).values(
            alert_id=alert_id,
            rule_id=row["rule_id"],
            rule_version=1,
            subject=subject,
            before=0,
            after=row["highest_nar"],
            change="raised",
            cause=row["cause"],
            confirmed=row["confirmed"],
            observed_at=row["observed_at"],
            decided_at=row["opened_at"],
            evidence=row["evidence"],
        )
    )
    return int(alert_id)


def _ago(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)


def storm_alerts(transaction: Connection) -> list[int]:
    """Alerts of a busy quarter of an hour."""
    attend(transaction, "municipality:laplata", NAR.ROJO)
    attend(transaction, "municipality:berisso", NAR.AMARILLO)
    attend(transaction, "basin:gato", NAR.ROJO)
    attend(transaction, "basin:maldonado", NAR.NARANJA)
    hold(transaction, "gato-tolosa", "stage", NAR.ROJO)
    hold(transaction, "perez-31-520", "stage", NAR.NARANJA)
    rain = {"rain_15_min_mm": 19.4, "in_15_min_mm": [10.0, 18.0, 25.0], "rain_1_h_mm": 41.2}
    likely = {"level_m": 1.02, "thresholds_m": [0.85, 1.1, 1.4], "risen_m": 0.19, "chances": [1.0, 0.71, 0.3]}
    return [
        raise_alert(
            transaction,
            "gato-ringuelet",
            NAR.ROJO,
            opened_at=_ago(21),
            evidence={"level_m": 2.11, "thresholds_m": [1.2, 1.6, 2.0]},
        ),
        raise_alert(
            transaction, "perez-31-520", NAR.NARANJA, cause="rise", confirmed=False, opened_at=_ago(4), evidence=likely
        ),
        raise_alert(
            transaction,
            "lluvia-tolosa",
            NAR.NARANJA,
            kind="rain",
            judgement="rainfall",
            cause="rain",
            rule_id="lluvia-tolosa.rainfall",
            opened_at=_ago(16),
            evidence=rain,
        ),
        raise_alert(
            transaction,
            "gato-tolosa",
            NAR.ROJO,
            opened_at=_ago(70),
            acknowledged_at=_ago(66),
            acknowledged_by="operador",
            evidence={"level_m": 2.04, "thresholds_m": [1.2, 1.6, 2.0]},
        ),
        raise_alert(
            transaction,
            "gato-tolosa",
            NAR.AMARILLO,
            judgement="silence",
            cause="silence",
            rule_id="gato-tolosa.silence",
            opened_at=_ago(25),
            evidence={"silent_s": 1500, "limit_s": 900, "stage": 3},
        ),
        raise_alert(
            transaction,
            "maldonado-72-137",
            NAR.VERDE,
            state="cleared",
            cause="recession",
            highest_nar=2,
            opened_at=_ago(160),
            cleared_at=_ago(8),
            evidence={"level_m": 0.61, "thresholds_m": [0.85, 1.1, 1.4]},
        ),
    ]


def operator(transaction: Connection, name: str = "Mirta Q.") -> str:
    """An operator's token."""
    return add_api_key(transaction, name, NOW)
