"""Where a bus is and which journey it makes: several hypotheses kept alive, weighed by positions, times and claims.

A hidden Markov model over (line, distance along, journey) and one state of making no journey, in logarithms. Evidence
is weighed from mark to mark, a mark being set each MARK_M of displacement, so that neither a bus that stands nor one
that reports every second counts the same evidence twice. A report never decides alone, and what the vehicle claims
counts only as long as its movement agrees.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import exp, hypot, log
from typing import NamedTuple

from msgspec.structs import replace

from models.geo import Plane
from models.network import Journey, Network, Trip
from services.transit.belief import AT_BASE_S, Belief, Hypothesis, Mark, Stage
from services.transit.claims import Claims, Lines
from services.transit.journeys import Journeys
from services.transit.locate import XY, Grid, Track
from services.transit.report import Report

LIMIT_M = 60.0
"""How far from a surveyed line a bus is as likely off it as on it."""
UNSURVEYED_M = 250.0
"""The same where the line only joins its stops."""
BACK_M = 60.0
"""How far back along its line a position may fall: positions err."""
FASTEST_MS = 30.0
AHEAD_M = 100.0
"""With FASTEST_MS, how far ahead along its line a bus is looked for."""
MARK_M = 60.0
STILL_M = 20.0
"""A tracker at rest wanders this far."""
JUMP_MS, JUMP_M = 40.0, 200.0
"""What lies further from the last position than these allow is set aside."""
SILENCE_S = 2_400.0
"""After this long without a word nothing is presumed."""
MOST_MARKS = 5
YOUNG_S = 600.0
"""While a belief is so young, and has three marks at most, each mark begins it anew: only movement tells directions."""
ASTRAY = 0.3
"""So likely off its line, or moving while it is thought to wait, a bus is looked for on other lines."""
SURE = 0.8
"""A journey believed by so much is remembered when it is over."""
MOST = 12
"""How many hypotheses are kept; how many of them may come from one line."""
MOST_JOURNEYS = 4
FAINTEST = -9.0
"""Hypotheses this much fainter than the best are dropped."""
OFF = -2.0
"""A mark off every line weighs as much as one LIMIT_M from a line."""
WORST = -8.0
"""No single mark condemns more than this."""
LEAVE = log(0.01)
"""From one mark to the next one bus in a hundred leaves its journey."""
ENTER = log(0.05)
SWAP = log(0.01)
"""From one mark to the next one bus in a hundred makes another journey than thought, if that one looks strange."""
STRANGE = -3.0
"""A deviation is strange that is e to this less likely than none."""
EARLY_S, LATE_S = 100.0, 300.0
"""Deviations from plan by which a journey becomes e times less likely: a bus is late three times as easily as early."""
FORGET_S = 1_800.0
"""How long a deviation lasts: after so long a time it counts as evidence anew."""
UNPLANNED = -6.0
"""How likely a line is on which no journey is planned then, beside one that is on time."""
SAME_BLOCK, SAME_ROUTE = 4.0, 1.0
"""How much likelier a vehicle's next journey is of its last one's block, of its last one's line."""
TERMINAL_M = 500.0
"""How far from a terminal buses wait."""
RESTLESS = -1.0
"""A mark of a bus that waits for its departure: it may look for a place to stand, but it is not driving about."""
STAYS = -2.3
"""How likely the next journey has not begun yet when one has ended."""
WALK_MS = 1.4
"""A bus that stands near its last stop for longer than a walk there has arrived."""
FRESH = -1.0
"""The `mark_m` of a journey that ended at the last report."""
END_M = 40.0
"""So near its last stop a journey has ended."""
BASE_M = 150.0
"""A yard is so large."""
SLACK = 0.1
"""As much as LIMIT_M aside counts being ten times as far along a line from where it was to be expected."""

Key = tuple[int, str, str, int]


class Step(NamedTuple):
    """What one report adds: where, how long after the last one, how far from the last mark, and what it claims."""

    at: float
    here: XY
    since_s: float
    moved_m: float
    mark: Mark
    marked: bool
    still_s: float
    claims: Claims


