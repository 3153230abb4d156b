"""Readings and the clock move the rules' states; what moved becomes transitions, alerts and notices.

Deciding is pure; keeping happens in the caller's transaction, with the rows of the readings themselves.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from alerts import transition_log
from alerts.area_levels import update_area_levels
from alerts.rule_states import RuleStates, StatesByRule
from alerts.rulebook import Rulebook, exceedance_model
from alerts.rules import dispatch
from alerts.rules.dispatch import State
from alerts.rules.steady_run import steady_run
from models.alert import NAR, Cause, Change, Transition
from models.reading import Reading
from models.rows import PendingWrite, driver
from models.rule import NO_CONTEXT, UNTRAINED, Judgement, Rainfall, Rule, RuleContext, Silence, Stage

TICK_AFTER = timedelta(seconds=30)
"""A subject judged more recently needs no tick, unless it holds a colour."""
LONG_RUN = 4
"""Readings of a station from which a look at all of them together is cheaper than one at each."""
MOST_TICKED = 5_000
"""Subjects ticked in one transaction, the longest unjudged first."""


@dataclass(slots=True)
class Evaluation:
    """What came of judging: the states that moved, by subject, and the transitions in their order."""

    states: dict[str, StatesByRule] = field(default_factory=dict)
    transitions: list[tuple[Rule, Transition]] = field(default_factory=list)
    confirmed_changes: list[Rule] = field(default_factory=list)
    """Rules whose proven colour moved, with a transition or without."""
    all_verde: bool = True
    """Nothing judged holds a colour, so that the states after it follow from the readings alone."""

    def add(self, other: "Evaluation") -> None:
        """Both, as if judged at once."""
        self.states |= other.states
        self.transitions += other.transitions
        self.confirmed_changes += other.confirmed_changes
        self.all_verde = self.all_verde and other.all_verde


def required_subjects(book: Rulebook, stations: Iterable[str]) -> set[str]:
    """The subjects whose states judging these stations needs: themselves and the neighbours their rules look at."""
    stations = set(stations)
    return stations.union(*(book.neighbours[station] for station in stations & book.neighbours.keys()))


def evaluate(book: Rulebook, states: RuleStates, arrived: Mapping[str, Sequence[Reading]], now: datetime) -> Evaluation:
    """Judge the fresh readings of each station, in their order of arrival. Pure; the states must have been fetched.

    Streams come last: they look at what the rain gauges beside them just said.
    """
    judged = Evaluation()
    context = _ContextReader(book, states, judged)
    for station in sorted(arrived, key=book.streams.__contains__):
        known, readings = states.states_of(station), arrived[station]
        moved: StatesByRule = {}
        calm = steady_run(readings) if len(readings) >= LONG_RUN else None
        for rule in book.rules[station]:
            before = state = known[rule.id]
            beside = context.context_of(rule) if isinstance(rule.judgement, Stage) else NO_CONTEXT
            if calm is not None and (after := dispatch.skip_steady_run(rule, state, calm, beside)) is not None:
                moved[rule.id] = after
                continue
            judge = dispatch.judge_for(rule, state, beside)
            for reading in readings:
                state, transition = judge(state, reading)
                if transition is not None:
                    judged.transitions.append((rule, replace(transition, decided_at=now)))
            moved[rule.id] = state
            if state.nar or before.nar:
                judged.all_verde = False
                if dispatch.confirmed_nar(state) != dispatch.confirmed_nar(before):
                    judged.confirmed_changes.append(rule)
        judged.states[station] = moved
    return judged


def due_subjects(transaction: Connection, book: Rulebook, kinds: Sequence[str], now: datetime) -> list[str]:
    """Subjects of these kinds that time alone may move: not judged lately, or holding a colour."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT s.subject FROM subject_states s JOIN stations p ON p.id = s.subject"
            " WHERE p.active AND p.kind = ANY(%s)"
            " AND (s.judged_at < %s OR jsonb_path_exists(s.colours, '$.* ? (@ > 0)')) ORDER BY s.judged_at LIMIT %s",
            [list(kinds), now - TICK_AFTER, MOST_TICKED],
        )
        return [row[0] for row in cursor if row[0] in book.rules]


