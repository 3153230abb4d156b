"""When a bus comes."""

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


def place(after_s: float, along_m: float, phase: Phase = Phase.IN_PROGRESS, **more: float) -> MatchedPosition:
    return MatchedPosition(
        phase, START + after_s, -34.92, -57.95, "10-0600", "20260302", 21_600, OUT, along_m, 1.0, **more
    )


def told(where: MatchedPosition, history: TravelTimes | None = None, pace: float = 0.0) -> tuple[TripPrediction, ...]:
    found = predict_trips(CITY, where, history or TravelTimes(), where.at, pace)
    return tuple(one.prediction for one in found)


def in_order(coming: TripPrediction, now: float) -> bool:
    lines = (coming.p10, coming.rider_times, coming.p50, coming.p90, coming.departures)
    rising = all(list(line) == sorted(line) and line[0] >= now for line in lines)
    return rising and all(
        p10 <= p50 <= p90 and rider <= p50 <= leaves for p10, rider, p50, p90, leaves in zip(*lines, strict=True)
    )


def test_a_bus_on_its_way_comes_link_by_link() -> None:
    present = told(place(80, 400))[0]
    assert present.first_position == 2
    assert [round(at - START) for at in present.p50] == [155, 230, 320, 395]
    assert present.basis is Basis.LIVE
    assert present.rider_times < present.p50


def test_buses_before_it_that_took_long_make_it_late_and_are_counted() -> None:
    history = TravelTimes()
    for number in range(3):
        at = START - 900 + 200 * number
        history.add_traversal(LinkTraversal("T3>T4", "other", at, 150.0, 75.0, 0.0, START - 21_600, 0, 800.0))
    present = told(place(80, 400), history)[0]
    assert present.p50[1] > told(place(80, 400))[0].p50[1] + 20
    assert (present.basis, present.recent_buses) == (Basis.RECENT, 3)


def test_a_slow_bus_stays_a_little_slow() -> None:
    assert told(place(80, 400), pace=0.5)[0].p50[-1] > told(place(80, 400))[0].p50[-1]


def test_at_its_terminal_a_bus_waits_for_its_time() -> None:
    present, *_ = told(place(-600, 0, Phase.LAYOVER))
    assert present.first_position == 0
    assert -60 < present.p50[0] - START < 300
    assert present.p10[0] < present.p50[0] < present.p90[0]


def test_a_bus_that_should_have_left_is_expected_any_moment() -> None:
    present, *_ = told(place(240, 0, Phase.LAYOVER))
    assert START + 240 <= present.p50[0] < START + 900


def test_the_next_journey_of_the_block_leaves_on_time_or_when_the_bus_is_there() -> None:
    on_time, late = told(place(80, 400)), told(place(2_280, 400))
    assert [one.pattern for one in on_time] == [OUT, BACK]
    assert abs(on_time[1].p50[0] - (START + 2_400)) < 120
    assert late[1].p50[0] >= late[0].p50[-1] + 60
    assert late[1].p50[0] > START + 2_500


def test_a_bus_that_stays_at_its_end_long_after_its_next_departure_is_not_told_for_it() -> None:
    def next_trips(after_s: float) -> set[str]:
        return {one.trip_id for one in told(place(after_s, LINE.stop_m[-1], Phase.LAYOVER))}

    assert "10b-0640" in next_trips(2_400 + 600)
    assert "10b-0640" not in next_trips(2_400 + 1_300)


def test_off_its_line_or_standing_for_long_a_bus_is_withdrawn() -> None:
    assert [(one.basis, one.reason) for one in told(place(80, 400, Phase.OFF_ROUTE))] == [
        (Basis.NOT_COMING, "off_route")
    ]
    standing = told(place(900, 500, no_progress_s=600.0))
    assert [(one.basis, one.reason) for one in standing] == [(Basis.NOT_COMING, "standing")]


def test_a_bus_that_stands_since_it_is_ahead_of_its_plan_is_not() -> None:
    assert told(place(-700, 100, no_progress_s=600.0))[0].basis is Basis.LIVE


def test_where_a_headway_is_promised_a_bus_leaves_that_long_after_the_last_one() -> None:
    history = TravelTimes()
    history.add_traversal(LinkTraversal("T1>L2", "other", START + 500, 80.0, 75.0, 0.0, START - 21_600, 0, 0.0))
    at = START + 900
    where = MatchedPosition(Phase.LAYOVER, at, -34.92, -57.95, "20", "20260302", 22_800, LOOP, 0.0, 1.0)
    assert abs(told(where, history)[0].p50[0] - (START + 420 + 600)) < 120


def test_a_bus_that_waits_for_a_much_later_departure_does_not_take_the_next_one() -> None:
    history = TravelTimes()
    history.add_traversal(LinkTraversal("T1>L2", "other", START + 500, 80.0, 75.0, 0.0, START - 21_600, 0, 0.0))
    where = MatchedPosition(
        Phase.LAYOVER, START + 900, -34.92, -57.95, "20", "20260302", 21_600 + 7_200, LOOP, 0.0, 1.0
    )
    assert abs(told(where, history)[0].p50[0] - (START + 7_200 - 300)) < 120


def test_a_bus_that_stands_at_a_terminal_for_who_knows_what_comes_nowhere() -> None:
    where = place(-600, 0, Phase.LAYOVER, no_progress_s=600.0)
    assert told(where)
    assert told(msgspec.structs.replace(where, probability=0.4)) == ()


def test_a_vehicle_that_makes_no_journey_comes_nowhere() -> None:
    assert told(MatchedPosition(Phase.DEADHEAD, START, -34.92, -57.95)) == ()
    assert told(place(80, 400, Phase.AT_BASE)) == ()


@given(
    st.floats(-3_000, 5_000),
    st.floats(-100, 2_500),
    st.lists(st.tuples(st.sampled_from(LINE.link_ids), st.floats(1, 2_000), st.floats(-900, 900)), max_size=12),
    st.floats(-1, 3),
    st.sampled_from([("10-0600", OUT, 21_600), ("20", LOOP, 22_200), ("10b-0640", BACK, 24_000)]),
)
def test_an_estimate_never_goes_backwards_along_a_trip(
    after_s: float, along_m: float, passages: list[tuple[str, float, float]], pace: float, journey: tuple[str, int, int]
) -> None:
    history = TravelTimes()
    for number, (link_id, took_s, early_s) in enumerate(passages):
        at = START - 3_000 + 200.0 * number
        history.add_traversal(LinkTraversal(link_id, "other", at, took_s, 75.0, early_s, START - 21_600, 0, 400.0))
    trip_id, pattern, start_s = journey
    where = MatchedPosition(
        Phase.IN_PROGRESS, START + after_s, 0.0, 0.0, trip_id, "20260302", start_s, pattern, along_m, 1.0
    )
    for coming in told(where, history, pace):
        assert in_order(coming, where.at)
        assert coming.first_position + len(coming.p50) == len(CITY.patterns[coming.pattern].stop_ids)
