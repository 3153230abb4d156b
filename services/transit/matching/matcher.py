"""Map matching of vehicle positions to trips: several hypotheses weighed by positions, schedule and reported trip.

A hidden Markov model over (pattern, distance along its shape, journey) and one state of making no journey, in
logarithms. Evidence is weighed only at anchors: positions at least ANCHOR_SPACING_M of displacement apart, so that
neither a bus that stands nor one that reports every second counts the same evidence twice. No single report decides,
and what the vehicle reports of its trip counts only as long as its movement agrees.
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
from services.transit.matching.vehicle_state import (
    PARKED_S,
    AnchorPosition,
    Hypothesis,
    HypothesisKey,
    HypothesisStage,
    VehicleState,
)
from services.transit.model.position_report import PositionReport

STATIONARY_M = 20.0
"""The position of a tracker at rest wanders this far."""
BASE_RADIUS_M = 150.0
"""How large a depot is."""
MAX_JUMP_MS, MAX_JUMP_M = 40.0, 200.0
"""A position further from the last one than this speed and distance allow is an outlier."""
MAX_SILENCE_S = 2_400.0
"""After this long without a report the vehicle's state begins anew."""
MAX_ANCHORS = 5
"""How many of the last anchors are kept."""
STARTUP_S, STARTUP_ANCHORS = 600.0, 3
"""While a state is this young and has so few anchors, each anchor begins it anew: only movement shows directions."""
SEARCH_AGAIN_PROBABILITY = 0.3
"""When the probability of making no trip is above this, new candidates are searched."""
CONFIRMED_PROBABILITY = 0.8
"""A journey of at least this probability is remembered when it is over."""


