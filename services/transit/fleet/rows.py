"""Write the results of following buses to the tables, and read them after a start.

Each statement writes many rows, sorted by key.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection

from models.network import Network
from models.rows import driver
from services.transit.fleet.accuracy_counts import SUM_COLUMNS, count_by_key
from services.transit.fleet.stop_visits import Key, LastStopReached, StopVisit
from services.transit.model.prediction import TripPrediction, VehiclePrediction
from services.transit.prediction.pending_predictions import ScoredPrediction
from services.transit.travel_times.link_history import LinkHistory
from services.transit.travel_times.source_weights import SourceWeights

Stored = TypeVar("Stored", LinkHistory, SourceWeights, VehiclePrediction, TripPrediction)

Row = tuple[Any, ...]
VISIT_KEY_COLUMNS = 5
"""The first columns of a row of `stop_visits` are its key."""

_ENCODER = msgspec.json.Encoder()
_LINK_DECODER = msgspec.json.Decoder(LinkHistory)
_WEIGHTS_DECODER = msgspec.json.Decoder(SourceWeights)
_TRIP_DECODER = msgspec.json.Decoder(TripPrediction)
_VEHICLE_DECODER = msgspec.json.Decoder(VehiclePrediction)

_WRITE_VEHICLES = """
INSERT INTO vehicle_outlooks AS kept (vehicle, observed_at, outlook, belief)
SELECT * FROM unnest(%b::text[], %b::timestamptz[], %b::text[], %b::text[])
ON CONFLICT (vehicle) DO UPDATE SET changed_in = pg_current_xact_id(), observed_at = excluded.observed_at,
    outlook = excluded.outlook, belief = excluded.belief WHERE excluded.observed_at >= kept.observed_at
"""
_WRITE_VISITS = """
INSERT INTO stop_visits (service_date, trip_id, start_s, position, vehicle, route_id, direction_id, stop_id, planned_at,
    arrived_at, left_at)
SELECT * FROM unnest(%b::text[], %b::text[], %b::int4[], %b::int2[], %b::text[], %b::text[], %b::int2[], %b::text[],
    %b::timestamptz[], %b::timestamptz[], %b::timestamptz[])
ON CONFLICT (service_date, trip_id, start_s, position, vehicle)
    DO UPDATE SET arrived_at = excluded.arrived_at, left_at = excluded.left_at
"""
_READ_LAST_STOPS = """
SELECT DISTINCT ON (trip_id, service_date, start_s)
    trip_id, service_date, start_s, vehicle, position, extract(epoch FROM arrived_at)::float8
FROM stop_visits WHERE arrived_at > %b ORDER BY trip_id, service_date, start_s, arrived_at DESC, position DESC
"""
_ADD_SCORES = f"""
INSERT INTO estimate_scores AS kept (day, hour, route_id, eta_bin, mbta_bin, {", ".join(SUM_COLUMNS)})
SELECT * FROM unnest(%b::date[], %b::int2[], %b::text[], %b::int2[], %b::int2[], %b::int4[], %b::float8[], %b::float8[],
    %b::float8[], %b::float8[], %b::float8[], %b::int4[], %b::int4[], %b::int4[], %b::int4[])
ON CONFLICT (day, hour, route_id, eta_bin, mbta_bin)
    DO UPDATE SET {", ".join(f"{name} = kept.{name} + excluded.{name}" for name in SUM_COLUMNS)}
"""
_WRITE_UNASSIGNED = """
INSERT INTO expected_journeys (trip_id, service_date, start_s, until, coming)
SELECT * FROM unnest(%b::text[], %b::text[], %b::int4[], %b::timestamptz[], %b::text[])
ON CONFLICT (trip_id, service_date, start_s)
    DO UPDATE SET changed_in = pg_current_xact_id(), until = excluded.until, coming = excluded.coming
"""
_WRITE_LINKS = """
INSERT INTO link_history (link_id, learnt, changed_at) SELECT *, %b FROM unnest(%b::text[], %b::text[])
ON CONFLICT (link_id) DO UPDATE SET learnt = excluded.learnt, changed_at = excluded.changed_at
"""
_WRITE_WEIGHTS = """
INSERT INTO transit_trust (trust, changed_at) VALUES (%b, %b)
ON CONFLICT (id) DO UPDATE SET trust = excluded.trust, changed_at = excluded.changed_at
"""


def write_vehicle_predictions(transaction: Connection, predictions: Iterable[tuple[VehiclePrediction, str]]) -> None:
    """Write each vehicle's prediction and saved state. An older one never replaces a newer one."""
    rows = [
        (prediction.vehicle, _utc(prediction.matched_position.at), _ENCODER.encode(prediction).decode(), saved_state)
        for prediction, saved_state in predictions
    ]
    _execute(transaction, _WRITE_VEHICLES, sorted(rows))


