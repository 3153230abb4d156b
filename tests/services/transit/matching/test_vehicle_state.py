"""Stored JSON of a vehicle's state: its field names are part of the database."""

import msgspec

from services.transit.matching.vehicle_state import AnchorPosition, Hypothesis, HypothesisStage, VehicleState


def test_a_stored_state_keeps_its_field_names_and_their_order() -> None:
    fix = AnchorPosition(1.0, -34.9, -57.9)
    hypothesis = Hypothesis(0, "10", "20260302", 0, 0.0, HypothesisStage.RUNNING, 5.0, 4.0, 1.0, -0.5, 2.0)
    state = VehicleState("v", 1.0, -34.9, -57.9, (fix,), fix, (hypothesis,), last_journey=hypothesis, outlier=fix)
    row = msgspec.json.encode(state)
    stored = msgspec.json.decode(row)
    names = "version at latitude longitude marks stood hypotheses off travelled claimed out_of_service elsewhere"
    assert list(stored) == [*names.split(), "pausing", "at_base", "base", "last", "doubtful"]
    assert stored["hypotheses"] == [[0, "10", "20260302", 0, 0.0, 1, 5.0, 4.0, 1.0, -0.5, 2.0]]
    assert stored["marks"] == [[1.0, -34.9, -57.9]]
    assert msgspec.json.decode(row, type=VehicleState) == state
