"""What following buses leaves in the tables and goes on from: many rows a statement, each in its key's order."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection

from models.network import Network
from models.rows import driver
from services.transit.fleet.accuracy_counts import SUMS, count_by_key
from services.transit.fleet.fleet import LastStopReached, ScoredPrediction, StopVisit
from services.transit.model.prediction import TripPrediction, VehiclePrediction
from services.transit.travel_times.link_times import LinkHistory, SourceWeights

Known = TypeVar("Known", LinkHistory, SourceWeights, VehiclePrediction, TripPrediction)

Row = tuple[Any, ...]
VISIT_KEY = 5
Key = tuple[str, str, int]
"""Of a journey: trip, service date, start."""

_ENCODE = msgspec.json.Encoder()
_LINK = msgspec.json.Decoder(LinkHistory)
_TRUST = msgspec.json.Decoder(SourceWeights)
_COMING = msgspec.json.Decoder(TripPrediction)
_OUTLOOK = msgspec.json.Decoder(VehiclePrediction)

_OUTLOOKS = """
INSERT INTO vehicle_outlooks AS kept (vehicle, observed_at, outlook, belief)
SELECT * FROM unnest(%b::text[], %b::timestamptz[], %b::text[], %b::text[])
ON CONFLICT (vehicle) DO UPDATE SET changed_in = pg_current_xact_id(), observed_at = excluded.observed_at,
    outlook = excluded.outlook, belief = excluded.belief WHERE excluded.observed_at >= kept.observed_at
"""
_VISITS = """
INSERT INTO stop_visits (service_date, trip_id, start_s, position, vehicle, route_id, direction_id, stop_id, planned_at,
    arrived_at, left_at)
SELECT * FROM unnest(%b::text[], %b::text[], %b::int4[], %b::int2[], %b::text[], %b::text[], %b::int2[], %b::text[],
    %b::timestamptz[], %b::timestamptz[], %b::timestamptz[])
ON CONFLICT (service_date, trip_id, start_s, position, vehicle)
    DO UPDATE SET arrived_at = excluded.arrived_at, left_at = excluded.left_at
"""
_REACHED = """
SELECT DISTINCT ON (trip_id, service_date, start_s)
    trip_id, service_date, start_s, vehicle, position, extract(epoch FROM arrived_at)::float8
FROM stop_visits WHERE arrived_at > %b ORDER BY trip_id, service_date, start_s, arrived_at DESC, position DESC
"""
_SCORES = f"""
INSERT INTO estimate_scores AS kept (day, hour, route_id, eta_bin, mbta_bin, {", ".join(SUMS)})
SELECT * FROM unnest(%b::date[], %b::int2[], %b::text[], %b::int2[], %b::int2[], %b::int4[], %b::float8[], %b::float8[],
    %b::float8[], %b::float8[], %b::float8[], %b::int4[], %b::int4[], %b::int4[], %b::int4[])
ON CONFLICT (day, hour, route_id, eta_bin, mbta_bin)
    DO UPDATE SET {", ".join(f"{name} = kept.{name} + excluded.{name}" for name in SUMS)}
"""
_EXPECTED = """
INSERT INTO expected_journeys (trip_id, service_date, start_s, until, coming)
SELECT * FROM unnest(%b::text[], %b::text[], %b::int4[], %b::timestamptz[], %b::text[])
ON CONFLICT (trip_id, service_date, start_s)
    DO UPDATE SET changed_in = pg_current_xact_id(), until = excluded.until, coming = excluded.coming
"""
_LEARNT = """
INSERT INTO link_history (link_id, learnt, changed_at) SELECT *, %b FROM unnest(%b::text[], %b::text[])
ON CONFLICT (link_id) DO UPDATE SET learnt = excluded.learnt, changed_at = excluded.changed_at
"""
_TRUSTED = """
INSERT INTO transit_trust (trust, changed_at) VALUES (%b, %b)
ON CONFLICT (id) DO UPDATE SET trust = excluded.trust, changed_at = excluded.changed_at
"""


def write_outlooks(transaction: Connection, outlooks: Iterable[tuple[VehiclePrediction, str]]) -> None:
    """Each vehicle's outlook and what following it goes on from; never an older one over a newer."""
    rows = [(one.vehicle, _moment(one.place.at), _ENCODE.encode(one).decode(), kept) for one, kept in outlooks]
    _write(transaction, _OUTLOOKS, sorted(rows))


