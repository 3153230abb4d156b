"""Observed stop passages, the ground truth of predictions, from recorded positions."""

from services.transit.accuracy.observed_passages import ObservedPassages
from tests.services.transit.accuracy.buses import CITY, buses


def test_a_passage_is_interpolated_between_the_positions_around_the_stop() -> None:
    reports = buses("0600")
    observed = ObservedPassages(CITY, reports)
    run = observed.journey_of(reports[5])
    assert run is not None
    assert observed.gap_s == 150.0
    first = reports[0].at + 30
    assert [round(at - first) for at in run.passages[1:5] if at is not None] == [75, 150, 225, 300]


def test_a_stop_between_positions_far_apart_has_no_passage() -> None:
    reports = buses("0600")
    observed = ObservedPassages(CITY, [*reports[:3], *reports[10:]])
    assert observed.journey_of(reports[0]).passages[1] is None  # type: ignore[union-attr]
