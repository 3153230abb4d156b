"""Arrival times of a vehicle along its trips."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.transit.model.prediction import Basis, MatchedPosition, Phase, TripPrediction
from services.transit.model.stop_passages import LinkTraversal
from services.transit.prediction.arrival_times import predict_trips
from services.transit.travel_times.link_times import TravelTimes
from tests.transit_city import BACK, LOOP, MONDAY, OUT, network

CITY = network()
LINE = CITY.patterns[OUT]
JOURNEY = CITY.journey("10-0600", MONDAY)
assert JOURNEY is not None
START = JOURNEY.start_at


def matched_position(
    after_s: float, along_m: float, phase: Phase = Phase.IN_PROGRESS, **more: float
) -> MatchedPosition:
    return MatchedPosition(
        phase, START + after_s, -34.92, -57.95, "10-0600", "20260302", 21_600, OUT, along_m, 1.0, **more
    )


def predicted(
    matched: MatchedPosition, travel_times: TravelTimes | None = None, slowness: float = 0.0
) -> tuple[TripPrediction, ...]:
    trips = predict_trips(CITY, matched, travel_times or TravelTimes(), matched.at, slowness)
    return tuple(one.prediction for one in trips)


def in_order(prediction: TripPrediction, now: float) -> bool:
    lines = (prediction.p10, prediction.rider_times, prediction.p50, prediction.p90, prediction.departures)
    rising = all(list(line) == sorted(line) and line[0] >= now for line in lines)
    return rising and all(
        p10 <= p50 <= p90 and rider <= p50 <= leaves for p10, rider, p50, p90, leaves in zip(*lines, strict=True)
    )


def test_arrivals_are_predicted_link_by_link() -> None:
    present = predicted(matched_position(80, 400))[0]
    assert present.first_position == 2
    assert [round(at - START) for at in present.p50] == [155, 230, 320, 395]
    assert present.basis is Basis.LIVE
    assert present.rider_times < present.p50


def test_slow_recent_buses_delay_the_arrivals_and_are_counted() -> None:
    travel_times = TravelTimes()
    for number in range(3):
        at = START - 900 + 200 * number
        travel_times.add_traversal(LinkTraversal("T3>T4", "other", at, 150.0, 75.0, 0.0, START - 21_600, 0, 800.0))
    present = predicted(matched_position(80, 400), travel_times)[0]
    assert present.p50[1] > predicted(matched_position(80, 400))[0].p50[1] + 20
    assert (present.basis, present.recent_buses) == (Basis.RECENT, 3)


def test_a_slow_bus_is_predicted_to_stay_a_little_slow() -> None:
    assert (
        predicted(matched_position(80, 400), slowness=0.5)[0].p50[-1] > predicted(matched_position(80, 400))[0].p50[-1]
    )


def test_a_bus_at_its_terminal_leaves_at_its_scheduled_time() -> None:
    present, *_ = predicted(matched_position(-600, 0, Phase.LAYOVER))
    assert present.first_position == 0
    assert -60 < present.p50[0] - START < 300
    assert present.p10[0] < present.p50[0] < present.p90[0]


def test_a_bus_past_its_departure_may_leave_at_any_moment() -> None:
    present, *_ = predicted(matched_position(240, 0, Phase.LAYOVER))
    assert START + 240 <= present.p50[0] < START + 900


def test_the_next_journey_of_the_block_leaves_on_time_or_once_the_bus_has_arrived() -> None:
    on_time, late = predicted(matched_position(80, 400)), predicted(matched_position(2_280, 400))
    assert [one.pattern for one in on_time] == [OUT, BACK]
    assert abs(on_time[1].p50[0] - (START + 2_400)) < 120
    assert late[1].p50[0] >= late[0].p50[-1] + 60
    assert late[1].p50[0] > START + 2_500


def test_a_bus_at_its_last_stop_long_after_its_next_departure_is_not_predicted_to_make_it() -> None:
    def next_trips(after_s: float) -> set[str]:
        return {one.trip_id for one in predicted(matched_position(after_s, LINE.stop_m[-1], Phase.LAYOVER))}

    assert "10b-0640" in next_trips(2_400 + 600)
    assert "10b-0640" not in next_trips(2_400 + 1_300)


def test_a_bus_off_its_route_or_stalled_is_withdrawn() -> None:
    assert [(one.basis, one.reason) for one in predicted(matched_position(80, 400, Phase.OFF_ROUTE))] == [
        (Basis.NOT_COMING, "off_route")
    ]
    standing = predicted(matched_position(900, 500, no_progress_s=600.0))
    assert [(one.basis, one.reason) for one in standing] == [(Basis.NOT_COMING, "standing")]


def test_a_bus_that_stands_because_it_is_early_is_not_withdrawn() -> None:
    assert predicted(matched_position(-700, 100, no_progress_s=600.0))[0].basis is Basis.LIVE


def test_a_bus_by_headway_leaves_one_headway_after_the_last_one() -> None:
    travel_times = TravelTimes()
    travel_times.add_traversal(LinkTraversal("T1>L2", "other", START + 500, 80.0, 75.0, 0.0, START - 21_600, 0, 0.0))
    at = START + 900
    matched = MatchedPosition(Phase.LAYOVER, at, -34.92, -57.95, "20", "20260302", 22_800, LOOP, 0.0, 1.0)
    assert abs(predicted(matched, travel_times)[0].p50[0] - (START + 420 + 600)) < 120


def test_a_bus_by_headway_does_not_leave_more_than_half_a_headway_early() -> None:
    travel_times = TravelTimes()
    travel_times.add_traversal(LinkTraversal("T1>L2", "other", START + 500, 80.0, 75.0, 0.0, START - 21_600, 0, 0.0))
    matched = MatchedPosition(
        Phase.LAYOVER, START + 900, -34.92, -57.95, "20", "20260302", 21_600 + 7_200, LOOP, 0.0, 1.0
    )
    assert abs(predicted(matched, travel_times)[0].p50[0] - (START + 7_200 - 300)) < 120


def test_a_parked_bus_has_no_prediction() -> None:
    matched = matched_position(-600, 0, Phase.LAYOVER, no_progress_s=600.0)
    assert predicted(matched)
    assert predicted(msgspec.structs.replace(matched, probability=0.4)) == ()


def test_a_vehicle_without_a_journey_has_no_prediction() -> None:
    assert predicted(MatchedPosition(Phase.DEADHEAD, START, -34.92, -57.95)) == ()
    assert predicted(matched_position(80, 400, Phase.AT_BASE)) == ()


@given(
    st.floats(-3_000, 5_000),
    st.floats(-100, 2_500),
    st.lists(st.tuples(st.sampled_from(LINE.link_ids), st.floats(1, 2_000), st.floats(-900, 900)), max_size=12),
    st.floats(-1, 3),
    st.sampled_from([("10-0600", OUT, 21_600), ("20", LOOP, 22_200), ("10b-0640", BACK, 24_000)]),
)
def test_predicted_times_never_fall_along_a_trip(
    after_s: float,
    along_m: float,
    traversals: list[tuple[str, float, float]],
    slowness: float,
    journey: tuple[str, int, int],
) -> None:
    travel_times = TravelTimes()
    for number, (link_id, took_s, early_s) in enumerate(traversals):
        at = START - 3_000 + 200.0 * number
        travel_times.add_traversal(LinkTraversal(link_id, "other", at, took_s, 75.0, early_s, START - 21_600, 0, 400.0))
    trip_id, pattern, start_s = journey
    matched = MatchedPosition(
        Phase.IN_PROGRESS, START + after_s, 0.0, 0.0, trip_id, "20260302", start_s, pattern, along_m, 1.0
    )
    for prediction in predicted(matched, travel_times, slowness):
        assert in_order(prediction, matched.at)
        assert prediction.first_position + len(prediction.p50) == len(CITY.patterns[prediction.pattern].stop_ids)
