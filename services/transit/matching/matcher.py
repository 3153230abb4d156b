"""Where a bus is and which journey it makes: several hypotheses kept alive, weighed by positions, times and claims.

A hidden Markov model over (line, distance along, journey) and one state of making no journey, in logarithms. Evidence
is weighed from mark to mark, a mark being set each MARK_M of displacement, so that neither a bus that stands nor one
that reports every second counts the same evidence twice. A report never decides alone, and what the vehicle claims
counts only as long as its movement agrees.
"""

from collections.abc import Iterable, Sequence
from math import exp, hypot, log

from msgspec.structs import replace

from models.network import Network
from services.transit.matching.candidates import MOST, alternative_candidates, initial_candidates, reported_candidates
from services.transit.matching.likelihood import ENTER, FAINTEST, LEAVE, MARK_M, OFF, TERMINAL_M
from services.transit.matching.network_index import PAUSE_S, NetworkIndex, Observation
from services.transit.matching.next_trip import mark_arrived, start_next_trips
from services.transit.matching.propagation import advance_hypotheses, weigh_schedule
from services.transit.matching.reported_trip import ReportedTrip
from services.transit.matching.vehicle_state import AT_BASE_S, Fix, Hypothesis, Key, Stage, VehicleState
from services.transit.model.position_report import PositionReport

STILL_M = 20.0
"""A tracker at rest wanders this far."""
BASE_M = 150.0
"""A yard is so large."""
JUMP_MS, JUMP_M = 40.0, 200.0
"""What lies further from the last position than these allow is set aside."""
SILENCE_S = 2_400.0
"""After this long without a word nothing is presumed."""
MOST_MARKS = 5
YOUNG_S, YOUNG_MARKS = 600.0, 3
"""While a belief is so young and has so few marks, each mark begins it anew: only movement tells directions."""
ASTRAY = 0.3
"""So likely off its line, a bus is looked for on others."""
SURE = 0.8
"""A journey believed by so much is remembered when it is over."""


