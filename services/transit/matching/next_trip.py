"""Where one journey ends another begins: its block's next one, or one soon to leave from there."""

from collections.abc import Iterable, Sequence
from math import log

from msgspec.structs import replace

from models.network import Journey
from services.transit.matching.likelihood import FORGET_S, LATE_S, SAME_BLOCK, SAME_ROUTE, STAYS, TERMINAL_M, together
from services.transit.matching.network_index import MOST_JOURNEYS, NetworkIndex, Observation
from services.transit.matching.vehicle_state import Hypothesis, Key, Stage

END_M = 40.0
"""So near its last stop a journey has ended."""
WALK_MS = 1.4
"""A bus that stands near its last stop for longer than a walk there has arrived."""
BEFORE_S, AFTER_S = 900.0, 2_700.0
"""From how long before to how long after a bus comes to a terminal the departures are that it may make."""


def mark_arrived(ground: NetworkIndex, hypotheses: Iterable[Hypothesis], step: Observation) -> list[Hypothesis]:
    """Journeys that have reached their last stop; what follows is thought of with the next report."""
    return [
        replace(one, stage=Stage.ARRIVED, distance_m=max(one.distance_m, ground.end_m(one)))
        if one.stage is Stage.RUNNING and _at_end(ground, one, step)
        else one
        for one in hypotheses
    ]


def start_next_trips(ground: NetworkIndex, hypotheses: Sequence[Hypothesis], step: Observation) -> Iterable[Hypothesis]:
    """With the journeys that may follow those just ended. They share its weight, as far as the claims allow."""
    ended = [one for one in hypotheses if one.stage is Stage.ARRIVED]
    if not ended:
        return hypotheses
    all_of_them: dict[Key, Hypothesis] = {one.key: one for one in hypotheses}
    for one in ended:
        successors = _successors(ground, one, step)
        over = replace(one, stage=Stage.ENDED, weight=_stays(ground, one) if successors else 0.0)
        share = one.total - together([way.total for way in (over, *successors)])
        all_of_them[one.key] = replace(over, weight=over.weight + share)
        for way in successors:
            _add(all_of_them, replace(way, weight=way.weight + share))
    return all_of_them.values()


def _add(hypotheses: dict[Key, Hypothesis], other: Hypothesis) -> None:
    """Two ways to one journey add up, as long as it has not begun."""
    known = hypotheses.get(other.key)
    if known is None:
        hypotheses[other.key] = other
    elif known.stage is Stage.WAITING:
        hypotheses[other.key] = replace(known, weight=together([known.weight, other.weight]))


def _at_end(ground: NetworkIndex, one: Hypothesis, step: Observation) -> bool:
    left_m = ground.end_m(one) - one.distance_m
    return left_m <= END_M or left_m <= min(TERMINAL_M, WALK_MS * step.still_s)


def _successors(ground: NetworkIndex, one: Hypothesis, step: Observation) -> list[Hypothesis]:
    """The journeys a bus may make next, with their shares as weights."""
    found = _departures(ground, one, step)
    block = _next_of_block(ground, one)
    if block is not None:
        found[block.key] = (SAME_BLOCK, block)
    best = sorted(found.values(), key=lambda pair: pair[0], reverse=True)[:MOST_JOURNEYS]
    if not best:
        return _unplanned(ground, one, step)
    total = together([prior for prior, _ in best])
    return [
        replace(ground.thought(journey, 0.0, step.at, step.claims), stage=Stage.WAITING, weight=prior - total)
        for prior, journey in best
    ]


def _departures(
    ground: NetworkIndex, one: Hypothesis, step: Observation
) -> dict[tuple[str, str, int], tuple[float, Journey]]:
    """Those soon to leave, or just missed, from where it ended; its own line's rather than another's."""
    found = {}
    route_id = ground.pattern(one).route_id
    for pattern in ground.following(one.pattern):
        bonus = SAME_ROUTE if ground.network.patterns[pattern].route_id == route_id else 0.0
        for journey in ground.journeys.starting(pattern, step.at - BEFORE_S, step.at + AFTER_S):
            late_s = step.at - journey.start_at
            found[journey.key] = (bonus - (late_s / LATE_S if late_s > 0 else -late_s / FORGET_S), journey)
    return found


def _unplanned(ground: NetworkIndex, one: Hypothesis, step: Observation) -> list[Hypothesis]:
    """Where the timetable plans nothing, a bus goes on along the lines of its route that begin where it stands."""
    route_id = ground.pattern(one).route_id
    lines = [ground.network.patterns[pattern] for pattern in ground.following(one.pattern)]
    own = [line for line in lines if line.route_id == route_id][:MOST_JOURNEYS]
    return [
        replace(
            ground.unplanned(line.index, line.stop_m[0], step.at, step.claims, Stage.WAITING), weight=-log(len(own))
        )
        for line in own
    ]


def _stays(ground: NetworkIndex, one: Hypothesis) -> float:
    """How likely nothing has begun yet beside all that may: where its block ends, so does its work."""
    trip = ground.trip(one)
    return SAME_BLOCK if trip is not None and trip.block_id and _next_of_block(ground, one) is None else STAYS


def _next_of_block(ground: NetworkIndex, one: Hypothesis) -> Journey | None:
    trip = ground.trip(one)
    if trip is None or not trip.block_id:
        return None
    for day, zero in ground.journeys.days(one.start_at):
        if f"{day:%Y%m%d}" != one.service_date:
            continue
        _, running = ground.network.day(day)
        for later in ground.network.blocks[trip.block_id]:
            if later.start_s > trip.start_s and later.service_id in running:
                return Journey(later, day, later.start_s, zero + later.start_s, bool(later.frequencies))
    return None