class Matcher:
    """Matches reports to the journeys of one network. Holds no vehicle's state: that is in its belief."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._grid = Grid(network)
        self._lines = Lines(network)
        self._journeys = Journeys(network)
        self._plane = self._grid.plane
        self._limit = [LIMIT_M if pattern.shape.surveyed else UNSURVEYED_M for pattern in network.patterns]
        self._reach = max(self._limit, default=LIMIT_M)
        self._first = [self._plane.xy(network.stops[pattern.stop_ids[0]].point) for pattern in network.patterns]
        self._last = [self._plane.xy(network.stops[pattern.stop_ids[-1]].point) for pattern in network.patterns]
        self._follow_on: dict[int, tuple[int, ...]] = {}

    def match(self, belief: Belief | None, report: Report) -> Belief:
        """What is believed after a report, given what was before it; reports come in the order of their times."""
        if belief is None or belief.version != self.network.version or report.at - belief.at > SILENCE_S:
            return self._begin(report)
        if report.at <= belief.at:
            return belief
        here, before = self._xy(report), self._plane.xy((belief.latitude, belief.longitude))
        if _too_far(here, before, report.at - belief.at):
            return self._doubt(belief, report, here)
        return self._go_on(belief, report, here)

    def _begin(self, report: Report) -> Belief:
        mark = Mark(report.at, report.latitude, report.longitude)
        claims = self._lines.claims(report)
        return _belief(
            Belief(
                version=self.network.version,
                at=report.at,
                latitude=report.latitude,
                longitude=report.longitude,
                marks=(mark,),
                stood=mark,
                claimed=claims.trip_id,
                out_of_service=claims.out_of_service,
                elsewhere=claims.elsewhere,
            ),
            self._seeds((mark,), claims, None),
        )

    def _doubt(self, belief: Belief, report: Report, here: XY) -> Belief:
        """A position too far to be true is set aside; a second one there is believed."""
        doubtful = belief.doubtful
        if doubtful is not None and report.at > doubtful.at:
            there = self._plane.xy((doubtful.latitude, doubtful.longitude))
            if not _too_far(here, there, report.at - doubtful.at):
                return self._begin(report)
        return replace(belief, doubtful=Mark(report.at, report.latitude, report.longitude))

    def _go_on(self, belief: Belief, report: Report, here: XY) -> Belief:
        step = self._step(belief, report, here)
        latest = Mark(report.at, report.latitude, report.longitude)
        stood = self._plane.xy((belief.stood.latitude, belief.stood.longitude))
        if hypot(here[0] - stood[0], here[1] - stood[1]) > STILL_M:
            belief = replace(belief, stood=latest)
        marks = (*belief.marks[1 - MOST_MARKS :], latest) if step.marked else belief.marks
        after = replace(
            belief,
            at=report.at,
            latitude=report.latitude,
            longitude=report.longitude,
            marks=marks,
            travelled=belief.travelled or step.marked,
            claimed=step.claims.trip_id,
            out_of_service=step.claims.out_of_service,
            elsewhere=step.claims.elsewhere,
            doubtful=None,
        )
        if step.marked and len(marks) <= 3 and report.at - marks[0].at < YOUNG_S:
            return _belief(replace(after, off=0.0), self._seeds(marks, step.claims, belief.last))
        after = _parked(after, self._plane)
        moved = self._ended(self._timed(list(self._moved(self._turned(belief.hypotheses, step), step)), step), step)
        off = _leaving(belief) + OFF if step.marked else belief.off
        new = step.claims.trip_id != belief.claimed
        rivals = [*self._claimed(moved, marks, step, off=off, new=new), *self._rivals(moved, step)]
        after = _belief(replace(after, off=off), [*moved, *rivals])
        if step.marked and after.off_probability > ASTRAY:
            seeds = self._seeds(marks, step.claims, after.last)
            fresh = [replace(one, weight=one.weight + after.off + ENTER) for one in seeds]
            after = _belief(after, _best([*after.hypotheses, *fresh]))
        return self._remembering(after)

    def _remembering(self, belief: Belief) -> Belief:
        """With the journey it is surely making, if any, for when it has left it."""
        best = belief.hypotheses[0] if belief.hypotheses else None
        if best is None or best.stage is not Stage.RUNNING or belief.probability(best) < SURE:
            return belief
        left_m = self._end_m(best) - best.distance_m
        return replace(belief, last=replace(best, stage=Stage.ENDED) if left_m < TERMINAL_M else best)

    def _step(self, belief: Belief, report: Report, here: XY) -> Step:
        mark = belief.marks[-1]
        there = self._plane.xy((mark.latitude, mark.longitude))
        moved_m = hypot(here[0] - there[0], here[1] - there[1])
        return Step(
            report.at,
            here,
            report.at - belief.at,
            moved_m,
            mark,
            moved_m >= MARK_M,
            report.at - belief.stood.at,
            self._lines.claims(report),
        )

    # How each hypothesis fares

    def _moved(self, hypotheses: Iterable[Hypothesis], step: Step) -> Iterator[Hypothesis]:
        for one in hypotheses:
            claim = step.claims.weight(self.network.patterns[one.pattern], self.network.trips.get(one.trip_id))
            match one.stage:
                case Stage.RUNNING:
                    yield self._ran(one, step, claim)
                case Stage.WAITING:
                    yield self._waited(one, step, claim)
                case Stage.ENDED:
                    weight = one.weight + (RESTLESS + _near(step.here, self._last[one.pattern]) if step.marked else 0.0)
                    yield replace(one, weight=weight, claim=claim)

    def _ran(self, one: Hypothesis, step: Step, claim: float) -> Hypothesis:
        limit = self._limit[one.pattern]
        ahead = FASTEST_MS * (step.at - one.seen_at) + AHEAD_M
        low = one.mark_m - BACK_M if step.marked else one.distance_m
        expected = one.mark_m + step.moved_m
        slack = SLACK * limit
        along, offset = self._track(one).nearest(step.here, low, one.distance_m + ahead, expected, slack)
        weight = one.weight
        if not step.marked:
            along = along if offset <= limit else one.distance_m
            seen_at = step.at if offset <= limit else one.seen_at
            return replace(one, distance_m=along, seen_at=seen_at, weight=weight, claim=claim)
        running = max(WORST, OFF * (offset / limit) ** 2)
        if offset <= limit and one.seen_at >= step.mark.at:
            running += _misfit(along - one.mark_m, step.moved_m, limit)
        begin = self.network.patterns[one.pattern].stop_m[0]
        waiting = RESTLESS + _near(step.here, self._first[one.pattern])
        if one.distance_m < begin + TERMINAL_M and waiting > running:
            back = {"stage": Stage.WAITING, "distance_m": begin, "mark_m": begin, "seen_at": step.at}
            return replace(one, weight=weight + waiting, claim=claim, **back)
        if offset > limit:
            return replace(one, weight=weight + running, claim=claim)
        return replace(one, distance_m=along, mark_m=along, seen_at=step.at, weight=weight + running, claim=claim)

    def _timed(self, hypotheses: Sequence[Hypothesis], step: Step) -> list[Hypothesis]:
        """What the plan says for the running ones beside the likeliest: it tells journeys apart, not whether one is."""
        running = [one for one in hypotheses if one.stage is Stage.RUNNING]
        if len(running) < 2:
            return list(hypotheses)
        best = self._plan(max(running, key=_total), step.at)
        share = step.since_s / FORGET_S
        return [
            replace(one, weight=one.weight + share * (self._plan(one, step.at) - best))
            if one.stage is Stage.RUNNING
            else one
            for one in hypotheses
        ]

    def _waited(self, one: Hypothesis, step: Step, claim: float) -> Hypothesis:
        """Before its departure a bus stands somewhere near its first stop, until it is seen leaving along its line."""
        if not step.marked:
            return replace(one, seen_at=step.at, claim=claim)
        pattern, limit = self.network.patterns[one.pattern], self._limit[one.pattern]
        begin = pattern.stop_m[0]
        waiting = RESTLESS + _near(step.here, self._first[one.pattern])
        ahead = begin + FASTEST_MS * step.since_s + AHEAD_M + TERMINAL_M
        along, offset = self._track(one).nearest(step.here, begin - BACK_M, ahead, begin, SLACK * limit)
        gone = replace(one, stage=Stage.RUNNING, distance_m=along, mark_m=along, seen_at=step.at, claim=claim)
        leaving = OFF * (offset / limit) ** 2 + (self._plan(gone, step.at) if one.trip_id else 0.0)
        due = step.at > one.start_at - EARLY_S
        if along >= begin + MARK_M and offset <= limit and (due or leaving > waiting):
            return replace(gone, weight=one.weight + max(WORST, leaving))
        return replace(one, seen_at=step.at, weight=one.weight + waiting, claim=claim)

    def _plan(self, one: Hypothesis, at: float) -> float:
        """How likely a bus is so early or late, in natural logarithms; 0 where nothing was promised."""
        trip = self.network.trips.get(one.trip_id)
        if trip is None:
            return UNPLANNED
        if not _promised(trip, one.start_s):
            return 0.0
        return _deviating(self._journeys.deviation_s(one.pattern, trip, one.start_at, one.distance_m, at))

    def _track(self, one: Hypothesis) -> Track:
        return self._grid.tracks[self._grid.track_of[one.pattern]]

    # At the end of one journey begins another

    def _ended(self, hypotheses: Iterable[Hypothesis], step: Step) -> list[Hypothesis]:
        """Journeys that reached their last stop end; until the next report they are all there is."""
        return [
            replace(one, stage=Stage.ENDED, distance_m=max(one.distance_m, self._end_m(one)), mark_m=FRESH)
            if one.stage is Stage.RUNNING and self._arrived(one, step)
            else one
            for one in hypotheses
        ]

    def _turned(self, hypotheses: Sequence[Hypothesis], step: Step) -> Iterable[Hypothesis]:
        """Where a journey has just ended, those that may follow begin. They share its weight, by what is claimed."""
        if not any(one.stage is Stage.ENDED and one.mark_m == FRESH for one in hypotheses):
            return hypotheses
        turned: dict[Key, Hypothesis] = {one.key: one for one in hypotheses}
        for one in hypotheses:
            if one.stage is not Stage.ENDED or one.mark_m != FRESH:
                continue
            successors = self._successors(one, step)
            ways = [replace(one, mark_m=0.0, weight=STAYS if successors else 0.0), *successors]
            total = log(sum(exp(_total(way)) for way in ways)) - _total(one)
            turned[one.key] = replace(ways[0], weight=ways[0].weight - total)
            for after in ways[1:]:
                _join(turned, replace(after, weight=after.weight - total))
        return turned.values()

    def _end_m(self, one: Hypothesis) -> float:
        return self.network.patterns[one.pattern].stop_m[-1]

    def _arrived(self, one: Hypothesis, step: Step) -> bool:
        left_m = self._end_m(one) - one.distance_m
        return left_m <= END_M or left_m <= min(TERMINAL_M, WALK_MS * step.still_s)

    def _successors(self, one: Hypothesis, step: Step) -> list[Hypothesis]:
        """The journeys a bus may make next, with their shares as weights: its block's next one, those soon to leave."""
        found: dict[tuple[str, str, int], tuple[float, Journey]] = {}
        block = self._next_of_block(one)
        if block is not None:
            found[block.key] = (SAME_BLOCK, block)
        route_id = self.network.patterns[one.pattern].route_id
        for pattern in self._following(one.pattern):
            bonus = SAME_ROUTE if self.network.patterns[pattern].route_id == route_id else 0.0
            for journey in self._journeys.starting(pattern, step.at - 900.0, step.at + 2_700.0):
                late_s = step.at - journey.start_at
                prior = bonus - (late_s / LATE_S if late_s > 0 else -late_s / FORGET_S)
                if journey.key not in found:
                    found[journey.key] = (prior, journey)
        if not found:
            return self._unplanned_successors(one, step)
        best = sorted(found.values(), key=lambda pair: -pair[0])[:MOST_JOURNEYS]
        total = log(sum(exp(prior) for prior, _ in best))
        return [self._waiting(journey, prior - total, step) for prior, journey in best]

    def _unplanned_successors(self, one: Hypothesis, step: Step) -> list[Hypothesis]:
        """Where the timetable plans nothing, a bus goes on along the lines of its route that begin where it stands."""
        route_id = self.network.patterns[one.pattern].route_id
        lines = [self.network.patterns[pattern] for pattern in self._following(one.pattern)]
        own = [line for line in lines if line.route_id == route_id][:MOST_JOURNEYS]
        return [
            Hypothesis(
                pattern=line.index,
                trip_id="",
                service_date="",
                start_s=0,
                start_at=step.at,
                stage=Stage.WAITING,
                distance_m=line.stop_m[0],
                mark_m=line.stop_m[0],
                seen_at=step.at,
                weight=-log(len(own)),
                claim=step.claims.weight(line, None),
            )
            for line in own
        ]

    def _waiting(self, journey: Journey, weight: float, step: Step) -> Hypothesis:
        begin = self.network.patterns[journey.trip.pattern].stop_m[0]
        return replace(self._hypothesis(journey, begin, step.at, step.claims), weight=weight)

    def _hypothesis(self, journey: Journey, along: float, at: float, claims: Claims) -> Hypothesis:
        """A journey newly thought of: waiting where it begins, or running along its line."""
        line = self.network.patterns[journey.trip.pattern]
        trip_id, service_date, start_s = journey.key
        begun = along > line.stop_m[0] + MARK_M
        where = max(along, line.stop_m[0])
        return Hypothesis(
            pattern=line.index,
            trip_id=trip_id,
            service_date=service_date,
            start_s=start_s,
            start_at=journey.start_at,
            stage=Stage.RUNNING if begun else Stage.WAITING,
            distance_m=where,
            mark_m=where,
            seen_at=at,
            weight=0.0,
            claim=claims.weight(line, journey.trip),
        )

    def _next_of_block(self, one: Hypothesis) -> Journey | None:
        trip = self.network.trips.get(one.trip_id)
        if trip is None or not trip.block_id:
            return None
        for day, zero in self._journeys.days(one.start_at):
            if f"{day:%Y%m%d}" != one.service_date:
                continue
            _, running = self.network.day(day)
            for later in self.network.blocks[trip.block_id]:
                if later.start_s > trip.start_s and later.service_id in running:
                    return Journey(later, day, later.start_s, zero + later.start_s)
        return None

    def _following(self, pattern: int) -> tuple[int, ...]:
        """The lines that begin where this one ends."""
        known = self._follow_on.get(pattern)
        if known is None:
            end = self._last[pattern]
            near = (
                index
                for index, begin in enumerate(self._first)
                if hypot(begin[0] - end[0], begin[1] - end[1]) <= TERMINAL_M
            )
            known = self._follow_on[pattern] = tuple(near)
        return known

    def _claimed(
        self, hypotheses: Sequence[Hypothesis], marks: Sequence[Mark], step: Step, *, off: float, new: bool
    ) -> Iterator[Hypothesis]:
        """The journey the vehicle claims, where none of the hypotheses is it and it may be.

        A new claim is news, and as likely as the likeliest without it; one made before was weighed and found wanting.
        """
        trip = self.network.trips.get(step.claims.trip_id)
        if trip is None or any(one.trip_id == trip.id for one in hypotheses) or not (new or step.marked):
            return
        journey = self._journeys.nearest(trip, step.at)
        total = max([off, *map(_total, hypotheses)]) + (0.0 if new else ENTER)
        if _near(step.here, self._first[trip.pattern]) == 0.0 and step.at < journey.start_at + LATE_S:
            yield self._waiting(journey, total, step)
            return
        latest = marks[-1] if step.marked else Mark(step.at, *self._plane.point(*step.here))
        number = self._grid.track_of[trip.pattern]
        for along, fit in self._fits(number, self._grid.near(step.here, self._reach).get(number, ()), [latest]):
            claimed = self._hypothesis(journey, along, step.at, step.claims)
            yield replace(claimed, weight=total + fit - claimed.claim)

    def _rivals(self, hypotheses: Sequence[Hypothesis], step: Step) -> Iterator[Hypothesis]:
        """The journeys that would be on time where the likeliest one is strangely early or late."""
        best = max(hypotheses, key=_total, default=None)
        if best is None or not step.marked or best.stage is not Stage.RUNNING:
            return
        plan = self._plan(best, step.at)
        if plan > STRANGE:
            return
        known = {one.key for one in hypotheses}
        for late_s, journey in self._journeys.around(best.pattern, best.distance_m, step.at, MOST_JOURNEYS):
            rival = self._hypothesis(journey, best.distance_m, step.at, step.claims)
            if rival.key not in known and _deviating(late_s) > plan:
                yield replace(rival, weight=best.weight + best.claim + SWAP)

    # Of a vehicle of which nothing is known

    def _seeds(self, marks: Sequence[Mark], claims: Claims, last: Hypothesis | None) -> list[Hypothesis]:
        """What journeys the last few positions may belong to, weighed against making none."""
        here = self._plane.xy((marks[-1].latitude, marks[-1].longitude))
        near = self._grid.near(here, self._reach)
        claimed = {number: near[number] for number in near if self._serves(number, claims)}
        fits = list(self._places(claimed, marks))
        if not any(fit > 0.0 for _, _, fit in fits):
            fits += self._places({number: near[number] for number in near if number not in claimed}, marks)
        found = [seed for one in fits for seed in self._seed(*one, marks[-1].at, claims, last)]
        if not found:
            return []
        total = log(sum(exp(prior) for prior, _, _ in found))
        seeds = [replace(seed, weight=prior - total + fit) for prior, fit, seed in found]
        return sorted(seeds, key=_total, reverse=True)[:MOST]

    def _serves(self, number: int, claims: Claims) -> bool:
        return any(self.network.patterns[index].route_id in claims.routes for index in self._grid.patterns_on[number])

    def _places(self, near: Mapping[int, Sequence[int]], marks: Sequence[Mark]) -> Iterator[tuple[int, float, float]]:
        """Patterns where the last mark may lie, with how far along, and how well the marks lead there."""
        for number, segments in near.items():
            for along, fit in self._fits(number, segments, marks):
                for pattern in self._grid.patterns_on[number]:
                    yield pattern, along, fit

    def _fits(self, number: int, segments: Sequence[int], marks: Sequence[Mark]) -> Iterator[tuple[float, float]]:
        """Each place on a track where the last mark may lie, with how well the marks before it lead there."""
        track = self._grid.tracks[number]
        limit = LIMIT_M if track.surveyed else UNSURVEYED_M
        points = [self._plane.xy((mark.latitude, mark.longitude)) for mark in marks]
        for end, offset in track.passes(points[-1], segments, limit):
            total = best = OFF * (offset / limit) ** 2 - OFF
            along = end
            for index in range(len(marks) - 2, -1, -1):
                (x, y), (ax, ay) = points[index], points[index + 1]
                moved_m = hypot(ax - x, ay - y)
                reach = FASTEST_MS * (marks[index + 1].at - marks[index].at) + AHEAD_M
                before, aside = track.nearest((x, y), along - reach, along + BACK_M, along - moved_m, SLACK * limit)
                total += max(WORST, OFF * (aside / limit) ** 2) - OFF + _misfit(along - before, moved_m, limit)
                if index == len(marks) - 2:
                    best = total
                best = max(best, total)
                along = before
            if best > WORST / 2:
                yield end, best

    def _seed(
        self, pattern: int, along: float, fit: float, at: float, claims: Claims, last: Hypothesis | None
    ) -> Iterator[tuple[float, float, Hypothesis]]:
        line = self.network.patterns[pattern]
        if not line.stop_m[0] - LIMIT_M <= along <= line.stop_m[-1] + LIMIT_M:
            return
        journeys = self._journeys.around(pattern, along, at, MOST_JOURNEYS)
        same_route = last is not None and self.network.patterns[last.pattern].route_id == line.route_id
        bonus = SAME_ROUTE if same_route else 0.0
        begun = along > line.stop_m[0] + MARK_M
        for deviation_s, journey in journeys:
            promised = _promised(journey.trip, journey.start_s)
            late_s = deviation_s if begun else max(0.0, deviation_s)
            prior = bonus + (_deviating(late_s) if promised else 0.0) + self._same_block(journey, last)
            yield prior, fit, self._hypothesis(journey, along, at, claims)
            if not promised:
                return
        if not journeys:
            claim = claims.weight(line, None)
            unplanned = Hypothesis(pattern, "", "", 0, 0.0, Stage.RUNNING, along, along, at, 0.0, claim)
            yield UNPLANNED + bonus, fit, unplanned

    def _same_block(self, journey: Journey, last: Hypothesis | None) -> float:
        if last is None or not journey.trip.block_id:
            return 0.0
        before = self.network.trips.get(last.trip_id)
        return SAME_BLOCK if before is not None and before.block_id == journey.trip.block_id else 0.0

    def _xy(self, report: Report) -> XY:
        return self._plane.xy((report.latitude, report.longitude))


