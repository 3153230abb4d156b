"""Where a bus is and which journey it makes, told as stories of one bus in a small city."""

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
from services.transit.matching.vehicle_state import Stage, VehicleState
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
    """A bus along a line at the speed of the timetable: when and where it is seen."""
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
    """With the bus standing where it was last seen."""
    when, where = sightings[-1]
    return sightings + [(when + every_s * step, where) for step in range(1, int(seconds / every_s) + 1)]


def follow(matcher: Matcher, sightings: Iterable[Sighting], **claims: Any) -> list[VehicleState]:
    belief, beliefs = None, []
    for when, (latitude, longitude) in sightings:
        belief = matcher.match(belief, PositionReport("7", when, latitude, longitude, **claims))
        beliefs.append(belief)
    return beliefs


def places(beliefs: Iterable[VehicleState]) -> list[MatchedPosition]:
    return [belief.matched_position() for belief in beliefs]


def test_a_bus_that_says_its_trip_is_followed_along_it(matcher: Matcher) -> None:
    seen = places(follow(matcher, drive(OUT, SIX), trip_id="10-0600"))
    assert {place.trip_id for place in seen} == {"10-0600"}
    assert {place.service_date for place in seen} == {"20260302"}
    assert [place.distance_m for place in seen] == sorted(place.distance_m for place in seen)
    assert seen[-1].distance_m == pytest.approx(2000, abs=5)


def test_a_bus_that_says_nothing_is_known_by_where_and_when_it_drives(matcher: Matcher) -> None:
    seen = places(follow(matcher, drive(OUT, SIX + 1200 + 60)))
    assert all(place.trip_id == "10-0620" for place in seen[3:-1])


def test_displacement_tells_the_direction_where_both_run_in_one_street(matcher: Matcher) -> None:
    out = places(follow(matcher, drive(OUT, SIX + 3600)))
    back = places(follow(matcher, drive(BACK, SIX + 3600)))
    assert {place.pattern for place in out[3:-1]} <= {OUT, SHORT}
    assert {place.pattern for place in back[3:-1]} == {BACK}


def test_a_bearing_that_is_always_nought_changes_nothing(matcher: Matcher) -> None:
    with_bearing = places(follow(matcher, drive(BACK, SIX + 3600), bearing_deg=0.0))
    assert with_bearing == places(follow(matcher, drive(BACK, SIX + 3600)))


def test_a_short_turn_stays_open_until_the_bus_passes_its_end(matcher: Matcher) -> None:
    # Between both departures, so that the plan favours neither.
    beliefs = follow(matcher, drive(OUT, SIX + 300))
    on_trunk = {one.pattern for one in beliefs[8].hypotheses}
    assert {OUT, SHORT} <= on_trunk
    assert beliefs[-2].matched_position().pattern == OUT
    assert beliefs[-2].matched_position().probability > 0.9


def test_a_short_turn_that_ends_lays_over_and_does_not_run_on(matcher: Matcher) -> None:
    seen = places(follow(matcher, stand(drive(SHORT, SIX + 600), 240)))
    assert seen[-1].phase is Phase.LAYOVER


def test_a_block_carries_the_bus_from_one_trip_to_the_next(matcher: Matcher) -> None:
    there = stand(drive(OUT, SIX), SIX + 2400 - SIX - 400)
    back = drive(BACK, SIX + 2400)
    seen = places(follow(matcher, [one for one in there if one[0] < SIX + 2390] + back))
    waiting = [place for place in seen if place.at > SIX + 600 and place.at < SIX + 2390]
    assert {place.phase for place in waiting} == {Phase.LAYOVER}
    assert waiting[-1].trip_id == "10b-0640"
    assert {place.trip_id for place in seen[-12:-1]} == {"10b-0640"}


def test_where_its_block_ends_a_bus_waits_for_no_other_departure(matcher: Matcher) -> None:
    leaves = SIX + 15 * 3600 + 2400
    seen = places(follow(matcher, stand(drive(BACK, leaves), 300)))
    assert {place.trip_id for place in seen[3:]} == {"10b-2140"}
    assert predict_trips(CITY, seen[-1], TravelTimes(), seen[-1].at) == ()


