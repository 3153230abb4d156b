"""What the pipelines wrote of buses since somebody last looked, exact however many write at once."""

from dataclasses import dataclass
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, text

from services.transit.model.prediction import TripPrediction, VehiclePrediction
from services.transit.serving.snapshot import ExpectedJourney

# Numbers of transactions are given before they commit: above the last number seen would skip what commits late. What
# the last snapshot did not see is exact, and what it calls its oldest running transaction lets the index find it.
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
    """Outlooks and expectations written since a snapshot, and the snapshot to go on from.

    `undecodable`: how many rows another version of this software wrote in words this one does not know.
    """

    pg_snapshot: str
    vehicle_predictions: tuple[VehiclePrediction, ...]
    expected_journeys: tuple[ExpectedJourney, ...]
    undecodable: int


def read_changes(connection: Connection, since: str | None) -> Changes:
    """What changed since the snapshot `since`; everything there is, where it is None.

    `connection`: in a transaction that sees one moment (REPEATABLE READ).
    """
    snapshot = connection.execute(text("SELECT pg_current_snapshot()::text")).scalar_one()
    where, parameters = ("", {}) if since is None else (_CHANGED, {"since": since})
    vehicle_predictions = connection.execute(text(_VEHICLE_PREDICTIONS + where), parameters).scalars().all()
    expected = connection.execute(text(_EXPECTED_JOURNEYS + where), parameters).all()
    read = [one for row in vehicle_predictions if (one := _decode(_vehicle_decoder, row)) is not None]
    awaited = [
        ExpectedJourney(journey_prediction, row.until)
        for row in expected
        if (journey_prediction := _decode(_trip_decoder, row.coming)) is not None
    ]
    unread = len(vehicle_predictions) + len(expected) - len(read) - len(awaited)
    return Changes(str(snapshot), tuple(read), tuple(awaited), unread)


def _decode(decoder: msgspec.json.Decoder[Value], written: str) -> Value | None:
    try:
        return decoder.decode(written)
    except msgspec.DecodeError:
        return None