def _belief(belief: Belief, hypotheses: Sequence[Hypothesis]) -> Belief:
    """Weights made relative to the best, the faintest dropped, the last sure journey remembered."""
    totals = [one.weight + one.claim for one in hypotheses]
    best = max([belief.off, *totals])
    kept = [
        replace(one, weight=round(one.weight - best, 4))
        for one, total in zip(hypotheses, totals, strict=True)
        if total - best > FAINTEST and belief.at - one.seen_at < SILENCE_S
    ]
    kept.sort(key=_total, reverse=True)
    return replace(belief, off=max(FAINTEST, belief.off - best), hypotheses=tuple(kept[:MOST]))


def _parked(belief: Belief, plane: Plane) -> Belief:
    """Whether it stands where it is parked: where it once stood long, off every line."""
    if belief.still_s >= AT_BASE_S and belief.off_probability > 0.5:
        return belief if belief.at_base else replace(belief, base=belief.stood, at_base=True)
    if belief.base is None:
        return belief
    (x, y), (base_x, base_y) = (plane.xy((one.latitude, one.longitude)) for one in (belief, belief.base))
    return replace(belief, at_base=hypot(x - base_x, y - base_y) <= BASE_M)


def _join(hypotheses: dict[Key, Hypothesis], other: Hypothesis) -> None:
    """Two ways to one journey add up, as long as it has not begun."""
    known = hypotheses.get(other.key)
    if known is None:
        hypotheses[other.key] = other
    elif known.stage is Stage.WAITING:
        hypotheses[other.key] = replace(known, weight=log(exp(known.weight) + exp(other.weight)))


