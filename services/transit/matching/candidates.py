"""Candidate journeys of a vehicle: those its last positions may belong to, the reported one, and alternatives."""

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
from services.transit.matching.vehicle_state import AnchorPosition, Hypothesis, HypothesisStage
from services.transit.model.journey_search import MAX_EARLY_S, has_exact_times

MAX_HYPOTHESES = 12
"""How many hypotheses of one vehicle are kept."""


def initial_candidates(
    index: NetworkIndex, anchors: Sequence[AnchorPosition], reported: ReportedTrip, last_journey: Hypothesis | None
) -> list[Hypothesis]:
    """The MAX_HYPOTHESES likeliest journeys that the last anchors may belong to, weighed against making no trip.

    Reported routes are tried first, others only where the vehicle is on none of those.
    """
    points = [index.xy(anchor) for anchor in anchors]
    near = index.shape_index.segments_near(points[-1], index.search_radius_m)
    on_reported = {
        number: near.pop(number) for number in tuple(near) if _serves_reported_route(index, number, reported)
    }
    places = list(_candidate_places(index, on_reported, anchors, points))
    if not any(track_weight > 0.0 for _, _, track_weight in places):
        places += _candidate_places(index, near, anchors, points)
    found = [
        (prior, replace(candidate, weight=prior + track_weight))
        for pattern, distance_m, track_weight in places
        for prior, candidate in _candidates_at(index, pattern, distance_m, anchors[-1].at, reported, last_journey)
    ]
    if not found:
        return []
    total = log_sum([prior for prior, _ in found])
    weighted = [replace(candidate, weight=candidate.weight - total) for _, candidate in found]
    return sorted(weighted, key=lambda candidate: candidate.total_weight, reverse=True)[:MAX_HYPOTHESES]


def reported_candidates(
    index: NetworkIndex,
    hypotheses: Sequence[Hypothesis],
    observation: Observation,
    best_weight: float,
    *,
    newly_reported: bool,
) -> Iterator[Hypothesis]:
    """The reported journey, where no hypothesis is about its trip and the vehicle may be making it.

    `best_weight`: that of the best hypothesis. A newly reported journey is as likely as the best without the report,
    and the report's weight comes on top. One that was dropped before has to win back its place.
    """
    reported, at, xy = observation.reported, observation.at, observation.xy
    trip = index.network.trips.get(reported.trip_id)
    if trip is None or any(hypothesis.trip_id == trip.id for hypothesis in hypotheses):
        return
    journey = index.journey_search.reported_journey(trip, at, reported.service_date, reported.start_s)
    if journey is None:
        return
    at_start = index.journey_hypothesis(journey, 0.0, at, reported)
    weight = best_weight if newly_reported else best_weight - at_start.report_weight + ENTER_TRIP
    near_terminal = terminal_weight(xy, index.first_stops[trip.pattern]) == AT_TERMINAL
    if near_terminal and at < journey.start_at + LATE_SCALE_S:
        yield replace(at_start, stage=HypothesisStage.WAITING, weight=weight)
        return
    shape, number = index.shape_of(trip.pattern), index.shape_index.shape_numbers[trip.pattern]
    segments = index.shape_index.segments_near(xy, index.search_radius_m).get(number, ())
    for distance_m, offset_m in shape.passes(xy, segments, offset_limit_m(shape)):
        late_s = index.journey_search.deviation_s(trip.pattern, trip, journey.start_at, distance_m, at)
        if has_exact_times(trip, journey.start_s) and late_s < -MAX_EARLY_S:
            continue  # a console that is set to a later journey
        running = index.journey_hypothesis(journey, distance_m, at, reported)
        yield replace(running, weight=weight + offset_weight(offset_m, offset_limit_m(shape)))


def alternative_candidates(
    index: NetworkIndex, hypotheses: Sequence[Hypothesis], observation: Observation
) -> Iterator[Hypothesis]:
    """Journeys nearer to their schedule, where the best hypothesis is so early or late that it is unlikely."""
    best = max(hypotheses, key=lambda hypothesis: hypothesis.total_weight, default=None)
    if best is None or best.stage is not HypothesisStage.RUNNING:
        return
    schedule_weight = index.schedule_weight(best, observation.at)
    if schedule_weight > UNLIKELY_DEVIATION:
        return
    known = {hypothesis.key for hypothesis in hypotheses}
    for late_s, journey in index.journey_search.scheduled_near(
        best.pattern, best.distance_m, observation.at, MAX_JOURNEYS
    ):
        candidate = index.journey_hypothesis(journey, best.distance_m, observation.at, observation.reported)
        if candidate.key not in known and deviation_weight(late_s) > schedule_weight:
            yield replace(candidate, weight=best.total_weight + SWITCH_TRIP)


