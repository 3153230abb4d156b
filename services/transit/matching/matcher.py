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
from services.transit.matching.candidates import (
    MAX_HYPOTHESES,
    alternative_candidates,
    initial_candidates,
    reported_candidates,
)
from services.transit.matching.likelihood import (
    ANCHOR_SPACING_M,
    ENTER_TRIP,
    LEAVE_TRIP,
    NO_TRIP_ANCHOR,
    PRUNE_BELOW,
    TERMINAL_RADIUS_M,
)
from services.transit.matching.network_index import SCHEDULED_DWELL_S, NetworkIndex, Observation
from services.transit.matching.next_trip import mark_arrived, start_next_trips
from services.transit.matching.propagation import advance_hypotheses, weigh_schedule
from services.transit.matching.reported_trip import ReportedTrip
from services.transit.matching.vehicle_state import PARKED_S, Fix, Hypothesis, HypothesisKey, Stage, VehicleState
from services.transit.model.position_report import PositionReport

STATIONARY_M = 20.0
"""A tracker at rest wanders this far."""
BASE_RADIUS_M = 150.0
"""A yard is so large."""
MAX_JUMP_MS, MAX_JUMP_M = 40.0, 200.0
"""What lies further from the last position than these allow is set aside."""
MAX_SILENCE_S = 2_400.0
"""After this long without a word nothing is presumed."""
MAX_ANCHORS = 5
STARTUP_S, STARTUP_ANCHORS = 600.0, 3
"""While a belief is so young and has so few marks, each mark begins it anew: only movement tells directions."""
SEARCH_AGAIN_PROBABILITY = 0.3
"""So likely off its line, a bus is looked for on others."""
CONFIRMED_PROBABILITY = 0.8
"""A journey believed by so much is remembered when it is over."""


