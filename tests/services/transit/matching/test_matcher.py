"""The matcher, by stories of one bus in a small city: its position, its journey and what it is doing."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geo import Point, point_at_distance
from models.network import Network, Shape, service_day_start
from services.transit.matching.candidates import MAX_HYPOTHESES
from services.transit.matching.likelihood import SEARCH_BACK_M
from services.transit.matching.matcher import Matcher
from services.transit.matching.vehicle_state import HypothesisStage, VehicleState
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import MatchedPosition, Phase
from services.transit.prediction.arrival_times import predict_trips
from services.transit.travel_times.link_times import TravelTimes
from tests.transit_city import BACK, LOOP, MONDAY, OUT, SHORT, ZONE, at, network

SPEED_MS = 400 / 75
CITY = network()
SIX = service_day_start(MONDAY, ZONE) + 6 * 3600


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(CITY)


Sighting = tuple[float, Point]


def drive(
    pattern: int, leaves: float, *, until_m: float = 1e9, from_m: float = 0.0, every_s: float = 20
) -> list[Sighting]:
    """Reports of a bus along a pattern at the scheduled speed: (instant, point)."""
    shape = CITY.patterns[pattern].shape
    length, begun = min(until_m, shape.length_m) - from_m, leaves
    steps = int(length / SPEED_MS / every_s) + 1
    moving = [(begun + step * every_s, from_m + step * every_s * SPEED_MS) for step in range(steps)]
    arrives = begun + length / SPEED_MS
    return [
        (when, point_at_distance(shape.points, shape.along_m, along))
        for when, along in [*moving, (arrives, from_m + length)]
    ]


def stand(sightings: list[Sighting], seconds: float, every_s: float = 20) -> list[Sighting]:
    """The sightings, and then the bus stands where it was last seen."""
    when, where = sightings[-1]
    return sightings + [(when + every_s * step, where) for step in range(1, int(seconds / every_s) + 1)]


def follow(matcher: Matcher, sightings: Iterable[Sighting], **reported: Any) -> list[VehicleState]:
    state, states = None, []
    for when, (latitude, longitude) in sightings:
        state = matcher.match(state, PositionReport("7", when, latitude, longitude, **reported))
        states.append(state)
    return states


def positions(states: Iterable[VehicleState]) -> list[MatchedPosition]:
    return [state.matched_position() for state in states]


def test_a_bus_that_reports_its_trip_is_followed_along_it(matcher: Matcher) -> None:
    seen = positions(follow(matcher, drive(OUT, SIX), trip_id="10-0600"))
    assert {position.trip_id for position in seen} == {"10-0600"}
    assert {position.service_date for position in seen} == {"20260302"}
    assert [position.distance_m for position in seen] == sorted(position.distance_m for position in seen)
    assert seen[-1].distance_m == pytest.approx(2000, abs=5)


def test_a_bus_without_a_reported_trip_is_matched_by_position_and_time(matcher: Matcher) -> None:
    seen = positions(follow(matcher, drive(OUT, SIX + 1200 + 60)))
    assert all(position.trip_id == "10-0620" for position in seen[3:-1])


def test_displacement_shows_the_direction_where_both_run_in_one_street(matcher: Matcher) -> None:
    out = positions(follow(matcher, drive(OUT, SIX + 3600)))
    back = positions(follow(matcher, drive(BACK, SIX + 3600)))
    assert {position.pattern for position in out[3:-1]} <= {OUT, SHORT}
    assert {position.pattern for position in back[3:-1]} == {BACK}


def test_a_bearing_that_is_always_zero_changes_nothing(matcher: Matcher) -> None:
    with_bearing = positions(follow(matcher, drive(BACK, SIX + 3600), bearing_deg=0.0))
    assert with_bearing == positions(follow(matcher, drive(BACK, SIX + 3600)))


def test_a_short_turn_stays_open_until_the_bus_passes_its_end(matcher: Matcher) -> None:
    # Between both departures, so that the plan favours neither.
    states = follow(matcher, drive(OUT, SIX + 300))
    on_trunk = {one.pattern for one in states[8].hypotheses}
    assert {OUT, SHORT} <= on_trunk
    assert states[-2].matched_position().pattern == OUT
    assert states[-2].matched_position().probability > 0.9


def test_after_a_short_turn_a_bus_lays_over_and_does_not_run_on(matcher: Matcher) -> None:
    seen = positions(follow(matcher, stand(drive(SHORT, SIX + 600), 240)))
    assert seen[-1].phase is Phase.LAYOVER


def test_a_block_carries_the_bus_from_one_trip_to_the_next(matcher: Matcher) -> None:
    outward = stand(drive(OUT, SIX), SIX + 2400 - SIX - 400)
    back = drive(BACK, SIX + 2400)
    seen = positions(follow(matcher, [one for one in outward if one[0] < SIX + 2390] + back))
    waiting = [position for position in seen if position.at > SIX + 600 and position.at < SIX + 2390]
    assert {position.phase for position in waiting} == {Phase.LAYOVER}
    assert waiting[-1].trip_id == "10b-0640"
    assert {position.trip_id for position in seen[-12:-1]} == {"10b-0640"}


def test_where_its_block_ends_a_bus_waits_for_no_other_departure(matcher: Matcher) -> None:
    leaves = SIX + 15 * 3600 + 2400
    seen = positions(follow(matcher, stand(drive(BACK, leaves), 300)))
    assert {position.trip_id for position in seen[3:]} == {"10b-2140"}
    assert predict_trips(CITY, seen[-1], TravelTimes(), seen[-1].at) == ()


def test_a_bus_that_waits_as_scheduled_lays_over(matcher: Matcher) -> None:
    timing = CITY.trips["10-0600"].timing
    leaves = tuple(s + 300 * (position >= 3) for position, s in enumerate(timing.departures_s))
    comes = tuple(s + 300 * (position > 3) for position, s in enumerate(timing.arrivals_s))
    slow = replace(CITY.trips["10-0600"], timing=replace(timing, arrivals_s=comes, departures_s=leaves))
    waits = Matcher(replace(CITY, trips={**CITY.trips, slow.id: slow}))
    sightings = stand(drive(OUT, SIX, until_m=1195), 200)
    assert positions(follow(waits, sightings, trip_id="10-0600"))[-1].phase is Phase.LAYOVER
    assert positions(follow(matcher, sightings, trip_id="10-0600"))[-1].phase is Phase.IN_PROGRESS


def test_movement_outweighs_a_wrong_reported_trip(matcher: Matcher) -> None:
    seen = positions(follow(matcher, drive(BACK, SIX + 2400), trip_id="10-0640"))
    assert {position.pattern for position in seen[len(seen) // 2 : -1]} == {BACK}


def test_a_reported_later_journey_is_not_accepted_half_way_along_it(matcher: Matcher) -> None:
    sightings = drive(OUT, SIX)
    before, after = follow(matcher, sightings[:10], trip_id="10-0600")[-1], []
    for when, (latitude, longitude) in sightings[10:-1]:
        before = matcher.match(before, PositionReport("7", when, latitude, longitude, trip_id="10-0640"))
        after.append(before.matched_position().trip_id)
    assert set(after) == {"10-0600"}


def test_one_reflected_position_does_not_count_as_progress(matcher: Matcher) -> None:
    sightings = stand(drive(OUT, SIX, until_m=1_000), 400)
    when, where = sightings[-1]
    astray = [(when + 20, at(900, 90)), *((when + 20 * step, where) for step in range(2, 6))]
    seen = positions(follow(matcher, sightings + astray, trip_id="10-0600"))
    assert seen[-6].no_progress_s > 380
    assert seen[-1].no_progress_s > 480


def test_noise_past_an_anchor_does_not_count_as_progress(matcher: Matcher) -> None:
    outward = drive(OUT, SIX, until_m=400)
    stands = [(SIX + 95 + 20 * step, at(450 + 15 * (step % 3 == 2), 0)) for step in range(30)]
    seen = positions(follow(matcher, outward + stands, trip_id="10-0600"))
    assert seen[-1].no_progress_s > 540


def test_a_reported_line_number_alone_is_enough(matcher: Matcher) -> None:
    seen = positions(follow(matcher, drive(LOOP, SIX + 100), line=" 20 "))
    assert {position.pattern for position in seen[2:-1]} == {LOOP}
    assert {position.phase for position in seen[2:-1]} == {Phase.IN_PROGRESS}


def test_a_frequency_based_trip_keeps_one_start_from_end_to_end(matcher: Matcher) -> None:
    seen = positions(follow(matcher, drive(LOOP, SIX + 500)))
    starts = {position.start_s for position in seen[3:-1]}
    assert len(starts) == 1
    assert {position.trip_id for position in seen[3:-1]} == {"20"}


def test_a_reported_start_names_one_journey_of_a_frequency_based_trip(matcher: Matcher) -> None:
    seen = positions(
        follow(matcher, drive(LOOP, SIX + 900), trip_id="20", start_date="20260302", start_s=6 * 3600 + 600)
    )
    assert {position.start_s for position in seen[2:-1]} == {6 * 3600 + 600}


def test_a_journey_is_also_found_by_reported_route_and_start(matcher: Matcher) -> None:
    seen = positions(follow(matcher, drive(OUT, SIX + 900), route_id="10", start_date="20260302", start_s=6 * 3600))
    assert {position.trip_id for position in seen[2:-1]} == {"10-0600"}


def test_a_trip_past_midnight_belongs_to_the_service_date_before(matcher: Matcher) -> None:
    seen = positions(follow(matcher, drive(OUT, SIX + 18 * 3600 + 1800)))
    assert {(position.trip_id, position.service_date) for position in seen[3:-1]} == {("10-2430", "20260302")}


def test_a_detour_is_off_route_and_ends_where_the_bus_comes_back(matcher: Matcher) -> None:
    line = drive(OUT, SIX)
    aside = [(SIX + 150 + 20 * step, at(800 + 100 * step, -260)) for step in range(1, 5)]
    seen = positions(follow(matcher, [*line[:8], *aside, *(one for one in line if one[0] > SIX + 250)]))
    during = [position for position in seen if SIX + 180 < position.at < SIX + 240]
    assert {(position.phase, position.trip_id) for position in during} == {(Phase.OFF_ROUTE, "10-0600")}
    assert seen[-2].phase is Phase.IN_PROGRESS
    assert seen[-2].trip_id == "10-0600"


def test_a_bus_far_from_every_route_is_on_a_deadhead_and_then_parked(matcher: Matcher) -> None:
    away = [(SIX + 20 * step, at(3000 + 100 * step, 3000)) for step in range(10)]
    seen = positions(follow(matcher, stand(away, 1200)))
    assert seen[0].phase is Phase.UNKNOWN
    assert {position.phase for position in seen[2:12]} == {Phase.DEADHEAD}
    assert seen[-1].phase is Phase.AT_BASE


def test_a_bus_that_returns_to_its_base_is_parked_at_once(matcher: Matcher) -> None:
    yard = (3000.0, 3000.0)
    night = stand([(SIX, at(*yard))], 1200)
    tour = [(SIX + 1200 + 20 * step, at(yard[0] + 150 * step, yard[1])) for step in range(1, 8)]
    home = [(tour[-1][0] + 20 * (8 - step), at(yard[0] + 150 * step, yard[1])) for step in reversed(range(8))]
    seen = positions(follow(matcher, night + tour + home))
    assert [position.phase for position in seen if position.at in {tour[3][0], home[-1][0]}] == [
        Phase.DEADHEAD,
        Phase.AT_BASE,
    ]


def test_a_bus_out_of_service_is_on_no_trip_though_it_drives_along_a_route(matcher: Matcher) -> None:
    seen = positions(follow(matcher, drive(OUT, SIX), in_service=False))
    assert {position.phase for position in seen[6:]} <= {Phase.DEADHEAD}


def test_a_bus_on_a_route_unknown_to_the_timetable_is_in_progress(matcher: Matcher) -> None:
    away = [(SIX + 20 * step, at(3000 + 100 * step, 3000)) for step in range(10)]
    seen = positions(follow(matcher, away, line="518"))
    assert {(position.phase, position.trip_id) for position in seen} == {(Phase.IN_PROGRESS, "")}


def test_one_outlier_moves_nothing_and_a_second_one_is_accepted(matcher: Matcher) -> None:
    line = drive(OUT, SIX)
    before = follow(matcher, line[:8])[-1]
    when = line[8][0]
    thrown = matcher.match(before, PositionReport("7", when, *at(30_000, 30_000)))
    assert thrown.matched_position() == before.matched_position()
    assert matcher.match(thrown, PositionReport("7", when + 20, *line[9][1])).matched_position().pattern in {OUT, SHORT}
    moved = matcher.match(thrown, PositionReport("7", when + 20, *at(30_050, 30_000)))
    assert (moved.latitude, moved.hypotheses) == (at(30_050, 30_000)[0], ())


def test_a_report_not_newer_than_the_last_changes_nothing(matcher: Matcher) -> None:
    state = follow(matcher, drive(OUT, SIX)[:5])[-1]
    assert matcher.match(state, PositionReport("7", state.at, *at(0, 0))) is state


def test_after_a_long_silence_the_state_begins_anew(matcher: Matcher) -> None:
    state = follow(matcher, drive(OUT, SIX))[-1]
    later = matcher.match(state, PositionReport("7", state.at + 7200, *at(400, 0)))
    assert len(later.anchors) == 1


def test_with_another_timetable_the_state_begins_anew(matcher: Matcher) -> None:
    state = follow(matcher, drive(OUT, SIX))[-1]
    other = Matcher(network("next"))
    assert other.match(state, PositionReport("7", state.at + 20, *at(1200, 800))).version == "next"


def test_reports_each_second_weigh_no_more_than_each_twenty_seconds(matcher: Matcher) -> None:
    dense = follow(matcher, drive(OUT, SIX + 300, every_s=1, until_m=1000))[-1].matched_position()
    sparse = follow(matcher, drive(OUT, SIX + 300, every_s=20, until_m=1000))[-1].matched_position()
    assert (dense.pattern, dense.trip_id) == (sparse.pattern, sparse.trip_id)
    assert dense.probability == pytest.approx(sparse.probability, abs=0.1)


def test_an_unsurveyed_shape_allows_larger_offsets() -> None:
    lines = tuple(replace(line, shape=_unsurveyed(line.shape)) for line in CITY.patterns)
    rough = Matcher(_with(CITY, lines))
    aside = [(when, (latitude + 0.0012, longitude)) for when, (latitude, longitude) in drive(OUT, SIX, until_m=1100)]
    assert positions(follow(rough, aside, trip_id="10-0600"))[-1].phase is Phase.IN_PROGRESS
    assert positions(follow(Matcher(CITY), aside, trip_id="10-0600"))[-1].phase is not Phase.IN_PROGRESS


def _unsurveyed(shape: Shape) -> Shape:
    return replace(shape, surveyed=False)


def _with(city: Network, lines: tuple[Any, ...]) -> Network:
    return replace(city, patterns=lines)


REPORTED = st.fixed_dictionaries(
    {},
    optional={
        "trip_id": st.sampled_from(["10-0600", "10b-0640", "20", "no such trip"]),
        "route_id": st.sampled_from(["10", "20", "307"]),
        "line": st.sampled_from(["10", "20", "307"]),
        "direction_id": st.sampled_from([0, 1]),
        "block_id": st.sampled_from(["block-1", "x"]),
        "start_s": st.integers(0, 30 * 3600),
        "in_service": st.booleans(),
    },
)
WANDERING = st.lists(
    st.tuples(st.floats(0.5, 900), st.floats(-1500, 2500), st.floats(-1500, 2500), REPORTED), min_size=1, max_size=25
)


@settings(max_examples=150, deadline=None)
@given(WANDERING)
def test_for_any_reports_the_state_is_sound_small_and_the_same_after_storing(
    ways: list[tuple[float, float, float, dict[str, Any]]],
) -> None:
    matcher = MATCHER
    state: VehicleState | None = None
    clock = SIX
    for wait_s, x, y, reported in ways:
        clock += wait_s
        report = PositionReport("7", clock, *at(x, y), **reported)
        row = msgspec.json.encode(state)
        kept = msgspec.json.decode(row, type=VehicleState | None)
        state = matcher.match(state, report)
        assert state == matcher.match(kept, report)
        assert len(row) < 4000
        _sound(state)


def _sound(state: VehicleState) -> None:
    shares = [state.no_trip_probability, *(state.probability(one) for one in state.hypotheses)]
    assert sum(shares) == pytest.approx(1.0)
    assert len(state.hypotheses) <= MAX_HYPOTHESES
    for one in state.hypotheses:
        stops = CITY.patterns[one.pattern].stop_m
        assert stops[0] - SEARCH_BACK_M <= one.distance_m <= stops[-1] + SEARCH_BACK_M
        assert one.stage is not HypothesisStage.WAITING or one.distance_m == stops[0]
    position = state.matched_position()
    assert 0.0 <= position.probability <= 1.0
    assert (position.pattern >= 0) == (
        position.phase in {Phase.IN_PROGRESS, Phase.LAYOVER, Phase.OFF_ROUTE}
    ) or position.trip_id == ""


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([OUT, BACK]),
    st.lists(st.tuples(st.floats(-12, 12), st.floats(-12, 12)), min_size=20, max_size=20),
    st.sampled_from([10.0, 20.0, 40.0]),
)
def test_with_noisy_positions_a_bus_never_falls_back_further_than_its_window(
    pattern: int, errors: list[tuple[float, float]], every_s: float
) -> None:
    sightings = drive(pattern, SIX + 4800, every_s=every_s)
    noisy = [
        (when, (latitude + dy / 111_195, longitude + dx / 91_000))
        for (when, (latitude, longitude)), (dx, dy) in zip(sightings, errors * 3, strict=False)
    ]
    seen = positions(follow(MATCHER, noisy, route_id="10"))
    for before, after in pairwise(seen):
        if before.trip_id == after.trip_id and after.phase is before.phase is Phase.IN_PROGRESS:
            assert after.distance_m >= before.distance_m - SEARCH_BACK_M
    assert seen[-2].pattern in ({OUT, SHORT} if pattern == OUT else {BACK})


MATCHER = Matcher(CITY)
