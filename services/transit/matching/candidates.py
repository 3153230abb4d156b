"""Which journeys a vehicle may be making of which little or nothing is known: by where its last positions lead."""

from collections.abc import Iterator, Mapping, Sequence
from math import hypot

from msgspec.structs import replace

from models.network import Journey
from services.transit.matching.likelihood import (
    ALONG_PENALTY,
    AT_TERMINAL,
    ENTER_TRIP,
    LATE_SCALE_S,
    MAX_SPEED_MS,
    MIN_WEIGHT,
    NO_TRIP_ANCHOR,
    OFFSET_LIMIT_M,
    SAME_BLOCK,
    SAME_ROUTE,
    SEARCH_AHEAD_M,
    SEARCH_BACK_M,
    SWITCH_TRIP,
    UNLIKELY_DEVIATION,
    UNSCHEDULED,
    deviation_weight,
    log_sum,
    offset_weight,
    progress_weight,
    terminal_weight,
)
from services.transit.matching.network_index import MAX_JOURNEYS, NetworkIndex, Observation, offset_limit_m
from services.transit.matching.reported_trip import ReportedTrip
from services.transit.matching.spatial_index import XY
from services.transit.matching.vehicle_state import Fix, Hypothesis, Stage
from services.transit.model.journey_search import MAX_EARLY_S, has_exact_times

MAX_HYPOTHESES = 12
"""How many hypotheses are kept of one vehicle."""


def initial_candidates(
    ground: NetworkIndex, marks: Sequence[Fix], claims: ReportedTrip, last: Hypothesis | None
) -> list[Hypothesis]:
    """The journeys its last positions may belong to, weighed against making none; the likeliest MOST.

    Lines it claims are looked at first, and others only where it is on none of those.
    """
    points = [ground.xy(mark) for mark in marks]
    near = ground.shape_index.segments_near(points[-1], ground.search_radius_m)
    claimed = {number: near.pop(number) for number in tuple(near) if _serves_reported_route(ground, number, claims)}
    places = list(_candidate_places(ground, claimed, marks, points))
    if not any(fit > 0.0 for _, _, fit in places):
        places += _candidate_places(ground, near, marks, points)
    found = [
        (prior, replace(seed, weight=prior + fit))
        for pattern, along, fit in places
        for prior, seed in _candidates_at(ground, pattern, along, marks[-1].at, claims, last)
    ]
    if not found:
        return []
    total = log_sum([prior for prior, _ in found])
    weighed = [replace(seed, weight=seed.weight - total) for _, seed in found]
    return sorted(weighed, key=lambda seed: seed.total_weight, reverse=True)[:MAX_HYPOTHESES]


def reported_candidates(
    ground: NetworkIndex, hypotheses: Sequence[Hypothesis], step: Observation, total: float, *, news: bool
) -> Iterator[Hypothesis]:
    """The journey the vehicle claims, where none of the hypotheses is it and it may be. `total`: the likeliest's.

    A new claim is news: without it that journey is as likely as the likeliest, and the claim comes on top. One that was
    weighed before and dropped has to win back its place.
    """
    trip = ground.network.trips.get(step.reported.trip_id)
    if trip is None or any(one.trip_id == trip.id for one in hypotheses):
        return
    journey = ground.journey_search.reported_journey(trip, step.at, step.reported.service_date, step.reported.start_s)
    if journey is None:
        return
    begin = ground.journey_hypothesis(journey, 0.0, step.at, step.reported)
    weight = total if news else total - begin.report_weight + ENTER_TRIP
    waiting = terminal_weight(step.xy, ground.first_stops[trip.pattern]) == AT_TERMINAL
    if waiting and step.at < journey.start_at + LATE_SCALE_S:
        yield replace(begin, stage=Stage.WAITING, weight=weight)
        return
    track = ground.shape_of(trip.pattern)
    segments = ground.shape_index.segments_near(step.xy, ground.search_radius_m).get(
        ground.shape_index.shape_numbers[trip.pattern], ()
    )
    for along, offset in track.passes(step.xy, segments, offset_limit_m(track)):
        late_s = ground.journey_search.deviation_s(trip.pattern, trip, journey.start_at, along, step.at)
        if has_exact_times(trip, journey.start_s) and late_s < -MAX_EARLY_S:
            continue  # a console that is set to a later journey
        one = ground.journey_hypothesis(journey, along, step.at, step.reported)
        yield replace(one, weight=weight + offset_weight(offset, offset_limit_m(track)))