class Matcher:
    """Matches reports to the journeys of one network. Holds no vehicle's state: that is in its belief."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._ground = NetworkIndex(network)

    def match(self, belief: VehicleState | None, report: PositionReport) -> VehicleState:
        """What is believed after a report, given what was before it; reports come in the order of their times."""
        if belief is None or belief.version != self.network.version or report.at - belief.at > SILENCE_S:
            return self._begin(report)
        if report.at <= belief.at:
            return belief
        latest = Fix(report.at, report.latitude, report.longitude)
        if self._too_far(latest, Fix(belief.at, belief.latitude, belief.longitude)):
            if belief.doubtful is None or self._too_far(latest, belief.doubtful):
                return replace(belief, doubtful=latest)
            return self._begin(report)
        return self._go_on(self._placed(belief, latest), belief, report)

    def _begin(self, report: PositionReport) -> VehicleState:
        mark = Fix(report.at, report.latitude, report.longitude)
        claims = self._ground.lines.claims(report)
        fresh = VehicleState(self.network.version, report.at, report.latitude, report.longitude, (mark,), mark)
        return _weighed(_claiming(fresh, claims), initial_candidates(self._ground, (mark,), claims, None))

    def _placed(self, belief: VehicleState, latest: Fix) -> VehicleState:
        """The vehicle where it is now, before anything is concluded from it."""
        marked = self._apart_m(latest, belief.marks[-1]) >= MARK_M
        return replace(
            belief,
            at=latest.at,
            latitude=latest.latitude,
            longitude=latest.longitude,
            marks=(*belief.marks[1 - MOST_MARKS :], latest) if marked else belief.marks,
            stood=latest if self._apart_m(latest, belief.stood) > STILL_M else belief.stood,
            travelled=belief.travelled or marked,
            doubtful=None,
        )

    def _go_on(self, placed: VehicleState, before: VehicleState, report: PositionReport) -> VehicleState:
        ground, step = self._ground, self._step(placed, before, report)
        belief = self._parked(_claiming(placed, step.claims))
        if step.marked and len(belief.marks) <= YOUNG_MARKS and step.at - belief.marks[0].at < YOUNG_S:
            return _weighed(
                replace(belief, off=0.0), initial_candidates(ground, belief.marks, step.claims, belief.last)
            )
        begun = list(advance_hypotheses(ground, start_next_trips(ground, before.hypotheses, step), step))
        ways = mark_arrived(ground, weigh_schedule(ground, begun, step), step)
        off = before.off
        if step.marked:  # out of service, a bus drives along lines as well as anywhere
            off = _leaving(before) + (0.0 if step.claims.out_of_service else OFF)
        news = step.claims.trip_id != before.claimed
        if step.marked or news:
            ways += reported_candidates(ground, ways, step, max([off, *(one.total for one in ways)]), news=news)
        if step.marked:
            ways += alternative_candidates(ground, ways, step)
        after = _weighed(replace(belief, off=off), ways)
        if step.marked and after.off_probability > ASTRAY:
            after = self._looked_for(after, step.claims)
        return self._remembering(after)

    def _step(self, placed: VehicleState, before: VehicleState, report: PositionReport) -> Observation:
        latest, mark = Fix(report.at, report.latitude, report.longitude), before.marks[-1]
        return Observation(
            at=report.at,
            here=self._ground.xy(latest),
            since_s=report.at - before.at,
            mark=mark,
            moved_m=self._apart_m(latest, mark),
            marked=placed.marks is not before.marks,
            still_s=placed.still_s,
            claims=self._ground.lines.claims(report),
        )

    def _looked_for(self, belief: VehicleState, claims: ReportedTrip) -> VehicleState:
        """With the journeys it may have begun since it left its last one."""
        found = initial_candidates(self._ground, belief.marks, claims, belief.last)
        fresh = [replace(one, weight=one.weight + belief.off + ENTER) for one in found]
        return _weighed(belief, _best((*belief.hypotheses, *fresh)))

    def _remembering(self, belief: VehicleState) -> VehicleState:
        """With the journey it is surely making, if any, for when it has left it; and whether it pauses on it."""
        best = belief.hypotheses[0] if belief.hypotheses else None
        if best is None or best.stage is not Stage.RUNNING or belief.probability(best) < SURE:
            return replace(belief, pausing=False) if belief.pausing else belief
        over = self._ground.end_m(best) - best.distance_m < TERMINAL_M
        pausing = belief.still_s >= PAUSE_S and self._ground.pauses(best)
        return replace(belief, last=replace(best, stage=Stage.ENDED) if over else best, pausing=pausing)

    def _parked(self, belief: VehicleState) -> VehicleState:
        """Whether it stands where it is parked: where it once stood long, off every line."""
        if belief.still_s >= AT_BASE_S and belief.off_probability > 0.5:
            return belief if belief.at_base else replace(belief, base=belief.stood, at_base=True)
        if belief.base is None:
            return belief
        here = Fix(belief.at, belief.latitude, belief.longitude)
        return replace(belief, at_base=self._apart_m(here, belief.base) <= BASE_M)

    def _apart_m(self, here: Fix, there: Fix) -> float:
        (x, y), (other_x, other_y) = self._ground.xy(here), self._ground.xy(there)
        return hypot(x - other_x, y - other_y)

    def _too_far(self, here: Fix, there: Fix) -> bool:
        return self._apart_m(here, there) > JUMP_MS * (here.at - there.at) + JUMP_M


def _claiming(belief: VehicleState, claims: ReportedTrip) -> VehicleState:
    return replace(belief, claimed=claims.trip_id, out_of_service=claims.out_of_service, elsewhere=claims.elsewhere)


def _weighed(belief: VehicleState, hypotheses: Sequence[Hypothesis]) -> VehicleState:
    """With these hypotheses: weights made relative to the best, the faintest and the long unseen dropped."""
    best = max([belief.off, *(one.total for one in hypotheses)])
    kept = [
        replace(one, weight=round(one.weight - best, 4))
        for one in hypotheses
        if one.total - best > FAINTEST and belief.at - one.seen_at < SILENCE_S
    ]
    kept.sort(key=lambda one: one.total, reverse=True)
    return replace(belief, off=max(FAINTEST, belief.off - best), hypotheses=tuple(kept[:MOST]))


def _best(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Of several ways to think of one journey the likeliest."""
    best: dict[Key, Hypothesis] = {}
    for one in hypotheses:
        if one.key not in best or one.weight > best[one.key].weight:
            best[one.key] = one
    return list(best.values())


def _leaving(belief: VehicleState) -> float:
    """The weight of making no journey, with those that leave theirs."""
    return log(exp(belief.off) + exp(LEAVE) * sum(exp(one.total) for one in belief.hypotheses))