def _best(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Of several ways to think of one journey the likeliest."""
    best: dict[Key, Hypothesis] = {}
    for one in hypotheses:
        if one.key not in best or one.weight > best[one.key].weight:
            best[one.key] = one
    return list(best.values())


def _total(one: Hypothesis) -> float:
    return one.weight + one.claim


def _leaving(belief: Belief) -> float:
    """The weight of making no journey, with those that leave theirs."""
    total = sum(exp(one.weight + one.claim) for one in belief.hypotheses)
    return log(exp(belief.off) + exp(LEAVE) * total)


def _too_far(here: XY, there: XY, since_s: float) -> bool:
    return hypot(here[0] - there[0], here[1] - there[1]) > JUMP_MS * since_s + JUMP_M


def _near(here: XY, stop: XY) -> float:
    """How a mark near a terminal weighs for one that waits there."""
    distance_m = hypot(here[0] - stop[0], here[1] - stop[1])
    return 0.0 if distance_m <= TERMINAL_M else max(WORST, OFF * (distance_m / TERMINAL_M) ** 2)


def _misfit(advanced_m: float, moved_m: float, limit_m: float) -> float:
    """How a mark weighs that advanced less along a line than the bus moved, as it does on a line it only crosses."""
    return max(2 * OFF, min(0.0, (advanced_m - moved_m) / limit_m * 2 + 0.5))


def _deviating(late_s: float) -> float:
    return max(WORST, -late_s / LATE_S if late_s > 0 else late_s / EARLY_S)


def _promised(trip: Trip, start_s: int) -> bool:
    """Whether the timetable promises a minute, not only a headway."""
    if not trip.frequencies:
        return True
    return any(one.exact for one in trip.frequencies if one.start_s <= start_s < one.end_s)
