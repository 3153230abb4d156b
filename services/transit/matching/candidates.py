"""Which journeys a vehicle may be making of which little or nothing is known: by where its last positions lead."""

from collections.abc import Iterator, Mapping, Sequence
from math import hypot

from msgspec.structs import replace

from models.network import Journey
from services.transit.matching.likelihood import (
    AHEAD_M,
    BACK_M,
    ENTER,
    FASTEST_MS,
    LATE_S,
    LIMIT_M,
    OFF,
    RESTLESS,
    SAME_BLOCK,
    SAME_ROUTE,
    SLACK,
    STRANGE,
    SWAP,
    UNPLANNED,
    WORST,
    around,
    aside,
    deviating,
    misfit,
    together,
)
from services.transit.matching.network_index import MOST_JOURNEYS, NetworkIndex, Observation, limit_m
from services.transit.matching.reported_trip import ReportedTrip
from services.transit.matching.spatial_index import XY
from services.transit.matching.vehicle_state import Fix, Hypothesis, Stage
from services.transit.model.journey_search import EARLIEST_S, has_schedule

MOST = 12
"""How many hypotheses are kept of one vehicle."""


def initial_candidates(
    ground: NetworkIndex, marks: Sequence[Fix], claims: ReportedTrip, last: Hypothesis | None
) -> list[Hypothesis]:
    """The journeys its last positions may belong to, weighed against making none; the likeliest MOST.

    Lines it claims are looked at first, and others only where it is on none of those.
    """
    points = [ground.xy(mark) for mark in marks]
    near = ground.grid.near(points[-1], ground.reach_m)
    claimed = {number: near.pop(number) for number in tuple(near) if _serves(ground, number, claims)}
    places = list(_places(ground, claimed, marks, points))
    if not any(fit > 0.0 for _, _, fit in places):
        places += _places(ground, near, marks, points)
    found = [
        (prior, replace(seed, weight=prior + fit))
        for pattern, along, fit in places
        for prior, seed in _seeds_at(ground, pattern, along, marks[-1].at, claims, last)
    ]
    if not found:
        return []
    total = together([prior for prior, _ in found])
    weighed = [replace(seed, weight=seed.weight - total) for _, seed in found]
    return sorted(weighed, key=lambda seed: seed.total, reverse=True)[:MOST]


def reported_candidates(
    ground: NetworkIndex, hypotheses: Sequence[Hypothesis], step: Observation, total: float, *, news: bool
) -> Iterator[Hypothesis]:
    """The journey the vehicle claims, where none of the hypotheses is it and it may be. `total`: the likeliest's.

    A new claim is news: without it that journey is as likely as the likeliest, and the claim comes on top. One that was
    weighed before and dropped has to win back its place.
    """
    trip = ground.network.trips.get(step.claims.trip_id)
    if trip is None or any(one.trip_id == trip.id for one in hypotheses):
        return
    journey = ground.journeys.claimed(trip, step.at, step.claims.service_date, step.claims.start_s)
    if journey is None:
        return
    begin = ground.thought(journey, 0.0, step.at, step.claims)
    weight = total if news else total - begin.claim + ENTER
    waiting = around(step.here, ground.begins[trip.pattern]) == RESTLESS
    if waiting and step.at < journey.start_at + LATE_S:
        yield replace(begin, stage=Stage.WAITING, weight=weight)
        return
    track = ground.track(trip.pattern)
    segments = ground.grid.near(step.here, ground.reach_m).get(ground.grid.track_of[trip.pattern], ())
    for along, offset in track.passes(step.here, segments, limit_m(track)):
        late_s = ground.journeys.deviation_s(trip.pattern, trip, journey.start_at, along, step.at)
        if has_schedule(trip, journey.start_s) and late_s < -EARLIEST_S:
            continue  # a console that is set to a later journey
        one = ground.thought(journey, along, step.at, step.claims)
        yield replace(one, weight=weight + aside(offset, limit_m(track)))


