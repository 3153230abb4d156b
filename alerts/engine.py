"""Alert engine: evaluates rules on new readings and on the clock, and writes states, transitions, alerts and notices.

Evaluation is pure. Writing happens in the caller's transaction, together with the rows of the readings.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from alerts import transition_log
from alerts.alert_log import Origin
from alerts.area_levels import update_area_levels
from alerts.rule_states import RuleStates, StatesByRule
from alerts.rulebook import Rulebook, exceedance_model
from alerts.rules import dispatch
from alerts.rules.dispatch import State
from alerts.rules.silence import limit_s
from alerts.rules.stage import StageState
from alerts.rules.steady_run import steady_run
from models.alert import NAR, Cause, Change, Transition
from models.reading import Reading
from models.rows import PendingWrite, driver
from models.rule import (
    NO_CONTEXT,
    UNTRAINED,
    ExtremeSpeed,
    Judgement,
    Rainfall,
    RainLimit,
    Rule,
    RuleContext,
    Silence,
    SpeedTrend,
    Stage,
)

TICK_AFTER = timedelta(seconds=30)
"""A subject evaluated more recently than this needs no tick, unless it holds a colour above verde."""
MIN_STEADY_RUN = 4
"""Readings of one station from which it is cheaper to check them together than to judge each one."""
MAX_TICKED = 5_000
"""Subjects ticked in one transaction. Those not evaluated for longest come first."""


DEFAULT_ALLOWED_AGE_S = 900.0
"""The allowed age of readings of a station that no rule watches for silence."""
OLD_READING = "reading_age_s"
"""Key of the evidence that a colour comes from a reading older than is allowed: its age when it was judged, s."""


@dataclass(slots=True)
class Evaluation:
    """The result of evaluating rules: new states by subject, and transitions in order."""

    states: dict[str, StatesByRule] = field(default_factory=dict)
    transitions: list[tuple[Rule, Transition]] = field(default_factory=list)
    confirmed_changes: list[Rule] = field(default_factory=list)
    """Rules whose confirmed colour changed, with or without a transition."""
    all_verde: bool = True
    """True where no evaluated state holds a colour. Then the new states follow from the readings alone."""

    def add(self, other: "Evaluation") -> None:
        """Merge another evaluation into this one."""
        self.states |= other.states
        self.transitions += other.transitions
        self.confirmed_changes += other.confirmed_changes
        self.all_verde = self.all_verde and other.all_verde


def required_subjects(book: Rulebook, stations: Iterable[str]) -> set[str]:
    """The subjects whose states are needed to evaluate these stations: the stations and their rules' neighbours."""
    stations = set(stations)
    return stations.union(*(book.neighbours[station] for station in stations & book.neighbours.keys()))


def evaluate(
    book: Rulebook, states: RuleStates, new_readings: Mapping[str, Sequence[Reading]], now: datetime
) -> Evaluation:
    """Evaluate the rules of each station on its new readings, in order of arrival. Pure.

    The states of `required_subjects` must be loaded. Streams are evaluated last, so that their rules see the rain
    gauges' new states.
    """
    evaluation = Evaluation()
    contexts = _ContextReader(book, states, evaluation)
    for station in sorted(new_readings, key=book.streams.__contains__):
        before, readings = states.states_of(station), new_readings[station]
        after: StatesByRule = {}
        run = steady_run(readings) if len(readings) >= MIN_STEADY_RUN else None
        for rule in book.rules[station]:
            state = before[rule.id]
            context = contexts.context_of(rule) if isinstance(rule.judgement, Stage) else NO_CONTEXT
            if run is not None and (skipped := dispatch.skip_steady_run(rule, state, run, context)) is not None:
                after[rule.id] = skipped
                continue
            judge = dispatch.judge_for(rule, state, context)
            for reading in readings:
                state, transition = judge(state, reading)
                if transition is not None:
                    evaluation.transitions.append((rule, _decided(transition, book.rules[station], now)))
            after[rule.id] = state
            if state.nar or before[rule.id].nar:
                evaluation.all_verde = False
                if dispatch.confirmed_nar(state) != dispatch.confirmed_nar(before[rule.id]):
                    evaluation.confirmed_changes.append(rule)
        evaluation.states[station] = after
    return evaluation