def visit_row(network: Network, visit: StopVisit) -> Row | None:
    """A stop visited, or visited at other times than was told before; its key is its first VISIT_KEY columns."""
    pattern = network.patterns[visit.pattern]
    journey = network.journey(visit.trip_id, date.fromisoformat(visit.service_date), visit.start_s)
    if journey is None:
        return None
    key = (visit.service_date, visit.trip_id, visit.start_s, visit.position, visit.vehicle)
    line = (pattern.route_id, pattern.direction_id, visit.stop_id)
    left_at = _moment(visit.left_at) if visit.left_at else None
    return (*key, *line, _moment(journey.arrival_at(visit.position)), _moment(visit.arrived_at), left_at)


def write_visits(transaction: Connection, rows: Iterable[Row]) -> None:
    """Rows of `visit_row`, no two of one key."""
    _write(transaction, _VISITS, sorted(rows, key=lambda row: row[:VISIT_KEY]))


def write_scores(transaction: Connection, scores: Iterable[ScoredPrediction], zone: ZoneInfo) -> None:
    """Add how estimates came true to what is summed already, by the hours of the city's time."""
    _write(transaction, _SCORES, count_by_key(scores, zone))


def write_expected(transaction: Connection, expected: Iterable[TripPrediction], until: datetime) -> None:
    """What is said, until a moment, of journeys no vehicle makes."""
    rows = [(*key_of(one), until, _ENCODE.encode(one).decode()) for one in sorted(expected, key=key_of)]
    _write(transaction, _EXPECTED, rows)


def read_expected(transaction: Connection, since: datetime) -> dict[Key, TripPrediction]:
    """What is still said of journeys, or was at some moment since then."""
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT coming FROM expected_journeys WHERE until > %s", [since])
        said = (_understood(_COMING, coming) for (coming,) in cursor)
        return {key_of(one): one for one in said if one is not None}


def write_learnt(
    transaction: Connection, links: Iterable[tuple[str, LinkHistory]], trust: SourceWeights, now: datetime
) -> None:
    """What links have taught, and how far each source of a time is trusted."""
    rows = sorted((link_id, _ENCODE.encode(link).decode()) for link_id, link in links)
    if rows:
        with driver(transaction).cursor() as cursor:
            cursor.execute(_LEARNT, [now, *map(list, zip(*rows, strict=True))])
            cursor.execute(_TRUSTED, [_ENCODE.encode(trust).decode(), now])


def read_learnt(transaction: Connection) -> tuple[list[tuple[str, LinkHistory]], SourceWeights | None]:
    """The past of every link. What another version wrote and this one does not understand is learnt anew."""
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT link_id, learnt FROM link_history")
        links = [(link_id, link) for link_id, learnt in cursor if (link := _understood(_LINK, learnt)) is not None]
        row = cursor.execute("SELECT trust FROM transit_trust").fetchone()
    return links, None if row is None else _understood(_TRUST, row[0])


def read_beliefs(transaction: Connection, since: datetime) -> Iterator[tuple[VehiclePrediction, str]]:
    """What was told of each vehicle heard since then, and what following it goes on from.

    What another version wrote and this one does not understand is left out: the vehicle is begun anew.
    """
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT outlook, belief FROM vehicle_outlooks WHERE observed_at > %s ORDER BY vehicle", [since])
        for told, belief in cursor:
            outlook = _understood(_OUTLOOK, told)
            if outlook is not None:
                yield outlook, belief


def read_reached(transaction: Connection, since: datetime) -> list[LastStopReached]:
    """The last stop that was reached since then on each journey."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(_REACHED, [since])
        return [
            LastStopReached((trip_id, service_date, start_s), vehicle, position, at)
            for trip_id, service_date, start_s, vehicle, position, at in cursor
        ]


def key_of(one: TripPrediction) -> Key:
    """The journey it speaks of."""
    return (one.trip_id, one.service_date, one.start_s)


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _write(transaction: Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        with driver(transaction).cursor() as cursor:
            cursor.execute(statement.encode(), [list(column) for column in zip(*rows, strict=True)])


def _understood(decoder: "msgspec.json.Decoder[Known]", said: str) -> Known | None:
    try:
        return decoder.decode(said)
    except msgspec.DecodeError:
        return None
