"""The next trip of a vehicle that ends one: its block's next trip, or one soon to leave from the same terminal."""

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
from services.transit.matching.vehicle_state import Hypothesis, HypothesisKey, HypothesisStage

ARRIVED_M = 40.0
"""A journey has ended when its bus is this near to its last stop."""
WALKING_SPEED_MS = 1.4
"""A bus that stands near its last stop for longer than a walk there has arrived."""
DEPARTED_WITHIN_S, DEPARTS_WITHIN_S = 900.0, 2_700.0
"""A bus at a terminal may make the departures from this long ago to this far ahead."""


def mark_arrived(index: NetworkIndex, hypotheses: Iterable[Hypothesis], observation: Observation) -> list[Hypothesis]:
    """The hypotheses, with stage ARRIVED where the last stop is reached. The next report starts their next trips."""
    return [
        replace(
            hypothesis,
            stage=HypothesisStage.ARRIVED,
            distance_m=max(hypothesis.distance_m, index.last_stop_m(hypothesis)),
        )
        if hypothesis.stage is HypothesisStage.RUNNING and _has_arrived(index, hypothesis, observation)
        else hypothesis
        for hypothesis in hypotheses
    ]


def start_next_trips(
    index: NetworkIndex, hypotheses: Sequence[Hypothesis], observation: Observation
) -> Iterable[Hypothesis]:
    """The hypotheses, with the journeys that may follow those just arrived. They share the weight of the ended one."""
    arrived = [hypothesis for hypothesis in hypotheses if hypothesis.stage is HypothesisStage.ARRIVED]
    if not arrived:
        return hypotheses
    by_key: dict[HypothesisKey, Hypothesis] = {hypothesis.key: hypothesis for hypothesis in hypotheses}
    for hypothesis in arrived:
        successors = _successors(index, hypothesis, observation)
        weight = _not_begun_weight(index, hypothesis) if successors else 0.0
        ended = replace(hypothesis, stage=HypothesisStage.ENDED, weight=weight)
        total = log_sum([alternative.total_weight for alternative in (ended, *successors)])
        share = hypothesis.total_weight - total
        by_key[hypothesis.key] = replace(ended, weight=ended.weight + share)
        for successor in successors:
            _merge_hypothesis(by_key, replace(successor, weight=successor.weight + share))
    return by_key.values()


def _merge_hypothesis(by_key: dict[HypothesisKey, Hypothesis], added: Hypothesis) -> None:
    """Add a hypothesis. Likelihoods of the same journey add up, as long as it has not begun."""
    existing = by_key.get(added.key)
    if existing is None:
        by_key[added.key] = added
    elif existing.stage is HypothesisStage.WAITING:
        by_key[added.key] = replace(existing, weight=log_sum([existing.weight, added.weight]))


def _has_arrived(index: NetworkIndex, hypothesis: Hypothesis, observation: Observation) -> bool:
    left_m = index.last_stop_m(hypothesis) - hypothesis.distance_m
    return left_m <= ARRIVED_M or left_m <= min(TERMINAL_RADIUS_M, WALKING_SPEED_MS * observation.stationary_s)


def _successors(index: NetworkIndex, ended: Hypothesis, observation: Observation) -> list[Hypothesis]:
    """The journeys that a bus may make next. Their weights are the logarithms of their shares."""
    found = _departures(index, ended, observation)
    in_block = _next_of_block(index, ended)
    if in_block is not None:
        found[in_block.key] = (SAME_BLOCK, in_block)
    best = sorted(found.values(), key=lambda pair: pair[0], reverse=True)[:MAX_JOURNEYS]
    if not best:
        return _unscheduled_successors(index, ended, observation)
    total = log_sum([prior for prior, _ in best])
    at, reported = observation.at, observation.reported
    return [
        replace(
            index.journey_hypothesis(journey, 0.0, at, reported), stage=HypothesisStage.WAITING, weight=prior - total
        )
        for prior, journey in best
    ]


def _departures(
    index: NetworkIndex, ended: Hypothesis, observation: Observation
) -> dict[tuple[str, str, int], tuple[float, Journey]]:
    """Journeys soon to leave, or just missed, from where one ended, by key with their priors; the same route first."""
    found = {}
    route_id, at = index.pattern_of(ended).route_id, observation.at
    for pattern in index.next_patterns(ended.pattern):
        route_weight = SAME_ROUTE if index.network.patterns[pattern].route_id == route_id else 0.0
        for journey in index.journey_search.starting_between(pattern, at - DEPARTED_WITHIN_S, at + DEPARTS_WITHIN_S):
            late_s = at - journey.start_at
            wait_weight = late_s / LATE_SCALE_S if late_s > 0 else -late_s / DEVIATION_MEMORY_S
            found[journey.key] = (route_weight - wait_weight, journey)
    return found


def _unscheduled_successors(index: NetworkIndex, ended: Hypothesis, observation: Observation) -> list[Hypothesis]:
    """Where nothing is scheduled, a bus goes on along the patterns of its route that begin where it stands."""
    route_id = index.pattern_of(ended).route_id
    patterns = [index.network.patterns[number] for number in index.next_patterns(ended.pattern)]
    own = [pattern for pattern in patterns if pattern.route_id == route_id][:MAX_JOURNEYS]
    at, reported = observation.at, observation.reported
    return [
        replace(
            index.unscheduled_hypothesis(pattern.index, pattern.stop_m[0], at, reported, HypothesisStage.WAITING),
            weight=-log(len(own)),
        )
        for pattern in own
    ]


def _not_begun_weight(index: NetworkIndex, ended: Hypothesis) -> float:
    """Weight of no next journey having begun yet. Where its block ends, the vehicle's work most likely ends too."""
    trip = index.trip_of(ended)
    return SAME_BLOCK if trip is not None and trip.block_id and _next_of_block(index, ended) is None else NEXT_NOT_BEGUN


def _next_of_block(index: NetworkIndex, ended: Hypothesis) -> Journey | None:
    trip = index.trip_of(ended)
    if trip is None or not trip.block_id:
        return None
    for day, day_start in index.journey_search.service_days(ended.start_at):
        if f"{day:%Y%m%d}" != ended.service_date:
            continue
        _, running = index.network.service_day(day)
        for later in index.network.trips_by_block[trip.block_id]:
            if later.start_s > trip.start_s and later.service_id in running:
                return Journey(later, day, later.start_s, day_start + later.start_s, bool(later.frequencies))
    return None