def _decided(transition: Transition, rules: Iterable[Rule], now: datetime) -> Transition:
    """The transition as decided now. One that holds a colour says so where its reading is older than is allowed here.

    Such a reading was delayed, or its device's clock is wrong, such as local time sent as UTC. The allowance is that of
    the station's silence rule: beyond it, a station that sends nothing counts as silent.
    """
    age_s = (now - transition.observed_at).total_seconds()
    if not transition.after or age_s <= _allowed_age_s(rules):
        return replace(transition, decided_at=now)
    return replace(transition, decided_at=now, evidence={**transition.evidence, OLD_READING: round(age_s)})


def _allowed_age_s(rules: Iterable[Rule]) -> float:
    """The age beyond which a reading of a station does not speak of the present, s."""
    silences = (rule.judgement for rule in rules if isinstance(rule.judgement, Silence))
    return max(map(limit_s, silences), default=DEFAULT_ALLOWED_AGE_S)


def due_subjects(transaction: Connection, book: Rulebook, kinds: Sequence[str], now: datetime) -> list[str]:
    """Subjects of these kinds that need a tick: not evaluated for `TICK_AFTER`, or holding a colour above verde.

    Also those evaluated at a time that has not come: the clock was ahead then.
    """
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT s.subject FROM subject_states s JOIN stations p ON p.id = s.subject"
            " WHERE p.active AND p.kind = ANY(%s)"
            " AND (s.judged_at < %s OR s.judged_at > %s OR jsonb_path_exists(s.colours, '$.* ? (@ > 0)'))"
            " ORDER BY s.judged_at LIMIT %s",
            [list(kinds), now - TICK_AFTER, now, MAX_TICKED],
        )
        return [row[0] for row in cursor if row[0] in book.rules]


def tick(
    book: Rulebook,
    states: RuleStates,
    subjects: Iterable[str],
    now: datetime,
    clock_trusted_since: datetime | None = None,
) -> Evaluation:
    """Evaluate what time alone changes for these subjects: silence, holds and recessions. Pure, like `evaluate`.

    clock_trusted_since: what was heard before cannot be compared with `now`, because the clock was wrong or went to
    another time; None where it always was right.
    """
    evaluation = Evaluation()
    contexts = _ContextReader(book, states, evaluation, clock_trusted_since)
    for subject in subjects:
        before = states.states_of(subject)
        after: StatesByRule = {}
        for rule in book.rules[subject]:
            after[rule.id], transition = dispatch.tick(rule, before[rule.id], now, contexts.context_of(rule))
            if transition is not None:
                evaluation.transitions.append((rule, transition))
            if dispatch.confirmed_nar(after[rule.id]) != dispatch.confirmed_nar(before[rule.id]):
                evaluation.confirmed_changes.append(rule)
        if after != before:
            evaluation.states[subject] = after
    return evaluation


def store_evaluation(
    transaction: Connection, book: Rulebook, states: RuleStates, evaluation: Evaluation, now: datetime
) -> PendingWrite | None:
    """Write the changed states and the consequences of the transitions, in the caller's transaction.

    Call `check_row_count` on the result: another process may have evaluated the same subjects. After the commit, call
    `states.mark_written`.
    """
    written = states.write(transaction, book, evaluation.states, now)
    if evaluation.transitions or evaluation.confirmed_changes:
        _log_transitions(transaction, book, evaluation, now)
    return written


def _log_transitions(transaction: Connection, book: Rulebook, evaluation: Evaluation, now: datetime) -> None:
    changed = [*evaluation.confirmed_changes, *(rule for rule, _ in evaluation.transitions)]
    outages = update_area_levels(transaction, book, changed, now)
    for rule, transition in evaluation.transitions:
        station = book.stations[rule.subject]
        # A sensor lost above a threshold is notified even in an outage: the flood may have taken it.
        covered_by_outage = (
            isinstance(rule.judgement, Silence)
            and (station.municipality, station.kind) in outages
            and transition.after < NAR.ROJO
        )
        origin = transition_log.origin_of(rule)
        transition_log.log_transition(transaction, station, origin, transition, notify=not covered_by_outage)


