"""Propagation of hypotheses from one report to the next: running along the shape, waiting to depart, or ended."""

from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from msgspec.structs import replace

from services.transit.matching.likelihood import (
    ALONG_PENALTY,
    ANCHOR_SPACING_M,
    DEVIATION_MEMORY_S,
    EARLY_SCALE_S,
    LATE_SCALE_S,
    MAX_SPEED_MS,
    MIN_WEIGHT,
    SEARCH_AHEAD_M,
    SEARCH_BACK_M,
    TERMINAL_RADIUS_M,
    offset_weight,
    progress_weight,
    terminal_weight,
)
from services.transit.matching.network_index import NetworkIndex, Observation, offset_limit_m
from services.transit.matching.vehicle_state import Hypothesis, HypothesisStage


def advance_hypotheses(
    index: NetworkIndex, hypotheses: Iterable[Hypothesis], observation: Observation
) -> Iterator[Hypothesis]:
    """Each hypothesis after a report. Only anchors change weights of positions; between them a bus only advances."""
    before = list(hypotheses)
    waiting = (hypothesis for hypothesis in before if hypothesis.stage is HypothesisStage.WAITING)
    best_waiting = max(waiting, key=lambda hypothesis: hypothesis.total_weight, default=None)
    best_overdue_s = _overdue_s(best_waiting, observation) if best_waiting is not None else 0.0
    for hypothesis in before:
        weight, at = hypothesis.weight, observation.at
        after = replace(hypothesis, report_weight=index.report_weight(hypothesis, observation.reported))
        match hypothesis.stage:
            case HypothesisStage.RUNNING:
                advance = _advance_at_anchor if observation.is_anchor else _advance_between_anchors
                yield advance(index, after, observation)
            case HypothesisStage.WAITING:
                # Each minute past a departure makes a later one likelier, but not that there is none.
                late_s = _overdue_s(hypothesis, observation) - best_overdue_s
                after = replace(after, weight=weight - late_s / LATE_SCALE_S, last_seen_at=at)
                yield _advance_waiting(index, after, observation)
            case HypothesisStage.ARRIVED | HypothesisStage.ENDED:
                terminal = index.last_stops[hypothesis.pattern]
                weight += terminal_weight(observation.xy, terminal) if observation.is_anchor else 0.0
                yield replace(after, weight=weight, last_seen_at=at)
            case _:
                assert_never(hypothesis.stage)


def weigh_schedule(index: NetworkIndex, hypotheses: Sequence[Hypothesis], observation: Observation) -> list[Hypothesis]:
    """Hypotheses with the weights of their schedule deviations, relative to the best running one's.

    The schedule tells journeys apart; it does not tell whether the vehicle makes any.
    """
    running = [hypothesis for hypothesis in hypotheses if hypothesis.stage is HypothesisStage.RUNNING]
    if len(running) < 2:
        return list(hypotheses)
    best = max(running, key=lambda hypothesis: hypothesis.total_weight)
    best_weight = index.schedule_weight(best, observation.at)
    share = observation.elapsed_s / DEVIATION_MEMORY_S
    return [
        replace(
            hypothesis,
            weight=hypothesis.weight + share * (index.schedule_weight(hypothesis, observation.at) - best_weight),
        )
        if hypothesis.stage is HypothesisStage.RUNNING
        else hypothesis
        for hypothesis in hypotheses
    ]


def _advance_between_anchors(index: NetworkIndex, hypothesis: Hypothesis, observation: Observation) -> Hypothesis:
    """The bus only moves forward, and no weight changes."""
    shape = index.shape_of(hypothesis.pattern)
    limit_m, elapsed_s = offset_limit_m(shape), observation.at - hypothesis.last_seen_at
    high_m = hypothesis.distance_m + MAX_SPEED_MS * elapsed_s + SEARCH_AHEAD_M
    expected_m = hypothesis.anchor_m + observation.moved_m
    distance_m, offset_m = shape.nearest(
        observation.xy, hypothesis.distance_m, high_m, expected_m, ALONG_PENALTY * limit_m
    )
    return (
        replace(hypothesis, distance_m=distance_m, last_seen_at=observation.at) if offset_m <= limit_m else hypothesis
    )