def _serves_reported_route(index: NetworkIndex, shape_number: int, reported: ReportedTrip) -> bool:
    patterns = index.network.patterns
    return any(
        patterns[number].route_id in reported.route_ids for number in index.shape_index.patterns_on[shape_number]
    )


def _candidate_places(
    index: NetworkIndex, near: Mapping[int, Sequence[int]], anchors: Sequence[AnchorPosition], points: Sequence[XY]
) -> Iterator[tuple[int, float, float]]:
    """Where the last anchor may lie: (pattern, distance along its shape, weight of the anchors on it).

    `near`: segments to try by the number of their shape. `points`: the anchors on the plane.
    """
    for shape_number, segments in near.items():
        shape = index.shape_index.shapes[shape_number]
        for distance_m, offset_m in shape.passes(points[-1], segments, offset_limit_m(shape)):
            track_weight = _track_weight(index, shape_number, distance_m, offset_m, anchors, points)
            if track_weight > MIN_WEIGHT / 2:
                for pattern in index.shape_index.patterns_on[shape_number]:
                    yield pattern, distance_m, track_weight


def _track_weight(
    index: NetworkIndex,
    shape_number: int,
    distance_m: float,
    offset_m: float,
    anchors: Sequence[AnchorPosition],
    points: Sequence[XY],
) -> float:
    """Weight of the anchors leading along a shape to a distance on it, against making no trip.

    The anchors are followed back from the last. The one before it shows the direction. The bus may have joined the
    shape at any earlier anchor, so the best of these counts.
    """
    shape = index.shape_index.shapes[shape_number]
    limit_m = offset_limit_m(shape)
    totals = [offset_weight(offset_m, limit_m) - NO_TRIP_ANCHOR]
    for number in range(len(anchors) - 2, -1, -1):
        (x, y), (next_x, next_y) = points[number], points[number + 1]
        moved_m = hypot(next_x - x, next_y - y)
        reach_m = MAX_SPEED_MS * (anchors[number + 1].at - anchors[number].at) + SEARCH_AHEAD_M
        before_m, offset_m = shape.nearest(
            (x, y), distance_m - reach_m, distance_m + SEARCH_BACK_M, distance_m - moved_m, ALONG_PENALTY * limit_m
        )
        progress = progress_weight(distance_m - before_m, moved_m, limit_m)
        totals.append(totals[-1] + offset_weight(offset_m, limit_m) - NO_TRIP_ANCHOR + progress)
        distance_m = before_m
    return max(totals[1:], default=totals[0])


def _candidates_at(
    index: NetworkIndex,
    pattern_index: int,
    distance_m: float,
    at: float,
    reported: ReportedTrip,
    last_journey: Hypothesis | None,
) -> Iterator[tuple[float, Hypothesis]]:
    """The journeys that may be at a place then, each with its prior log-weight, before any movement is seen."""
    pattern = index.network.patterns[pattern_index]
    if not pattern.stop_m[0] - OFFSET_LIMIT_M <= distance_m <= pattern.stop_m[-1] + OFFSET_LIMIT_M:
        return
    same_route = last_journey is not None and index.pattern_of(last_journey).route_id == pattern.route_id
    route_weight = SAME_ROUTE if same_route else 0.0
    journeys = index.journey_search.scheduled_near(pattern_index, distance_m, at, MAX_JOURNEYS)
    running = index.has_left_first_stop(pattern_index, distance_m)
    by_headway = []
    for deviation_s, journey in journeys:
        candidate = index.journey_hypothesis(journey, distance_m, at, reported)
        if not has_exact_times(journey.trip, journey.start_s):
            by_headway.append(candidate)
            continue
        late_s = deviation_s if running else max(0.0, deviation_s)
        yield route_weight + deviation_weight(late_s) + _block_weight(index, journey, last_journey), candidate
    if by_headway:  # no exact time tells them apart: the reported one, else the nearest
        yield route_weight, max(by_headway, key=lambda candidate: candidate.report_weight)
    if not journeys:
        unscheduled = index.unscheduled_hypothesis(pattern_index, distance_m, at, reported, HypothesisStage.RUNNING)
        yield UNSCHEDULED + route_weight, unscheduled


def _block_weight(index: NetworkIndex, journey: Journey, last_journey: Hypothesis | None) -> float:
    last_trip = index.trip_of(last_journey)
    same = last_trip is not None and last_trip.block_id != "" and last_trip.block_id == journey.trip.block_id
    return SAME_BLOCK if same else 0.0