def report_fault(transaction: Connection, book: Rulebook, station: str, trouble: str, now: datetime) -> None:
    """Open an alert that a rule failed on this station, so that a person knows its readings are stored but not judged.

    trouble: what failed. Does nothing while such an alert is open.
    """
    origin = Origin(f"{station}/evaluator", 1, "evaluator")
    if transition_log.has_open_alert(transaction, origin, station):
        return
    fault = Transition(
        before=NAR.VERDE,
        after=NAR.NARANJA,
        change=Change.RAISED,
        cause=Cause.EVALUATOR,
        observed_at=now,
        decided_at=now,
        evidence={"trouble": trouble},
    )
    transition_log.log_transition(transaction, book.stations[station], origin, fault, notify=True)


class _ContextReader:
    """Builds the context of rules from the neighbours' states: the new ones where evaluated already, else the old."""

    def __init__(
        self, book: Rulebook, states: RuleStates, evaluation: Evaluation, clock_trusted_since: datetime | None = None
    ) -> None:
        self._book, self._states, self._evaluation = book, states, evaluation
        self._trusted_since_s = 0.0 if clock_trusted_since is None else clock_trusted_since.timestamp()

    def context_of(self, rule: Rule) -> RuleContext:
        """The context of a rule; `NO_CONTEXT` for rules that depend only on their own sensor."""
        match rule.judgement:
            case Stage(upstream=(), rain=()):
                exceedance = exceedance_model(self._book, rule.subject)
                return NO_CONTEXT if exceedance is UNTRAINED else RuleContext(exceedance=exceedance)
            case Stage(upstream=upstream, rain=rain):
                rain_nar = self._worst_nar(rain, Rainfall)
                return RuleContext(
                    rain_nar=rain_nar,
                    upstream_nar=self._worst_nar(upstream, Stage),
                    rain_15_min_mm=self._rain_15_min_mm(rain),
                    rain_limit=self._rain_limit(rain, rain_nar) if rain_nar else None,
                    exceedance=exceedance_model(self._book, rule.subject),
                )
            case Silence():
                return RuleContext(
                    stage_nar=self._measured_nar(rule.subject), clock_trusted_since_s=self._trusted_since_s
                )
            case ExtremeSpeed() | SpeedTrend():
                return RuleContext(clock_trusted_since_s=self._trusted_since_s)
            case _:
                return NO_CONTEXT

    def _states_by_judgement(self, stations: Iterable[str], judgement: type[Judgement]) -> Iterator[State]:
        return (state for _, state in self._rules_with_states(stations, judgement))

    def _rules_with_states(self, stations: Iterable[str], judgement: type[Judgement]) -> Iterator[tuple[Rule, State]]:
        for station in stations:
            new_states = self._evaluation.states.get(station)
            for rule in self._book.rules.get(station, ()):
                if isinstance(rule.judgement, judgement):
                    yield rule, (new_states or self._states.states_of(station))[rule.id]

    def _worst_nar(self, stations: Iterable[str], judgement: type[Judgement]) -> NAR:
        states = self._states_by_judgement(stations, judgement)
        return max((state.nar for state in states), default=NAR.VERDE)

    def _measured_nar(self, station: str) -> NAR:
        """The colour of a stream that was ever measured; verde where only other stations gave it one."""
        states = self._states_by_judgement((station,), Stage)
        return max((state.nar for state in states if isinstance(state, StageState) and state.head_s), default=NAR.VERDE)

    def _rain_15_min_mm(self, stations: Iterable[str]) -> float | None:
        return max(map(dispatch.rain_15_min_mm, self._states_by_judgement(stations, Rainfall)), default=None)

    def _rain_limit(self, stations: Iterable[str], nar: NAR) -> RainLimit | None:
        """The limit of this colour that one of these rain gauges reaches; None where they only hold it."""
        held = ((rule, state) for rule, state in self._rules_with_states(stations, Rainfall) if state.nar == nar)
        return next((limit for one in held if (limit := dispatch.reached_rain_limit(*one)) is not None), None)
