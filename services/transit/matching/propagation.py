"""How each hypothesis fares with a report: along its line, waiting for its departure, or over."""

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
from services.transit.matching.vehicle_state import Hypothesis, Stage


def advance_hypotheses(
    ground: NetworkIndex, hypotheses: Iterable[Hypothesis], step: Observation
) -> Iterator[Hypothesis]:
    """Each hypothesis after a report. Only marks weigh; between them a bus is only followed along."""
    ways = list(hypotheses)
    waiting = max((one for one in ways if one.stage is Stage.WAITING), key=lambda one: one.total_weight, default=None)
    best_s = _overdue_s(waiting, step) if waiting is not None else 0.0
    for one in ways:
        after = replace(one, report_weight=ground.report_weight(one, step.reported))
        match one.stage:
            case Stage.RUNNING:
                yield (
                    _advance_at_anchor(ground, after, step)
                    if step.is_anchor
                    else _advance_between_anchors(ground, after, step)
                )
            case Stage.WAITING:
                # Each minute past a departure makes a later one likelier, but not that there is none.
                late_s = _overdue_s(one, step) - best_s
                yield _advance_waiting(
                    ground, replace(after, weight=one.weight - late_s / LATE_SCALE_S, last_seen_at=step.at), step
                )
            case Stage.ARRIVED | Stage.ENDED:
                weight = terminal_weight(step.xy, ground.last_stops[one.pattern]) if step.is_anchor else 0.0
                yield replace(after, weight=one.weight + weight, last_seen_at=step.at)
            case _:
                assert_never(one.stage)


def weigh_schedule(ground: NetworkIndex, hypotheses: Sequence[Hypothesis], step: Observation) -> list[Hypothesis]:
    """What the plan says for the running ones beside the likeliest: it tells journeys apart, not whether one is."""
    running = [one for one in hypotheses if one.stage is Stage.RUNNING]
    if len(running) < 2:
        return list(hypotheses)
    best = ground.schedule_weight(max(running, key=lambda one: one.total_weight), step.at)
    share = step.elapsed_s / DEVIATION_MEMORY_S
    return [
        replace(one, weight=one.weight + share * (ground.schedule_weight(one, step.at) - best))
        if one.stage is Stage.RUNNING
        else one
        for one in hypotheses
    ]


def _advance_between_anchors(ground: NetworkIndex, one: Hypothesis, step: Observation) -> Hypothesis:
    """Between marks a bus only advances."""
    track = ground.shape_of(one.pattern)
    limit, high = offset_limit_m(track), one.distance_m + MAX_SPEED_MS * (step.at - one.last_seen_at) + SEARCH_AHEAD_M
    along, offset = track.nearest(step.xy, one.distance_m, high, one.anchor_m + step.moved_m, ALONG_PENALTY * limit)
    return replace(one, distance_m=along, last_seen_at=step.at) if offset <= limit else one


def _advance_at_anchor(ground: NetworkIndex, one: Hypothesis, step: Observation) -> Hypothesis:
    track = ground.shape_of(one.pattern)
    limit, high = offset_limit_m(track), one.distance_m + MAX_SPEED_MS * (step.at - one.last_seen_at) + SEARCH_AHEAD_M
    expected = one.anchor_m + step.moved_m
    along, offset = track.nearest(step.xy, one.anchor_m - SEARCH_BACK_M, high, expected, ALONG_PENALTY * limit)
    weight = offset_weight(offset, limit)
    if offset <= limit and one.last_seen_at >= step.anchor.at:
        weight += progress_weight(along - one.anchor_m, step.moved_m, limit)
    back = terminal_weight(step.xy, ground.first_stops[one.pattern])
    if one.distance_m < ground.first_stop_m(one) + TERMINAL_RADIUS_M and back > weight:
        return _return_to_waiting(ground, replace(one, weight=one.weight + back), step)
    if offset > limit:
        return replace(one, weight=one.weight + weight)
    return replace(one, distance_m=along, anchor_m=along, last_seen_at=step.at, weight=one.weight + weight)


def _return_to_waiting(ground: NetworkIndex, one: Hypothesis, step: Observation) -> Hypothesis:
    """It had not left after all."""
    begin = ground.first_stop_m(one)
    return replace(one, stage=Stage.WAITING, distance_m=begin, anchor_m=begin, last_seen_at=step.at)


def _overdue_s(one: Hypothesis, step: Observation) -> float:
    """How much of the time since the last report lies past its planned departure."""
    return max(0.0, min(step.elapsed_s, step.at - one.start_at)) if one.trip_id else 0.0


def _advance_waiting(ground: NetworkIndex, one: Hypothesis, step: Observation) -> Hypothesis:
    """Before its departure a bus stands somewhere near its first stop, until it is seen leaving along its line."""
    if not step.is_anchor:
        return one
    track, begin = ground.shape_of(one.pattern), ground.first_stop_m(one)
    limit, high = offset_limit_m(track), begin + MAX_SPEED_MS * step.elapsed_s + SEARCH_AHEAD_M + TERMINAL_RADIUS_M
    along, offset = track.nearest(step.xy, begin - SEARCH_BACK_M, high, begin, ALONG_PENALTY * limit)
    gone = replace(one, stage=Stage.RUNNING, distance_m=along, anchor_m=along)
    due = step.at > one.start_at - EARLY_SCALE_S
    leaving = offset_weight(offset, limit) + (0.0 if due else max(MIN_WEIGHT, ground.schedule_weight(gone, step.at)))
    waiting = terminal_weight(step.xy, ground.first_stops[one.pattern])
    if along >= begin + ANCHOR_SPACING_M and offset <= limit and (due or leaving > waiting):
        return replace(gone, weight=one.weight + leaving)
    return replace(one, weight=one.weight + waiting)