def alternative_candidates(
    ground: NetworkIndex, hypotheses: Sequence[Hypothesis], step: Observation
) -> Iterator[Hypothesis]:
    """The journeys that would be on time where the likeliest one is strangely early or late."""
    best = max(hypotheses, key=lambda one: one.total_weight, default=None)
    if best is None or best.stage is not Stage.RUNNING:
        return
    plan = ground.schedule_weight(best, step.at)
    if plan > UNLIKELY_DEVIATION:
        return
    known = {one.key for one in hypotheses}
    for late_s, journey in ground.journey_search.scheduled_near(best.pattern, best.distance_m, step.at, MAX_JOURNEYS):
        rival = ground.journey_hypothesis(journey, best.distance_m, step.at, step.reported)
        if rival.key not in known and deviation_weight(late_s) > plan:
            yield replace(rival, weight=best.total_weight + SWITCH_TRIP)


def _serves_reported_route(ground: NetworkIndex, number: int, claims: ReportedTrip) -> bool:
    patterns = ground.network.patterns
    return any(patterns[index].route_id in claims.route_ids for index in ground.shape_index.patterns_on[number])


def _candidate_places(
    ground: NetworkIndex, near: Mapping[int, Sequence[int]], marks: Sequence[Fix], points: Sequence[XY]
) -> Iterator[tuple[int, float, float]]:
    """Patterns where the last mark may lie, with how far along, and how well the marks lead there."""
    for number, segments in near.items():
        track = ground.shape_index.shapes[number]
        for along, offset in track.passes(points[-1], segments, offset_limit_m(track)):
            fit = _track_weight(ground, number, along, offset, marks, points)
            if fit > MIN_WEIGHT / 2:
                for pattern in ground.shape_index.patterns_on[number]:
                    yield pattern, along, fit


def _track_weight(
    ground: NetworkIndex, number: int, along: float, offset: float, marks: Sequence[Fix], points: Sequence[XY]
) -> float:
    """How well the marks lead to a place on a track, beside leading nowhere.

    Followed back from the last one, of which the one before tells the direction; the bus may have come to the line at
    any of the earlier ones, so the best of these counts.
    """
    track = ground.shape_index.shapes[number]
    limit = offset_limit_m(track)
    totals = [offset_weight(offset, limit) - NO_TRIP_ANCHOR]
    for index in range(len(marks) - 2, -1, -1):
        (x, y), (next_x, next_y) = points[index], points[index + 1]
        moved_m = hypot(next_x - x, next_y - y)
        reach = MAX_SPEED_MS * (marks[index + 1].at - marks[index].at) + SEARCH_AHEAD_M
        before, off_m = track.nearest(
            (x, y), along - reach, along + SEARCH_BACK_M, along - moved_m, ALONG_PENALTY * limit
        )
        totals.append(
            totals[-1] + offset_weight(off_m, limit) - NO_TRIP_ANCHOR + progress_weight(along - before, moved_m, limit)
        )
        along = before
    return max(totals[1:], default=totals[0])


def _candidates_at(
    ground: NetworkIndex, pattern: int, along: float, at: float, claims: ReportedTrip, last: Hypothesis | None
) -> Iterator[tuple[float, Hypothesis]]:
    """The journeys that may be at a place then, with how likely each is before any movement is seen."""
    line = ground.network.patterns[pattern]
    if not line.stop_m[0] - OFFSET_LIMIT_M <= along <= line.stop_m[-1] + OFFSET_LIMIT_M:
        return
    bonus = SAME_ROUTE if last is not None and ground.pattern_of(last).route_id == line.route_id else 0.0
    journeys = ground.journey_search.scheduled_near(pattern, along, at, MAX_JOURNEYS)
    begun = ground.has_left_first_stop(pattern, along)
    by_headway = []
    for deviation_s, journey in journeys:
        seed = ground.journey_hypothesis(journey, along, at, claims)
        if not has_exact_times(journey.trip, journey.start_s):
            by_headway.append(seed)
            continue
        late_s = deviation_s if begun else max(0.0, deviation_s)
        yield bonus + deviation_weight(late_s) + _block_weight(ground, journey, last), seed
    if by_headway:  # no minute tells them apart: the one that is claimed, else the nearest
        yield bonus, max(by_headway, key=lambda seed: seed.report_weight)
    if not journeys:
        yield UNSCHEDULED + bonus, ground.unscheduled_hypothesis(pattern, along, at, claims, Stage.RUNNING)


def _block_weight(ground: NetworkIndex, journey: Journey, last: Hypothesis | None) -> float:
    before = ground.trip_of(last)
    same = before is not None and before.block_id != "" and before.block_id == journey.trip.block_id
    return SAME_BLOCK if same else 0.0
