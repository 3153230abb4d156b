"""How each hypothesis fares with a report: along its line, waiting for its departure, or over."""

from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from msgspec.structs import replace

from services.transit.matching.likelihood import (
    AHEAD_M,
    BACK_M,
    EARLY_S,
    FASTEST_MS,
    FORGET_S,
    LATE_S,
    MARK_M,
    SLACK,
    TERMINAL_M,
    WORST,
    around,
    aside,
    misfit,
)
from services.transit.matching.network_index import NetworkIndex, Observation, limit_m
from services.transit.matching.vehicle_state import Hypothesis, Stage


def advance_hypotheses(
    ground: NetworkIndex, hypotheses: Iterable[Hypothesis], step: Observation
) -> Iterator[Hypothesis]:
    """Each hypothesis after a report. Only marks weigh; between them a bus is only followed along."""
    ways = list(hypotheses)
    waiting = max((one for one in ways if one.stage is Stage.WAITING), key=lambda one: one.total, default=None)
    best_s = _overdue_s(waiting, step) if waiting is not None else 0.0
    for one in ways:
        after = replace(one, claim=ground.claim(one, step.claims))
        match one.stage:
            case Stage.RUNNING:
                yield _ran(ground, after, step) if step.marked else _crept(ground, after, step)
            case Stage.WAITING:
                # Each minute past a departure makes a later one likelier, but not that there is none.
                late_s = _overdue_s(one, step) - best_s
                yield _waited(ground, replace(after, weight=one.weight - late_s / LATE_S, seen_at=step.at), step)
            case Stage.ARRIVED | Stage.ENDED:
                weight = around(step.here, ground.ends[one.pattern]) if step.marked else 0.0
                yield replace(after, weight=one.weight + weight, seen_at=step.at)
            case _:
                assert_never(one.stage)


def weigh_schedule(ground: NetworkIndex, hypotheses: Sequence[Hypothesis], step: Observation) -> list[Hypothesis]:
    """What the plan says for the running ones beside the likeliest: it tells journeys apart, not whether one is."""
    running = [one for one in hypotheses if one.stage is Stage.RUNNING]
    if len(running) < 2:
        return list(hypotheses)
    best = ground.planned(max(running, key=lambda one: one.total), step.at)
    share = step.since_s / FORGET_S
    return [
        replace(one, weight=one.weight + share * (ground.planned(one, step.at) - best))
        if one.stage is Stage.RUNNING
        else one
        for one in hypotheses
    ]


def _crept(ground: NetworkIndex, one: Hypothesis, step: Observation) -> Hypothesis:
    """Between marks a bus only advances."""
    track = ground.track(one.pattern)
    limit, high = limit_m(track), one.distance_m + FASTEST_MS * (step.at - one.seen_at) + AHEAD_M
    along, offset = track.nearest(step.here, one.distance_m, high, one.mark_m + step.moved_m, SLACK * limit)
    return replace(one, distance_m=along, seen_at=step.at) if offset <= limit else one


def _ran(ground: NetworkIndex, one: Hypothesis, step: Observation) -> Hypothesis:
    track = ground.track(one.pattern)
    limit, high = limit_m(track), one.distance_m + FASTEST_MS * (step.at - one.seen_at) + AHEAD_M
    expected = one.mark_m + step.moved_m
    along, offset = track.nearest(step.here, one.mark_m - BACK_M, high, expected, SLACK * limit)
    weight = aside(offset, limit)
    if offset <= limit and one.seen_at >= step.mark.at:
        weight += misfit(along - one.mark_m, step.moved_m, limit)
    back = around(step.here, ground.begins[one.pattern])
    if one.distance_m < ground.begin_m(one) + TERMINAL_M and back > weight:
        return _waiting(ground, replace(one, weight=one.weight + back), step)
    if offset > limit:
        return replace(one, weight=one.weight + weight)
    return replace(one, distance_m=along, mark_m=along, seen_at=step.at, weight=one.weight + weight)


def _waiting(ground: NetworkIndex, one: Hypothesis, step: Observation) -> Hypothesis:
    """It had not left after all."""
    begin = ground.begin_m(one)
    return replace(one, stage=Stage.WAITING, distance_m=begin, mark_m=begin, seen_at=step.at)


def _overdue_s(one: Hypothesis, step: Observation) -> float:
    """How much of the time since the last report lies past its planned departure."""
    return max(0.0, min(step.since_s, step.at - one.start_at)) if one.trip_id else 0.0


def _waited(ground: NetworkIndex, one: Hypothesis, step: Observation) -> Hypothesis:
    """Before its departure a bus stands somewhere near its first stop, until it is seen leaving along its line."""
    if not step.marked:
        return one
    track, begin = ground.track(one.pattern), ground.begin_m(one)
    limit, high = limit_m(track), begin + FASTEST_MS * step.since_s + AHEAD_M + TERMINAL_M
    along, offset = track.nearest(step.here, begin - BACK_M, high, begin, SLACK * limit)
    gone = replace(one, stage=Stage.RUNNING, distance_m=along, mark_m=along)
    due = step.at > one.start_at - EARLY_S
    leaving = aside(offset, limit) + (0.0 if due else max(WORST, ground.planned(gone, step.at)))
    waiting = around(step.here, ground.begins[one.pattern])
    if along >= begin + MARK_M and offset <= limit and (due or leaving > waiting):
        return replace(gone, weight=one.weight + leaving)
    return replace(one, weight=one.weight + waiting)
