"""Stored JSON of predictions: its field names are part of the database, whatever the fields are called in Python."""

import msgspec

from services.transit.model.prediction import Basis, MatchedPosition, Phase, TripPrediction, VehiclePrediction


def test_a_stored_prediction_keeps_its_field_names() -> None:
    position = MatchedPosition(Phase.LAYOVER, 1.0, -34.9, -57.9, stationary_s=2.0, no_progress_s=3.0)
    trip = TripPrediction("10", "20260302", 0, 0, 1, (2.0,), (3.0,), (4.0,), (2.5,), (3.5,), Basis.RECENT, 2)
    row = msgspec.json.encode(VehiclePrediction("7", "v", position, (trip,)))
    stored = msgspec.json.decode(row)
    assert {"place", "coming"} <= stored.keys()
    assert {"still_s", "paused_s"} <= stored["place"].keys()
    assert {"first", "rider", "leaves", "buses"} <= stored["coming"][0].keys()
    assert msgspec.json.decode(row, type=VehiclePrediction).trips == (trip,)