def tick(book: Rulebook, states: RuleStates, subjects: Iterable[str], now: datetime) -> Evaluation:
    """Let time pass for these subjects: silence, holds and recessions. Pure, like `evaluate`."""
    judged = Evaluation()
    context = _ContextReader(book, states, judged)
    for station in subjects:
        before = states.states_of(station)
        moved: StatesByRule = {}
        for rule in book.rules[station]:
            moved[rule.id], transition = dispatch.tick(rule, before[rule.id], now, context.context_of(rule))
            if transition is not None:
                judged.transitions.append((rule, transition))
            if dispatch.confirmed_nar(moved[rule.id]) != dispatch.confirmed_nar(before[rule.id]):
                judged.confirmed_changes.append(rule)
        if moved != before:
            judged.states[station] = moved
    return judged


def store_evaluation(
    transaction: Connection, book: Rulebook, states: RuleStates, judged: Evaluation, now: datetime
) -> PendingWrite | None:
    """Write the moved states and everything that follows from the transitions, in the caller's transaction.

    `verify` what comes back: another process may have judged the same subjects. Once committed, `states.mark_written`.
    """
    written = states.write(transaction, book, judged.states, now)
    if judged.transitions or judged.confirmed_changes:
        _log_transitions(transaction, book, judged, now)
    return written


def _log_transitions(transaction: Connection, book: Rulebook, judged: Evaluation, now: datetime) -> None:
    outages = update_area_levels(
        transaction, book, [*judged.confirmed_changes, *(rule for rule, _ in judged.transitions)], now
    )
    for rule, transition in judged.transitions:
        place = book.stations[rule.subject]
        # A sensor that died above a threshold is told of even in an outage: it may be the flood that took it.
        spoken_for = (
            isinstance(rule.judgement, Silence)
            and (place.municipality, place.kind) in outages
            and transition.after < NAR.ROJO
        )
        transition_log.log_transition(
            transaction, place, transition_log.origin_of(rule), transition, tell=not spoken_for
        )


def report_fault(transaction: Connection, book: Rulebook, station: str, trouble: str, now: datetime) -> None:
    """A rule failed on this station: its readings are kept, and a person is told that nobody judges them."""
    origin = transition_log.Origin(f"{station}/evaluator", 1, "evaluator")
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
    transition_log.log_transition(transaction, book.stations[station], origin, fault, tell=True)


class _ContextReader:
    """What the neighbours of a rule's subject say: as just judged, or as they were."""

    def __init__(self, book: Rulebook, states: RuleStates, judged: Evaluation) -> None:
        self._book, self._states, self._judged = book, states, judged

    def context_of(self, rule: Rule) -> RuleContext:
        """The surroundings a rule looks at; nothing for those that look only at their own sensor."""
        match rule.judgement:
            case Stage(upstream=(), rain=()):
                exceedance = exceedance_model(self._book, rule.subject)
                return NO_CONTEXT if exceedance is UNTRAINED else RuleContext(exceedance=exceedance)
            case Stage(upstream=upstream, rain=rain):
                return RuleContext(
                    rain_nar=self._worst_nar(rain, Rainfall),
                    upstream_nar=self._worst_nar(upstream, Stage),
                    rain_15_min_mm=self._rain_15_min_mm(rain),
                    exceedance=exceedance_model(self._book, rule.subject),
                )
            case Silence():
                return RuleContext(stage_nar=self._worst_nar((rule.subject,), Stage))
            case _:
                return NO_CONTEXT

    def _states_by_judgement(self, stations: Iterable[str], judgement: type[Judgement]) -> Iterator[State]:
        for station in stations:
            states = self._judged.states.get(station)
            for rule in self._book.rules.get(station, ()):
                if isinstance(rule.judgement, judgement):
                    yield (states or self._states.states_of(station))[rule.id]

    def _worst_nar(self, stations: Iterable[str], judgement: type[Judgement]) -> NAR:
        return max((state.nar for state in self._states_by_judgement(stations, judgement)), default=NAR.VERDE)

    def _rain_15_min_mm(self, stations: Iterable[str]) -> float | None:
        return max(map(dispatch.rain_15_min_mm, self._states_by_judgement(stations, Rainfall)), default=None)
