"""Query of the predictions written since the last read. Exact, however many processes write at the same time."""

from dataclasses import dataclass
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, text

from services.transit.model.prediction import TripPrediction, VehiclePrediction
from services.transit.serving.snapshot import ExpectedJourney

# A transaction gets its number before it commits, so reading above the last number seen would skip late commits. What
# was not visible in the last snapshot is exact; the oldest transaction then running (xmin) lets the index find it.
_CHANGED = " WHERE changed_in >= pg_snapshot_xmin({s}) AND NOT pg_visible_in_snapshot(changed_in, {s})".format(
    s="CAST(:since AS pg_snapshot)"
)
_VEHICLE_PREDICTIONS = "SELECT outlook FROM vehicle_outlooks"
_EXPECTED_JOURNEYS = "SELECT coming, extract(epoch FROM until)::float8 AS until FROM expected_journeys"

_vehicle_decoder = msgspec.json.Decoder(VehiclePrediction)
_trip_decoder = msgspec.json.Decoder(TripPrediction)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Changes:
    """Predictions written since a PostgreSQL snapshot, and the snapshot to continue from.

    `undecodable`: number of rows that another version of this software wrote with values unknown to this one.
    """

    pg_snapshot: str
    vehicle_predictions: tuple[VehiclePrediction, ...]
    expected_journeys: tuple[ExpectedJourney, ...]
    undecodable: int


def read_changes(connection: Connection, since: str | None) -> Changes:
    """The predictions written since the PostgreSQL snapshot `since`, or all where it is None.

    `connection`: in a REPEATABLE READ transaction, so that all is read as of one moment.
    """
    pg_snapshot = connection.execute(text("SELECT pg_current_snapshot()::text")).scalar_one()
    where, parameters = ("", {}) if since is None else (_CHANGED, {"since": since})
    vehicle_predictions = connection.execute(text(_VEHICLE_PREDICTIONS + where), parameters).scalars().all()
    expected_rows = connection.execute(text(_EXPECTED_JOURNEYS + where), parameters).all()
    vehicles = [one for row in vehicle_predictions if (one := _decode(_vehicle_decoder, row)) is not None]
    journeys = [
        ExpectedJourney(predicted, row.until)
        for row in expected_rows
        if (predicted := _decode(_trip_decoder, row.coming)) is not None
    ]
    undecodable = len(vehicle_predictions) + len(expected_rows) - len(vehicles) - len(journeys)
    return Changes(str(pg_snapshot), tuple(vehicles), tuple(journeys), undecodable)


def _decode(decoder: msgspec.json.Decoder[Value], written: str) -> Value | None:
    try:
        return decoder.decode(written)
    except msgspec.DecodeError:
        return None