class Matcher:
    """Matches reports to the journeys of one network. Holds no vehicle's state: that is in its belief."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._index = NetworkIndex(network)

    def match(self, belief: VehicleState | None, report: PositionReport) -> VehicleState:
        """What is believed after a report, given what was before it; reports come in the order of their times."""
        if belief is None or belief.version != self.network.version or report.at - belief.at > MAX_SILENCE_S:
            return self._first_state(report)
        if report.at <= belief.at:
            return belief
        latest = Fix(report.at, report.latitude, report.longitude)
        if self._is_outlier(latest, Fix(belief.at, belief.latitude, belief.longitude)):
            if belief.outlier is None or self._is_outlier(latest, belief.outlier):
                return replace(belief, outlier=latest)
            return self._first_state(report)
        return self._update(self._at_new_position(belief, latest), belief, report)

    def _first_state(self, report: PositionReport) -> VehicleState:
        mark = Fix(report.at, report.latitude, report.longitude)
        claims = self._index.route_lookup.resolve(report)
        fresh = VehicleState(self.network.version, report.at, report.latitude, report.longitude, (mark,), mark)
        return _with_hypotheses(
            _with_reported_trip(fresh, claims), initial_candidates(self._index, (mark,), claims, None)
        )

    def _at_new_position(self, belief: VehicleState, latest: Fix) -> VehicleState:
        """The vehicle where it is now, before anything is concluded from it."""
        marked = self._apart_m(latest, belief.anchors[-1]) >= ANCHOR_SPACING_M
        return replace(
            belief,
            at=latest.at,
            latitude=latest.latitude,
            longitude=latest.longitude,
            anchors=(*belief.anchors[1 - MAX_ANCHORS :], latest) if marked else belief.anchors,
            stationary_since=latest
            if self._apart_m(latest, belief.stationary_since) > STATIONARY_M
            else belief.stationary_since,
            has_moved=belief.has_moved or marked,
            outlier=None,
        )

    def _update(self, placed: VehicleState, before: VehicleState, report: PositionReport) -> VehicleState:
        ground, step = self._index, self._observe(placed, before, report)
        belief = self._update_base(_with_reported_trip(placed, step.reported))
        if step.is_anchor and len(belief.anchors) <= STARTUP_ANCHORS and step.at - belief.anchors[0].at < STARTUP_S:
            return _with_hypotheses(
                replace(belief, no_trip_weight=0.0),
                initial_candidates(ground, belief.anchors, step.reported, belief.last_journey),
            )
        begun = list(advance_hypotheses(ground, start_next_trips(ground, before.hypotheses, step), step))
        ways = mark_arrived(ground, weigh_schedule(ground, begun, step), step)
        off = before.no_trip_weight
        if step.is_anchor:  # out of service, a bus drives along lines as well as anywhere
            off = _no_trip_weight(before) + (0.0 if step.reported.out_of_service else NO_TRIP_ANCHOR)
        news = step.reported.trip_id != before.reported_trip_id
        if step.is_anchor or news:
            ways += reported_candidates(ground, ways, step, max([off, *(one.total_weight for one in ways)]), news=news)
        if step.is_anchor:
            ways += alternative_candidates(ground, ways, step)
        after = _with_hypotheses(replace(belief, no_trip_weight=off), ways)
        if step.is_anchor and after.no_trip_probability > SEARCH_AGAIN_PROBABILITY:
            after = self._search_again(after, step.reported)
        return self._remember_journey(after)

    def _observe(self, placed: VehicleState, before: VehicleState, report: PositionReport) -> Observation:
        latest, mark = Fix(report.at, report.latitude, report.longitude), before.anchors[-1]
        return Observation(
            at=report.at,
            xy=self._index.xy(latest),
            elapsed_s=report.at - before.at,
            anchor=mark,
            moved_m=self._apart_m(latest, mark),
            is_anchor=placed.anchors is not before.anchors,
            stationary_s=placed.stationary_s,
            reported=self._index.route_lookup.resolve(report),
        )

    def _search_again(self, belief: VehicleState, claims: ReportedTrip) -> VehicleState:
        """With the journeys it may have begun since it left its last one."""
        found = initial_candidates(self._index, belief.anchors, claims, belief.last_journey)
        fresh = [replace(one, weight=one.weight + belief.no_trip_weight + ENTER_TRIP) for one in found]
        return _with_hypotheses(belief, _best_of_each_key((*belief.hypotheses, *fresh)))

    def _remember_journey(self, belief: VehicleState) -> VehicleState:
        """With the journey it is surely making, if any, for when it has left it; and whether it pauses on it."""
        best = belief.hypotheses[0] if belief.hypotheses else None
        if best is None or best.stage is not Stage.RUNNING or belief.probability(best) < CONFIRMED_PROBABILITY:
            return replace(belief, in_scheduled_dwell=False) if belief.in_scheduled_dwell else belief
        over = self._index.last_stop_m(best) - best.distance_m < TERMINAL_RADIUS_M
        pausing = belief.stationary_s >= SCHEDULED_DWELL_S and self._index.has_scheduled_dwell(best)
        return replace(
            belief, last_journey=replace(best, stage=Stage.ENDED) if over else best, in_scheduled_dwell=pausing
        )

    def _update_base(self, belief: VehicleState) -> VehicleState:
        """Whether it stands where it is parked: where it once stood long, off every line."""
        if belief.stationary_s >= PARKED_S and belief.no_trip_probability > 0.5:
            return belief if belief.at_base else replace(belief, base=belief.stationary_since, at_base=True)
        if belief.base is None:
            return belief
        here = Fix(belief.at, belief.latitude, belief.longitude)
        return replace(belief, at_base=self._apart_m(here, belief.base) <= BASE_RADIUS_M)

    def _apart_m(self, here: Fix, there: Fix) -> float:
        (x, y), (other_x, other_y) = self._index.xy(here), self._index.xy(there)
        return hypot(x - other_x, y - other_y)

    def _is_outlier(self, here: Fix, there: Fix) -> bool:
        return self._apart_m(here, there) > MAX_JUMP_MS * (here.at - there.at) + MAX_JUMP_M


def _with_reported_trip(belief: VehicleState, claims: ReportedTrip) -> VehicleState:
    return replace(
        belief,
        reported_trip_id=claims.trip_id,
        out_of_service=claims.out_of_service,
        unknown_route=claims.unknown_route,
    )


def _with_hypotheses(belief: VehicleState, hypotheses: Sequence[Hypothesis]) -> VehicleState:
    """With these hypotheses: weights made relative to the best, the faintest and the long unseen dropped."""
    best = max([belief.no_trip_weight, *(one.total_weight for one in hypotheses)])
    kept = [
        replace(one, weight=round(one.weight - best, 4))
        for one in hypotheses
        if one.total_weight - best > PRUNE_BELOW and belief.at - one.last_seen_at < MAX_SILENCE_S
    ]
    kept.sort(key=lambda one: one.total_weight, reverse=True)
    return replace(
        belief, no_trip_weight=max(PRUNE_BELOW, belief.no_trip_weight - best), hypotheses=tuple(kept[:MAX_HYPOTHESES])
    )


def _best_of_each_key(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Of several ways to think of one journey the likeliest."""
    best: dict[HypothesisKey, Hypothesis] = {}
    for one in hypotheses:
        if one.key not in best or one.weight > best[one.key].weight:
            best[one.key] = one
    return list(best.values())


def _no_trip_weight(belief: VehicleState) -> float:
    """The weight of making no journey, with those that leave theirs."""
    return log(exp(belief.no_trip_weight) + exp(LEAVE_TRIP) * sum(exp(one.total_weight) for one in belief.hypotheses))