def test_a_bus_that_stands_where_its_timetable_lets_it_stand_lays_over(matcher: Matcher) -> None:
    timing = CITY.trips["10-0600"].timing
    leaves = tuple(s + 300 * (position >= 3) for position, s in enumerate(timing.departures_s))
    comes = tuple(s + 300 * (position > 3) for position, s in enumerate(timing.arrivals_s))
    slow = replace(CITY.trips["10-0600"], timing=replace(timing, arrivals_s=comes, departures_s=leaves))
    waits = Matcher(replace(CITY, trips={**CITY.trips, slow.id: slow}))
    sightings = stand(drive(OUT, SIX, until_m=1195), 200)
    assert places(follow(waits, sightings, trip_id="10-0600"))[-1].phase is Phase.LAYOVER
    assert places(follow(matcher, sightings, trip_id="10-0600"))[-1].phase is Phase.IN_PROGRESS


def test_a_wrong_claim_gives_way_to_movement(matcher: Matcher) -> None:
    seen = places(follow(matcher, drive(BACK, SIX + 2400), trip_id="10-0640"))
    assert {place.pattern for place in seen[len(seen) // 2 : -1]} == {BACK}


def test_a_console_set_to_a_later_journey_is_not_believed_half_way_along_it(matcher: Matcher) -> None:
    sightings = drive(OUT, SIX)
    before, after = follow(matcher, sightings[:10], trip_id="10-0600")[-1], []
    for when, (latitude, longitude) in sightings[10:-1]:
        before = matcher.match(before, PositionReport("7", when, latitude, longitude, trip_id="10-0640"))
        after.append(before.matched_position().trip_id)
    assert set(after) == {"10-0600"}


def test_one_reflection_does_not_make_a_bus_move_that_stands(matcher: Matcher) -> None:
    sightings = stand(drive(OUT, SIX, until_m=1_000), 400)
    when, where = sightings[-1]
    astray = [(when + 20, at(900, 90)), *((when + 20 * step, where) for step in range(2, 6))]
    seen = places(follow(matcher, sightings + astray, trip_id="10-0600"))
    assert seen[-6].no_progress_s > 380
    assert seen[-1].no_progress_s > 480


def test_a_receiver_that_wanders_past_a_mark_does_not_make_a_bus_move_that_stands(matcher: Matcher) -> None:
    there = drive(OUT, SIX, until_m=400)
    stands = [(SIX + 95 + 20 * step, at(450 + 15 * (step % 3 == 2), 0)) for step in range(30)]
    seen = places(follow(matcher, there + stands, trip_id="10-0600"))
    assert seen[-1].no_progress_s > 540


def test_a_line_number_alone_is_enough(matcher: Matcher) -> None:
    seen = places(follow(matcher, drive(LOOP, SIX + 100), line=" 20 "))
    assert {place.pattern for place in seen[2:-1]} == {LOOP}
    assert {place.phase for place in seen[2:-1]} == {Phase.IN_PROGRESS}


def test_a_trip_by_headway_is_made_by_one_bus_from_end_to_end(matcher: Matcher) -> None:
    seen = places(follow(matcher, drive(LOOP, SIX + 500)))
    starts = {place.start_s for place in seen[3:-1]}
    assert len(starts) == 1
    assert {place.trip_id for place in seen[3:-1]} == {"20"}


def test_a_claimed_start_names_one_of_a_repeated_trips_journeys(matcher: Matcher) -> None:
    seen = places(follow(matcher, drive(LOOP, SIX + 900), trip_id="20", start_date="20260302", start_s=6 * 3600 + 600))
    assert {place.start_s for place in seen[2:-1]} == {6 * 3600 + 600}


def test_a_journey_is_named_by_line_and_start_as_well(matcher: Matcher) -> None:
    seen = places(follow(matcher, drive(OUT, SIX + 900), route_id="10", start_date="20260302", start_s=6 * 3600))
    assert {place.trip_id for place in seen[2:-1]} == {"10-0600"}


def test_a_night_bus_belongs_to_the_day_before(matcher: Matcher) -> None:
    seen = places(follow(matcher, drive(OUT, SIX + 18 * 3600 + 1800)))
    assert {(place.trip_id, place.service_date) for place in seen[3:-1]} == {("10-2430", "20260302")}


def test_a_detour_is_off_route_and_ends_where_the_bus_comes_back(matcher: Matcher) -> None:
    line = drive(OUT, SIX)
    aside = [(SIX + 150 + 20 * step, at(800 + 100 * step, -260)) for step in range(1, 5)]
    seen = places(follow(matcher, [*line[:8], *aside, *(one for one in line if one[0] > SIX + 250)]))
    during = [place for place in seen if SIX + 180 < place.at < SIX + 240]
    assert {(place.phase, place.trip_id) for place in during} == {(Phase.OFF_ROUTE, "10-0600")}
    assert seen[-2].phase is Phase.IN_PROGRESS
    assert seen[-2].trip_id == "10-0600"


def test_a_bus_far_from_every_line_is_on_its_way_and_then_parked(matcher: Matcher) -> None:
    away = [(SIX + 20 * step, at(3000 + 100 * step, 3000)) for step in range(10)]
    seen = places(follow(matcher, stand(away, 1200)))
    assert seen[0].phase is Phase.UNKNOWN
    assert {place.phase for place in seen[2:12]} == {Phase.DEADHEAD}
    assert seen[-1].phase is Phase.AT_BASE


def test_a_bus_that_comes_home_is_parked_at_once(matcher: Matcher) -> None:
    yard = (3000.0, 3000.0)
    night = stand([(SIX, at(*yard))], 1200)
    tour = [(SIX + 1200 + 20 * step, at(yard[0] + 150 * step, yard[1])) for step in range(1, 8)]
    home = [(tour[-1][0] + 20 * (8 - step), at(yard[0] + 150 * step, yard[1])) for step in reversed(range(8))]
    seen = places(follow(matcher, night + tour + home))
    assert [place.phase for place in seen if place.at in {tour[3][0], home[-1][0]}] == [Phase.DEADHEAD, Phase.AT_BASE]


def test_a_bus_out_of_service_is_on_no_journey_though_it_drives_along_a_line(matcher: Matcher) -> None:
    seen = places(follow(matcher, drive(OUT, SIX), in_service=False))
    assert {place.phase for place in seen[6:]} <= {Phase.DEADHEAD}


def test_a_line_that_the_timetable_does_not_know_is_served_all_the_same(matcher: Matcher) -> None:
    away = [(SIX + 20 * step, at(3000 + 100 * step, 3000)) for step in range(10)]
    seen = places(follow(matcher, away, line="518"))
    assert {(place.phase, place.trip_id) for place in seen} == {(Phase.IN_PROGRESS, "")}


def test_one_impossible_position_moves_nothing_and_a_second_one_is_believed(matcher: Matcher) -> None:
    line = drive(OUT, SIX)
    before = follow(matcher, line[:8])[-1]
    when = line[8][0]
    thrown = matcher.match(before, PositionReport("7", when, *at(30_000, 30_000)))
    assert thrown.matched_position() == before.matched_position()
    assert matcher.match(thrown, PositionReport("7", when + 20, *line[9][1])).matched_position().pattern in {OUT, SHORT}
    moved = matcher.match(thrown, PositionReport("7", when + 20, *at(30_050, 30_000)))
    assert (moved.latitude, moved.hypotheses) == (at(30_050, 30_000)[0], ())


def test_a_report_not_newer_than_the_last_changes_nothing(matcher: Matcher) -> None:
    belief = follow(matcher, drive(OUT, SIX)[:5])[-1]
    assert matcher.match(belief, PositionReport("7", belief.at, *at(0, 0))) is belief


def test_a_bus_that_was_silent_long_is_looked_at_afresh(matcher: Matcher) -> None:
    belief = follow(matcher, drive(OUT, SIX))[-1]
    later = matcher.match(belief, PositionReport("7", belief.at + 7200, *at(400, 0)))
    assert len(later.anchors) == 1


def test_another_timetable_begins_anew(matcher: Matcher) -> None:
    belief = follow(matcher, drive(OUT, SIX))[-1]
    other = Matcher(network("next"))
    assert other.match(belief, PositionReport("7", belief.at + 20, *at(1200, 800))).version == "next"


def test_reports_each_second_tell_no_more_than_the_same_way_each_twenty(matcher: Matcher) -> None:
    dense = follow(matcher, drive(OUT, SIX + 300, every_s=1, until_m=1000))[-1].matched_position()
    sparse = follow(matcher, drive(OUT, SIX + 300, every_s=20, until_m=1000))[-1].matched_position()
    assert (dense.pattern, dense.trip_id) == (sparse.pattern, sparse.trip_id)
    assert dense.probability == pytest.approx(sparse.probability, abs=0.1)


def test_a_line_without_a_survey_is_given_more_room() -> None:
    lines = tuple(replace(line, shape=_unsurveyed(line.shape)) for line in CITY.patterns)
    rough = Matcher(_with(CITY, lines))
    aside = [(when, (latitude + 0.0012, longitude)) for when, (latitude, longitude) in drive(OUT, SIX, until_m=1100)]
    assert places(follow(rough, aside, trip_id="10-0600"))[-1].phase is Phase.IN_PROGRESS
    assert places(follow(Matcher(CITY), aside, trip_id="10-0600"))[-1].phase is not Phase.IN_PROGRESS


def _unsurveyed(shape: Shape) -> Shape:
    return replace(shape, surveyed=False)


def _with(city: Network, lines: tuple[Any, ...]) -> Network:
    return replace(city, patterns=lines)


CLAIMS = st.fixed_dictionaries(
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
    st.tuples(st.floats(0.5, 900), st.floats(-1500, 2500), st.floats(-1500, 2500), CLAIMS), min_size=1, max_size=25
)


@settings(max_examples=150, deadline=None)
@given(WANDERING)
def test_whatever_a_bus_does_its_belief_is_sound_small_and_the_same_read_back(
    ways: list[tuple[float, float, float, dict[str, Any]]],
) -> None:
    matcher = MATCHER
    belief: VehicleState | None = None
    clock = SIX
    for wait_s, x, y, claims in ways:
        clock += wait_s
        report = PositionReport("7", clock, *at(x, y), **claims)
        row = msgspec.json.encode(belief)
        kept = msgspec.json.decode(row, type=VehicleState | None)
        belief = matcher.match(belief, report)
        assert belief == matcher.match(kept, report)
        assert len(row) < 4000
        _sound(belief)


def _sound(belief: VehicleState) -> None:
    shares = [belief.no_trip_probability, *(belief.probability(one) for one in belief.hypotheses)]
    assert sum(shares) == pytest.approx(1.0)
    assert len(belief.hypotheses) <= MAX_HYPOTHESES
    for one in belief.hypotheses:
        stops = CITY.patterns[one.pattern].stop_m
        assert stops[0] - SEARCH_BACK_M <= one.distance_m <= stops[-1] + SEARCH_BACK_M
        assert one.stage is not Stage.WAITING or one.distance_m == stops[0]
    place = belief.matched_position()
    assert 0.0 <= place.probability <= 1.0
    assert (place.pattern >= 0) == (
        place.phase in {Phase.IN_PROGRESS, Phase.LAYOVER, Phase.OFF_ROUTE}
    ) or place.trip_id == ""


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([OUT, BACK]),
    st.lists(st.tuples(st.floats(-12, 12), st.floats(-12, 12)), min_size=20, max_size=20),
    st.sampled_from([10.0, 20.0, 40.0]),
)
def test_however_positions_err_a_bus_never_falls_back_further_than_its_window(
    pattern: int, errors: list[tuple[float, float]], every_s: float
) -> None:
    sightings = drive(pattern, SIX + 4800, every_s=every_s)
    noisy = [
        (when, (latitude + dy / 111_195, longitude + dx / 91_000))
        for (when, (latitude, longitude)), (dx, dy) in zip(sightings, errors * 3, strict=False)
    ]
    seen = places(follow(MATCHER, noisy, route_id="10"))
    for before, after in pairwise(seen):
        if before.trip_id == after.trip_id and after.phase is before.phase is Phase.IN_PROGRESS:
            assert after.distance_m >= before.distance_m - SEARCH_BACK_M
    assert seen[-2].pattern in ({OUT, SHORT} if pattern == OUT else {BACK})


MATCHER = Matcher(CITY)