def _advance_at_anchor(index: NetworkIndex, hypothesis: Hypothesis, observation: Observation) -> Hypothesis:
    """The anchor's offset and the progress since the last anchor are weighed."""
    shape = index.shape_of(hypothesis.pattern)
    limit_m, elapsed_s = offset_limit_m(shape), observation.at - hypothesis.last_seen_at
    high_m = hypothesis.distance_m + MAX_SPEED_MS * elapsed_s + SEARCH_AHEAD_M
    expected_m = hypothesis.anchor_m + observation.moved_m
    low_m = hypothesis.anchor_m - SEARCH_BACK_M
    distance_m, offset_m = shape.nearest(observation.xy, low_m, high_m, expected_m, ALONG_PENALTY * limit_m)
    weight = offset_weight(offset_m, limit_m)
    if offset_m <= limit_m and hypothesis.last_seen_at >= observation.anchor.at:
        weight += progress_weight(distance_m - hypothesis.anchor_m, observation.moved_m, limit_m)
    waiting_weight = terminal_weight(observation.xy, index.first_stops[hypothesis.pattern])
    if hypothesis.distance_m < index.first_stop_m(hypothesis) + TERMINAL_RADIUS_M and waiting_weight > weight:
        return _return_to_waiting(index, replace(hypothesis, weight=hypothesis.weight + waiting_weight), observation)
    weight += hypothesis.weight
    if offset_m > limit_m:
        return replace(hypothesis, weight=weight)
    return replace(hypothesis, distance_m=distance_m, anchor_m=distance_m, last_seen_at=observation.at, weight=weight)


def _return_to_waiting(index: NetworkIndex, hypothesis: Hypothesis, observation: Observation) -> Hypothesis:
    """The bus had not departed: it is put back to the first stop."""
    begin_m = index.first_stop_m(hypothesis)
    return replace(
        hypothesis, stage=HypothesisStage.WAITING, distance_m=begin_m, anchor_m=begin_m, last_seen_at=observation.at
    )


def _overdue_s(hypothesis: Hypothesis, observation: Observation) -> float:
    """How much of the time since the last report lies after the scheduled departure."""
    if not hypothesis.trip_id:
        return 0.0
    return max(0.0, min(observation.elapsed_s, observation.at - hypothesis.start_at))


def _advance_waiting(index: NetworkIndex, hypothesis: Hypothesis, observation: Observation) -> Hypothesis:
    """The bus stands near its first stop, until it is seen leaving along its shape."""
    if not observation.is_anchor:
        return hypothesis
    shape, begin_m = index.shape_of(hypothesis.pattern), index.first_stop_m(hypothesis)
    limit_m = offset_limit_m(shape)
    high_m = begin_m + MAX_SPEED_MS * observation.elapsed_s + SEARCH_AHEAD_M + TERMINAL_RADIUS_M
    distance_m, offset_m = shape.nearest(
        observation.xy, begin_m - SEARCH_BACK_M, high_m, begin_m, ALONG_PENALTY * limit_m
    )
    running = replace(hypothesis, stage=HypothesisStage.RUNNING, distance_m=distance_m, anchor_m=distance_m)
    due = observation.at > hypothesis.start_at - EARLY_SCALE_S
    early_weight = 0.0 if due else max(MIN_WEIGHT, index.schedule_weight(running, observation.at))
    running_weight = offset_weight(offset_m, limit_m) + early_weight
    waiting_weight = terminal_weight(observation.xy, index.first_stops[hypothesis.pattern])
    along = distance_m >= begin_m + ANCHOR_SPACING_M and offset_m <= limit_m
    if along and (due or running_weight > waiting_weight):
        return replace(running, weight=hypothesis.weight + running_weight)
    return replace(hypothesis, weight=hypothesis.weight + waiting_weight)
