"""Where one journey ends another begins: its block's next one, or one soon to leave from there."""

from collections.abc import Iterable, Sequence
from math import log

from msgspec.structs import replace

from models.network import Journey
from services.transit.matching.likelihood import (
    DEVIATION_MEMORY_S,
    LATE_SCALE_S,
    NEXT_NOT_BEGUN,
    SAME_BLOCK,
    SAME_ROUTE,
    TERMINAL_RADIUS_M,
    log_sum,
)
from services.transit.matching.network_index import MAX_JOURNEYS, NetworkIndex, Observation
from services.transit.matching.vehicle_state import Hypothesis, HypothesisKey, Stage

ARRIVED_M = 40.0
"""So near its last stop a journey has ended."""
WALKING_SPEED_MS = 1.4
"""A bus that stands near its last stop for longer than a walk there has arrived."""
DEPARTED_WITHIN_S, DEPARTS_WITHIN_S = 900.0, 2_700.0
"""From how long before to how long after a bus comes to a terminal the departures are that it may make."""


def mark_arrived(ground: NetworkIndex, hypotheses: Iterable[Hypothesis], step: Observation) -> list[Hypothesis]:
    """Journeys that have reached their last stop; what follows is thought of with the next report."""
    return [
        replace(one, stage=Stage.ARRIVED, distance_m=max(one.distance_m, ground.last_stop_m(one)))
        if one.stage is Stage.RUNNING and _at_end(ground, one, step)
        else one
        for one in hypotheses
    ]


def start_next_trips(ground: NetworkIndex, hypotheses: Sequence[Hypothesis], step: Observation) -> Iterable[Hypothesis]:
    """With the journeys that may follow those just ended. They share its weight, as far as the claims allow."""
    ended = [one for one in hypotheses if one.stage is Stage.ARRIVED]
    if not ended:
        return hypotheses
    all_of_them: dict[HypothesisKey, Hypothesis] = {one.key: one for one in hypotheses}
    for one in ended:
        successors = _successors(ground, one, step)
        over = replace(one, stage=Stage.ENDED, weight=_not_begun_weight(ground, one) if successors else 0.0)
        share = one.total_weight - log_sum([way.total_weight for way in (over, *successors)])
        all_of_them[one.key] = replace(over, weight=over.weight + share)
        for way in successors:
            _merge_hypothesis(all_of_them, replace(way, weight=way.weight + share))
    return all_of_them.values()


def _merge_hypothesis(hypotheses: dict[HypothesisKey, Hypothesis], other: Hypothesis) -> None:
    """Two ways to one journey add up, as long as it has not begun."""
    known = hypotheses.get(other.key)
    if known is None:
        hypotheses[other.key] = other
    elif known.stage is Stage.WAITING:
        hypotheses[other.key] = replace(known, weight=log_sum([known.weight, other.weight]))


def _at_end(ground: NetworkIndex, one: Hypothesis, step: Observation) -> bool:
    left_m = ground.last_stop_m(one) - one.distance_m
    return left_m <= ARRIVED_M or left_m <= min(TERMINAL_RADIUS_M, WALKING_SPEED_MS * step.stationary_s)


def _successors(ground: NetworkIndex, one: Hypothesis, step: Observation) -> list[Hypothesis]:
    """The journeys a bus may make next, with their shares as weights."""
    found = _departures(ground, one, step)
    block = _next_of_block(ground, one)
    if block is not None:
        found[block.key] = (SAME_BLOCK, block)
    best = sorted(found.values(), key=lambda pair: pair[0], reverse=True)[:MAX_JOURNEYS]
    if not best:
        return _unscheduled_successors(ground, one, step)
    total = log_sum([prior for prior, _ in best])
    return [
        replace(
            ground.journey_hypothesis(journey, 0.0, step.at, step.reported), stage=Stage.WAITING, weight=prior - total
        )
        for prior, journey in best
    ]


def _departures(
    ground: NetworkIndex, one: Hypothesis, step: Observation
) -> dict[tuple[str, str, int], tuple[float, Journey]]:
    """Those soon to leave, or just missed, from where it ended; its own line's rather than another's."""
    found = {}
    route_id = ground.pattern_of(one).route_id
    for pattern in ground.next_patterns(one.pattern):
        bonus = SAME_ROUTE if ground.network.patterns[pattern].route_id == route_id else 0.0
        for journey in ground.journey_search.starting_between(
            pattern, step.at - DEPARTED_WITHIN_S, step.at + DEPARTS_WITHIN_S
        ):
            late_s = step.at - journey.start_at
            found[journey.key] = (
                bonus - (late_s / LATE_SCALE_S if late_s > 0 else -late_s / DEVIATION_MEMORY_S),
                journey,
            )
    return found


def _unscheduled_successors(ground: NetworkIndex, one: Hypothesis, step: Observation) -> list[Hypothesis]:
    """Where the timetable plans nothing, a bus goes on along the lines of its route that begin where it stands."""
    route_id = ground.pattern_of(one).route_id
    lines = [ground.network.patterns[pattern] for pattern in ground.next_patterns(one.pattern)]
    own = [line for line in lines if line.route_id == route_id][:MAX_JOURNEYS]
    return [
        replace(
            ground.unscheduled_hypothesis(line.index, line.stop_m[0], step.at, step.reported, Stage.WAITING),
            weight=-log(len(own)),
        )
        for line in own
    ]


def _not_begun_weight(ground: NetworkIndex, one: Hypothesis) -> float:
    """How likely nothing has begun yet beside all that may: where its block ends, so does its work."""
    trip = ground.trip_of(one)
    return SAME_BLOCK if trip is not None and trip.block_id and _next_of_block(ground, one) is None else NEXT_NOT_BEGUN


def _next_of_block(ground: NetworkIndex, one: Hypothesis) -> Journey | None:
    trip = ground.trip_of(one)
    if trip is None or not trip.block_id:
        return None
    for day, zero in ground.journey_search.service_days(one.start_at):
        if f"{day:%Y%m%d}" != one.service_date:
            continue
        _, running = ground.network.service_day(day)
        for later in ground.network.trips_by_block[trip.block_id]:
            if later.start_s > trip.start_s and later.service_id in running:
                return Journey(later, day, later.start_s, zero + later.start_s, bool(later.frequencies))
    return None