def alternative_candidates(
    ground: NetworkIndex, hypotheses: Sequence[Hypothesis], step: Observation
) -> Iterator[Hypothesis]:
    """The journeys that would be on time where the likeliest one is strangely early or late."""
    best = max(hypotheses, key=lambda one: one.total, default=None)
    if best is None or best.stage is not Stage.RUNNING:
        return
    plan = ground.planned(best, step.at)
    if plan > STRANGE:
        return
    known = {one.key for one in hypotheses}
    for late_s, journey in ground.journeys.around(best.pattern, best.distance_m, step.at, MOST_JOURNEYS):
        rival = ground.thought(journey, best.distance_m, step.at, step.claims)
        if rival.key not in known and deviating(late_s) > plan:
            yield replace(rival, weight=best.total + SWAP)


def _serves(ground: NetworkIndex, number: int, claims: ReportedTrip) -> bool:
    patterns = ground.network.patterns
    return any(patterns[index].route_id in claims.routes for index in ground.grid.patterns_on[number])


def _places(
    ground: NetworkIndex, near: Mapping[int, Sequence[int]], marks: Sequence[Fix], points: Sequence[XY]
) -> Iterator[tuple[int, float, float]]:
    """Patterns where the last mark may lie, with how far along, and how well the marks lead there."""
    for number, segments in near.items():
        track = ground.grid.tracks[number]
        for along, offset in track.passes(points[-1], segments, limit_m(track)):
            fit = _fit(ground, number, along, offset, marks, points)
            if fit > WORST / 2:
                for pattern in ground.grid.patterns_on[number]:
                    yield pattern, along, fit


def _fit(
    ground: NetworkIndex, number: int, along: float, offset: float, marks: Sequence[Fix], points: Sequence[XY]
) -> float:
    """How well the marks lead to a place on a track, beside leading nowhere.

    Followed back from the last one, of which the one before tells the direction; the bus may have come to the line at
    any of the earlier ones, so the best of these counts.
    """
    track = ground.grid.tracks[number]
    limit = limit_m(track)
    totals = [aside(offset, limit) - OFF]
    for index in range(len(marks) - 2, -1, -1):
        (x, y), (next_x, next_y) = points[index], points[index + 1]
        moved_m = hypot(next_x - x, next_y - y)
        reach = FASTEST_MS * (marks[index + 1].at - marks[index].at) + AHEAD_M
        before, off_m = track.nearest((x, y), along - reach, along + BACK_M, along - moved_m, SLACK * limit)
        totals.append(totals[-1] + aside(off_m, limit) - OFF + misfit(along - before, moved_m, limit))
        along = before
    return max(totals[1:], default=totals[0])


def _seeds_at(
    ground: NetworkIndex, pattern: int, along: float, at: float, claims: ReportedTrip, last: Hypothesis | None
) -> Iterator[tuple[float, Hypothesis]]:
    """The journeys that may be at a place then, with how likely each is before any movement is seen."""
    line = ground.network.patterns[pattern]
    if not line.stop_m[0] - LIMIT_M <= along <= line.stop_m[-1] + LIMIT_M:
        return
    bonus = SAME_ROUTE if last is not None and ground.pattern(last).route_id == line.route_id else 0.0
    journeys = ground.journeys.around(pattern, along, at, MOST_JOURNEYS)
    begun = ground.begun(pattern, along)
    by_headway = []
    for deviation_s, journey in journeys:
        seed = ground.thought(journey, along, at, claims)
        if not has_schedule(journey.trip, journey.start_s):
            by_headway.append(seed)
            continue
        late_s = deviation_s if begun else max(0.0, deviation_s)
        yield bonus + deviating(late_s) + _same_block(ground, journey, last), seed
    if by_headway:  # no minute tells them apart: the one that is claimed, else the nearest
        yield bonus, max(by_headway, key=lambda seed: seed.claim)
    if not journeys:
        yield UNPLANNED + bonus, ground.unplanned(pattern, along, at, claims, Stage.RUNNING)


def _same_block(ground: NetworkIndex, journey: Journey, last: Hypothesis | None) -> float:
    before = ground.trip(last)
    same = before is not None and before.block_id != "" and before.block_id == journey.trip.block_id
    return SAME_BLOCK if same else 0.0