def visit_row(network: Network, visit: StopVisit) -> Row | None:
    """The row of a stop visit: its key is the first VISIT_KEY_COLUMNS. None if the network lacks the journey."""
    pattern = network.patterns[visit.pattern]
    journey = network.journey(visit.trip_id, date.fromisoformat(visit.service_date), visit.start_s)
    if journey is None:
        return None
    key = (visit.service_date, visit.trip_id, visit.start_s, visit.position, visit.vehicle)
    stop = (pattern.route_id, pattern.direction_id, visit.stop_id)
    left_at = _utc(visit.left_at) if visit.left_at else None
    return (*key, *stop, _utc(journey.arrival_at(visit.position)), _utc(visit.arrived_at), left_at)


def write_visits(transaction: Connection, rows: Iterable[Row]) -> None:
    """Write rows of `visit_row`. No two may have the same key. A visit already written gets the new times."""
    _execute(transaction, _WRITE_VISITS, sorted(rows, key=lambda row: row[:VISIT_KEY_COLUMNS]))


def write_scores(transaction: Connection, scores: Iterable[ScoredPrediction], zone: ZoneInfo) -> None:
    """Add the errors of scored predictions to their sums, by day and hour in the city's time zone."""
    _execute(transaction, _ADD_SCORES, count_by_key(scores, zone))


def write_unassigned_trips(transaction: Connection, trips: Iterable[TripPrediction], until: datetime) -> None:
    """Write predictions of trips without a vehicle, valid until an instant."""
    rows = [(*journey_key(trip), until, _ENCODER.encode(trip).decode()) for trip in sorted(trips, key=journey_key)]
    _execute(transaction, _WRITE_UNASSIGNED, rows)


def read_unassigned_trips(transaction: Connection, since: datetime) -> dict[Key, TripPrediction]:
    """Predictions of trips without a vehicle that were valid at any time after `since`."""
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT coming FROM expected_journeys WHERE until > %s", [since])
        trips = (_decode_or_none(_TRIP_DECODER, trip_json) for (trip_json,) in cursor)
        return {journey_key(trip): trip for trip in trips if trip is not None}


def write_travel_times(
    transaction: Connection, links: Iterable[tuple[str, LinkHistory]], source_weights: SourceWeights, now: datetime
) -> None:
    """Write the history of links and the weights of the sources. Without links nothing is written."""
    rows = sorted((link_id, _ENCODER.encode(link).decode()) for link_id, link in links)
    if rows:
        with driver(transaction).cursor() as cursor:
            cursor.execute(_WRITE_LINKS, [now, *map(list, zip(*rows, strict=True))])
            cursor.execute(_WRITE_WEIGHTS, [_ENCODER.encode(source_weights).decode(), now])


def read_travel_times(transaction: Connection) -> tuple[list[tuple[str, LinkHistory]], SourceWeights | None]:
    """The history of every link, and the weights of the sources. What cannot be decoded is left out."""
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT link_id, learnt FROM link_history")
        links = [
            (link_id, link)
            for link_id, link_json in cursor
            if (link := _decode_or_none(_LINK_DECODER, link_json)) is not None
        ]
        row = cursor.execute("SELECT trust FROM transit_trust").fetchone()
    return links, None if row is None else _decode_or_none(_WEIGHTS_DECODER, row[0])


def read_vehicles(transaction: Connection, since: datetime) -> Iterator[tuple[VehiclePrediction, str]]:
    """The prediction and the saved state of each vehicle heard after `since`.

    A prediction that cannot be decoded is left out: that vehicle starts anew.
    """
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT outlook, belief FROM vehicle_outlooks WHERE observed_at > %s ORDER BY vehicle", [since])
        for prediction_json, saved_state in cursor:
            prediction = _decode_or_none(_VEHICLE_DECODER, prediction_json)
            if prediction is not None:
                yield prediction, saved_state


def read_last_stops(transaction: Connection, since: datetime) -> list[LastStopReached]:
    """The last stop reached on each journey after `since`."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(_READ_LAST_STOPS, [since])
        return [
            LastStopReached((trip_id, service_date, start_s), vehicle, position, at)
            for trip_id, service_date, start_s, vehicle, position, at in cursor
        ]


def journey_key(trip: TripPrediction) -> Key:
    """Key of the journey that is predicted."""
    return (trip.trip_id, trip.service_date, trip.start_s)


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _execute(transaction: Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Execute a statement with one array for each column."""
    if rows:
        with driver(transaction).cursor() as cursor:
            cursor.execute(statement.encode(), [list(column) for column in zip(*rows, strict=True)])


def _decode_or_none(decoder: "msgspec.json.Decoder[Stored]", stored_json: str) -> Stored | None:
    """The value, or None where another version wrote what this version cannot decode."""
    try:
        return decoder.decode(stored_json)
    except msgspec.DecodeError:
        return None
