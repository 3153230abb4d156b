"""Read each stored document with the code that reads it, write it again, and return both, in one transaction."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
import orjson
from sqlalchemy import Connection, select, text

from alerts import rulebook
from alerts.forecast.level_forecast import ForecastModel
from alerts.rule_states import RuleStates
from ingest.memory import DeviceMemories
from models.tables.city import devices
from models.tables.rules import forecast_models
from services.city.load import speed_limits_row
from services.transit.fleet.fleet import Fleet
from services.transit.fleet.rows import (
    read_travel_times,
    read_unassigned_trips,
    read_vehicles,
    write_travel_times,
    write_unassigned_trips,
    write_vehicle_predictions,
)
from services.transit.model.stop_index import StopIndex
from services.transit.serving.service_alert_actions import Draft, draft
from services.transit.serving.service_alert_queries import alerts_in_force
from services.transit.timetable import versions
from services.transit.travel_times.link_times import TravelTimes
from services.upkeep.learning import store_models
from tests.compatibility.simulated_morning import ENDS

ByKey = Mapping[str, Any]
"""The documents of a column by the key of their row."""
SINCE = ENDS - timedelta(days=1)


def stored_and_rewritten(connection: Connection, name: str) -> tuple[ByKey, ByKey]:
    """The documents of a column as stored, and as they are after they were read and written again."""
    stored = _stored(connection, name)
    rewritten = REWRITERS[name](connection)
    return stored, _stored(connection, name) if rewritten is None else rewritten


def _stored(connection: Connection, name: str) -> ByKey:
    table, _, column = name.partition(".")
    rows = connection.execute(text(f"SELECT {KEYS[table]} AS key, {column}::jsonb AS document FROM {table} ORDER BY 1"))
    return {str(row.key): row.document for row in rows}


def _clear(connection: Connection, table: str, *columns: str) -> None:
    """Empty columns that were read, so that their content afterwards was written again."""
    for column in columns:
        connection.execute(text(f"UPDATE {table} SET {column} = '{{}}'"))


def _vehicles(connection: Connection) -> None:
    network = versions.load(connection)
    assert network is not None
    fleet, rows = Fleet(network, TravelTimes()), []
    for prediction, saved_state in read_vehicles(connection, SINCE):
        fleet.restore_vehicle(prediction.vehicle, saved_state, prediction)
        rows.append((prediction, fleet.saved_state(prediction.vehicle)))
    _clear(connection, "vehicle_outlooks", "outlook", "belief")
    write_vehicle_predictions(connection, rows)


def _unassigned_trips(connection: Connection) -> None:
    trips = read_unassigned_trips(connection, SINCE)
    _clear(connection, "expected_journeys", "coming")
    write_unassigned_trips(connection, trips.values(), ENDS)


def _travel_times(connection: Connection) -> None:
    links, weights = read_travel_times(connection)
    assert weights is not None
    _clear(connection, "link_history", "learnt")
    _clear(connection, "transit_trust", "trust")
    write_travel_times(connection, links, weights, ENDS)


def _rule_states(connection: Connection) -> None:
    book, states = rulebook.read(connection), RuleStates()
    states.load(connection, book, book.rules)
    _clear(connection, "subject_states", "states", "colours")
    states.write(connection, book, {subject: states.states_of(subject) for subject in book.rules}, ENDS)


def _memories(connection: Connection) -> None:
    memories, device_ids = DeviceMemories(), connection.execute(select(devices.c.id)).scalars().all()
    memories.load(connection, device_ids)
    _clear(connection, "device_memories", "memory", "latest")
    memories.write(connection, {device_id: memories.get(device_id) for device_id in device_ids})


def _models(connection: Connection) -> None:
    rows = connection.execute(select(forecast_models)).all()
    _clear(connection, "forecast_models", "model")
    store_models(connection, {row.station_id: msgspec.convert(row.model, ForecastModel) for row in rows}, ENDS)


def _rules(connection: Connection) -> ByKey:
    """Active rules by id and version. Others are not read."""
    book = rulebook.read(connection)
    return {
        f"{rule.id} {rule.version}": orjson.loads(orjson.dumps(rulebook.judgement_row(rule.judgement)))
        for subject_rules in book.rules.values()
        for rule in subject_rules
    }


def _speed_limits(connection: Connection) -> ByKey:
    """The speed limits of streets, from the judgements that contain them."""
    limits = {}
    for subject, subject_rules in rulebook.read(connection).rules.items():
        for rule in subject_rules:
            street = getattr(rule.judgement, "street", None)
            if street is not None:
                limits[subject] = orjson.loads(orjson.dumps(speed_limits_row(street)))
    return limits


def _service_alerts(connection: Connection) -> None:
    network = versions.load(connection)
    assert network is not None
    for alert in alerts_in_force(connection, StopIndex(network)):
        content = Draft(
            alert.cause, alert.effect, alert.header, alert.description, alert.informed, alert.periods, alert.url
        )
        number = draft(connection, content, operator="Ana", now=ENDS)
        columns = "(cause, effect, header, description, informed, periods, url)"
        connection.execute(
            text(
                f"UPDATE service_alerts SET {columns} = (SELECT {columns[1:-1]} FROM service_alerts WHERE id = :number)"
            ),
            {"number": number},
        )
        connection.execute(text("DELETE FROM service_alerts WHERE id = :number"), {"number": number})


KEYS: Mapping[str, str] = {
    "vehicle_outlooks": "vehicle",
    "expected_journeys": "trip_id || ' ' || service_date || ' ' || start_s",
    "link_history": "link_id",
    "transit_trust": "id",
    "subject_states": "subject",
    "device_memories": "device_id",
    "forecast_models": "station_id",
    "rules": "CASE WHEN active THEN id || ' ' || version ELSE 'not in force' END",
    "stations": "CASE WHEN speed_limits IS NULL THEN 'no street' ELSE id END",
    "service_alerts": "id",
}
REWRITERS: Mapping[str, Callable[[Connection], ByKey | None]] = {
    "vehicle_outlooks.outlook": _vehicles,
    "vehicle_outlooks.belief": _vehicles,
    "expected_journeys.coming": _unassigned_trips,
    "link_history.learnt": _travel_times,
    "transit_trust.trust": _travel_times,
    "subject_states.states": _rule_states,
    "subject_states.colours": _rule_states,
    "device_memories.memory": _memories,
    "device_memories.latest": _memories,
    "forecast_models.model": _models,
    "rules.judgement": _rules,
    "stations.speed_limits": _speed_limits,
    "service_alerts.header": _service_alerts,
    "service_alerts.description": _service_alerts,
    "service_alerts.informed": _service_alerts,
    "service_alerts.periods": _service_alerts,
}
"""By table and column: a function that writes every document again, or returns them as they would be written."""
UNREAD_KEYS = frozenset({"not in force", "no street"})
"""Keys of rows that the code does not read."""