class Matcher:
    """Matches reports to the journeys of one network. Holds no vehicle's state: the caller keeps it."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._index = NetworkIndex(network)

    def match(self, state: VehicleState | None, report: PositionReport) -> VehicleState:
        """The vehicle's state after a report, given the state before it. Reports come in the order of their times.

        A report that is not newer than the state changes nothing. The first outlier is only remembered; a second one
        near it begins the state anew.
        """
        if state is None or state.version != self.network.version or report.at - state.at > MAX_SILENCE_S:
            return self._first_state(report)
        if report.at <= state.at:
            return state
        latest = AnchorPosition(report.at, report.latitude, report.longitude)
        if self._is_outlier(latest, AnchorPosition(state.at, state.latitude, state.longitude)):
            if state.outlier is None or self._is_outlier(latest, state.outlier):
                return replace(state, outlier=latest)
            return self._first_state(report)
        return self._update(self._at_new_position(state, latest), state, report)

    def _first_state(self, report: PositionReport) -> VehicleState:
        anchor = AnchorPosition(report.at, report.latitude, report.longitude)
        reported = self._index.route_lookup.resolve(report)
        state = VehicleState(self.network.version, report.at, report.latitude, report.longitude, (anchor,), anchor)
        candidates = initial_candidates(self._index, (anchor,), reported, None)
        return _with_hypotheses(_with_reported_trip(state, reported), candidates)

    def _at_new_position(self, state: VehicleState, latest: AnchorPosition) -> VehicleState:
        """The state at the new position, before the hypotheses are updated."""
        is_anchor = self._separation_m(latest, state.anchors[-1]) >= ANCHOR_SPACING_M
        moved = self._separation_m(latest, state.stationary_since) > STATIONARY_M
        return replace(
            state,
            at=latest.at,
            latitude=latest.latitude,
            longitude=latest.longitude,
            anchors=(*state.anchors[1 - MAX_ANCHORS :], latest) if is_anchor else state.anchors,
            stationary_since=latest if moved else state.stationary_since,
            has_moved=state.has_moved or is_anchor,
            outlier=None,
        )

    def _update(self, moved: VehicleState, before: VehicleState, report: PositionReport) -> VehicleState:
        index, observation = self._index, self._observe(moved, before, report)
        is_anchor, reported = observation.is_anchor, observation.reported
        state = self._update_base(_with_reported_trip(moved, reported))
        if is_anchor and len(state.anchors) <= STARTUP_ANCHORS and observation.at - state.anchors[0].at < STARTUP_S:
            candidates = initial_candidates(index, state.anchors, reported, state.last_journey)
            return _with_hypotheses(replace(state, no_trip_weight=0.0), candidates)
        started = start_next_trips(index, before.hypotheses, observation)
        advanced = list(advance_hypotheses(index, started, observation))
        hypotheses = mark_arrived(index, weigh_schedule(index, advanced, observation), observation)
        no_trip_weight = before.no_trip_weight
        if is_anchor:  # out of service, a bus drives along routes as well as anywhere
            no_trip_weight = _no_trip_weight(before) + (0.0 if reported.out_of_service else NO_TRIP_ANCHOR)
        newly_reported = reported.trip_id != before.reported_trip_id
        if is_anchor or newly_reported:
            best = max([no_trip_weight, *(hypothesis.total_weight for hypothesis in hypotheses)])
            hypotheses += reported_candidates(index, hypotheses, observation, best, newly_reported=newly_reported)
        if is_anchor:
            hypotheses += alternative_candidates(index, hypotheses, observation)
        after = _with_hypotheses(replace(state, no_trip_weight=no_trip_weight), hypotheses)
        if is_anchor and after.no_trip_probability > SEARCH_AGAIN_PROBABILITY:
            after = self._search_again(after, reported)
        return self._remember_journey(after)

    def _observe(self, moved: VehicleState, before: VehicleState, report: PositionReport) -> Observation:
        latest, anchor = AnchorPosition(report.at, report.latitude, report.longitude), before.anchors[-1]
        return Observation(
            at=report.at,
            xy=self._index.xy(latest),
            elapsed_s=report.at - before.at,
            anchor=anchor,
            moved_m=self._separation_m(latest, anchor),
            is_anchor=moved.anchors is not before.anchors,
            stationary_s=moved.stationary_s,
            reported=self._index.route_lookup.resolve(report),
        )

    def _search_again(self, state: VehicleState, reported: ReportedTrip) -> VehicleState:
        """The state with the journeys that the vehicle may have begun since it left its last one."""
        found = initial_candidates(self._index, state.anchors, reported, state.last_journey)
        entered = [
            replace(candidate, weight=candidate.weight + state.no_trip_weight + ENTER_TRIP) for candidate in found
        ]
        return _with_hypotheses(state, _best_of_each_key((*state.hypotheses, *entered)))

    def _remember_journey(self, state: VehicleState) -> VehicleState:
        """The state with the confirmed journey, if any, as the last one, and whether the bus waits at a stop on it."""
        best = state.hypotheses[0] if state.hypotheses else None
        if best is None or best.stage is not HypothesisStage.RUNNING or state.probability(best) < CONFIRMED_PROBABILITY:
            return replace(state, in_scheduled_dwell=False) if state.in_scheduled_dwell else state
        nearly_over = self._index.last_stop_m(best) - best.distance_m < TERMINAL_RADIUS_M
        return replace(
            state,
            last_journey=replace(best, stage=HypothesisStage.ENDED) if nearly_over else best,
            in_scheduled_dwell=state.stationary_s >= SCHEDULED_DWELL_S and self._index.has_scheduled_dwell(best),
        )

    def _update_base(self, state: VehicleState) -> VehicleState:
        """The state with its base and whether it is there. A base is where the vehicle once stood long, on no trip."""
        if state.stationary_s >= PARKED_S and state.no_trip_probability > 0.5:
            return state if state.at_base else replace(state, base=state.stationary_since, at_base=True)
        if state.base is None:
            return state
        latest = AnchorPosition(state.at, state.latitude, state.longitude)
        return replace(state, at_base=self._separation_m(latest, state.base) <= BASE_RADIUS_M)

    def _separation_m(self, fix: AnchorPosition, other: AnchorPosition) -> float:
        (x, y), (other_x, other_y) = self._index.xy(fix), self._index.xy(other)
        return hypot(x - other_x, y - other_y)

    def _is_outlier(self, fix: AnchorPosition, last: AnchorPosition) -> bool:
        return self._separation_m(fix, last) > MAX_JUMP_MS * (fix.at - last.at) + MAX_JUMP_M


def _with_reported_trip(state: VehicleState, reported: ReportedTrip) -> VehicleState:
    return replace(
        state,
        reported_trip_id=reported.trip_id,
        out_of_service=reported.out_of_service,
        unknown_route=reported.unknown_route,
    )


def _with_hypotheses(state: VehicleState, hypotheses: Sequence[Hypothesis]) -> VehicleState:
    """The state with these hypotheses: weights relative to the best, the least likely and the long unseen dropped."""
    best = max([state.no_trip_weight, *(hypothesis.total_weight for hypothesis in hypotheses)])
    kept = [
        replace(hypothesis, weight=round(hypothesis.weight - best, 4))
        for hypothesis in hypotheses
        if hypothesis.total_weight - best > PRUNE_BELOW and state.at - hypothesis.last_seen_at < MAX_SILENCE_S
    ]
    kept.sort(key=lambda hypothesis: hypothesis.total_weight, reverse=True)
    no_trip_weight = max(PRUNE_BELOW, state.no_trip_weight - best)
    return replace(state, no_trip_weight=no_trip_weight, hypotheses=tuple(kept[:MAX_HYPOTHESES]))


def _best_of_each_key(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Of several hypotheses of one journey the likeliest."""
    best: dict[HypothesisKey, Hypothesis] = {}
    for hypothesis in hypotheses:
        if hypothesis.key not in best or hypothesis.weight > best[hypothesis.key].weight:
            best[hypothesis.key] = hypothesis
    return list(best.values())


def _no_trip_weight(state: VehicleState) -> float:
    """Weight of making no journey, those included that leave theirs at this anchor."""
    on_trip = sum(exp(hypothesis.total_weight) for hypothesis in state.hypotheses)
    return log(exp(state.no_trip_weight) + exp(LEAVE_TRIP) * on_trip)
