"""Readings and the clock move the rules' states; what moved becomes transitions, alerts and notices.

Everything happens in the caller's transaction. The states of the subjects concerned are locked in the order of their
names first, so that two processes judging the same station take turns instead of deadlocking or overlooking each other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from alerts import record, rules
from alerts.attention import settle
from alerts.rulebook import NAMES, Rulebook, outlook_of
from alerts.rules import State
from models.alert import NAR, Cause, Change, Transition
from models.reading import Reading
from models.rows import driver
from models.rule import ALONE, Around, Rainfall, Rule, Silence, Stage

TICK_AFTER = timedelta(seconds=30)
"""A subject judged more recently needs no tick, unless it holds a colour."""
MOST_TICKED = 5_000
"""Subjects ticked in one transaction, the longest unjudged first."""

_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODE = msgspec.json.Encoder()
_DECODERS: dict[type[State], msgspec.json.Decoder[State]] = {}


@dataclass(slots=True)
class _Subject:
    """A subject's states while they are being moved."""

    id: str
    states: dict[str, State]
    changed: bool = False


@dataclass(slots=True)
class Judged:
    """What a run of the engine did."""

    transitions: list[tuple[Rule, Transition]] = field(default_factory=list)


def evaluate(
    transaction: Connection, book: Rulebook, arrived: Mapping[str, Sequence[Reading]], now: datetime
) -> Judged:
    """Judge the fresh readings of each station, in their order of arrival. Every station has rules in the book."""
    judged = Judged()
    subjects = _locked(transaction, book, arrived)
    around = _Surroundings(transaction, book, subjects)
    for station in sorted(arrived, key=lambda station: _judges_water(book, station)):
        subject = subjects[station]
        for rule in book.rules[station]:
            beside = around.of(rule)
            for reading in arrived[station]:
                state, transition = rules.judge(rule, subject.states[rule.id], reading, beside)
                subject.states[rule.id] = state
                if transition is not None:
                    judged.transitions.append((rule, replace(transition, decided_at=now)))
        subject.changed = True
    _keep(transaction, book, subjects.values(), judged, now)
    return judged


def tick(transaction: Connection, book: Rulebook, kinds: Sequence[str], now: datetime) -> Judged:
    """Let time pass for subjects of these kinds that no reading moved lately: silence, holds and recessions."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT s.subject FROM subject_states s JOIN stations p ON p.id = s.subject WHERE p.active AND p.kind = ANY(%s)"
            " AND (s.judged_at < %s OR jsonb_path_exists(s.colours, '$.* ? (@ > 0)')) ORDER BY s.judged_at LIMIT %s",
            [list(kinds), now - TICK_AFTER, MOST_TICKED],
        )
        due = [row[0] for row in cursor if row[0] in book.rules]
    judged = Judged()
    subjects = _locked(transaction, book, due)
    around = _Surroundings(transaction, book, subjects)
    for station, subject in subjects.items():
        for rule in book.rules[station]:
            before = subject.states[rule.id]
            state, transition = rules.tick(rule, before, now, around.of(rule))
            subject.states[rule.id] = state
            subject.changed |= state != before
            if transition is not None:
                judged.transitions.append((rule, transition))
    _keep(transaction, book, subjects.values(), judged, now)
    return judged


def _judges_water(book: Rulebook, station: str) -> bool:
    """Streams come last: they look at what the rain gauges beside them just said."""
    return any(isinstance(rule.judgement, Stage) for rule in book.rules[station])


def _locked(transaction: Connection, book: Rulebook, stations: Iterable[str]) -> dict[str, _Subject]:
    with driver(transaction).cursor(binary=True) as cursor:
        cursor.execute(
            "SELECT subject, states FROM subject_states WHERE subject = ANY(%b) ORDER BY subject FOR UPDATE",
            [sorted(stations)],
        )
        kept = dict(cursor.fetchall())
    return {station: _Subject(station, _states(book, station, kept.get(station))) for station in stations}


def _states(book: Rulebook, station: str, kept: bytes | None) -> dict[str, State]:
    """The state of each of the station's rules; a new rule, or one of another sort than before, starts fresh."""
    raw = _RAW.decode(kept) if kept else {}
    states: dict[str, State] = {}
    for rule in book.rules.get(station, ()):
        kept_state = raw.get(_key(rule))
        states[rule.id] = rules.fresh(rule.judgement) if kept_state is None else _decoded(rule, kept_state)
    return states


def _decoded(rule: Rule, kept: msgspec.Raw) -> State:
    state_type = rules.state_type(rule.judgement)
    decoder = _DECODERS.get(state_type)
    if decoder is None:
        decoder = _DECODERS[state_type] = msgspec.json.Decoder(state_type)
    return decoder.decode(kept)


def _key(rule: Rule) -> str:
    """Under what a rule's state is kept: a rule that became one of another sort finds nothing and starts fresh."""
    return f"{rule.id}:{NAMES[type(rule.judgement)]}"


class _Surroundings:
    """What the neighbours of a rule's subject say: from the states at hand, or read without a lock when first asked."""

    def __init__(self, transaction: Connection, book: Rulebook, at_hand: Mapping[str, _Subject]) -> None:
        self._book = book
        self._subjects = dict(at_hand)
        asked = {neighbour for station in at_hand for rule in book.rules[station] for neighbour in _neighbours(rule)}
        missing = sorted(asked - at_hand.keys())
        if missing:
            with driver(transaction).cursor(binary=True) as cursor:
                cursor.execute("SELECT subject, states FROM subject_states WHERE subject = ANY(%b)", [missing])
                for station, kept in cursor:
                    self._subjects[station] = _Subject(station, _states(book, station, kept))

    def of(self, rule: Rule) -> Around:
        """The surroundings a rule looks at; nothing for those that look only at their own sensor."""
        match rule.judgement:
            case Stage(upstream=(), rain=()):
                return Around(outlook=outlook_of(self._book, rule.subject))
            case Stage(upstream=upstream, rain=rain):
                return Around(
                    rain=self._colour(rain, Rainfall),
                    upstream=self._colour(upstream, Stage),
                    rain_15_min_mm=self._rain_15_min_mm(rain),
                    outlook=outlook_of(self._book, rule.subject),
                )
            case Silence():
                return Around(stage=self._colour((rule.subject,), Stage))
            case _:
                return ALONE

    def _of_sort(self, stations: Iterable[str], judgement: type) -> Iterator[State]:
        for station in stations:
            for rule in self._book.rules.get(station, ()):
                if isinstance(rule.judgement, judgement) and station in self._subjects:
                    yield self._subjects[station].states[rule.id]

    def _colour(self, stations: Iterable[str], judgement: type) -> NAR:
        return max((state.nar for state in self._of_sort(stations, judgement)), default=NAR.VERDE)

    def _rain_15_min_mm(self, stations: Iterable[str]) -> float | None:
        return max((rules.rain_15_min_mm(state) for state in self._of_sort(stations, Rainfall)), default=None)


def _neighbours(rule: Rule) -> tuple[str, ...]:
    return (*rule.judgement.upstream, *rule.judgement.rain) if isinstance(rule.judgement, Stage) else ()


def _keep(transaction: Connection, book: Rulebook, subjects: Iterable[_Subject], judged: Judged, now: datetime) -> None:
    """Save the moved states, then everything that follows from the transitions."""
    moved = sorted((subject for subject in subjects if subject.changed), key=lambda subject: subject.id)
    if moved:
        with driver(transaction).cursor() as cursor:
            cursor.execute(
                "INSERT INTO subject_states (subject, states, colours, judged_at)"
                " SELECT s, t, c, %s FROM unnest(%b::text[], %b::bytea[], %b::jsonb[]) AS new (s, t, c)"
                " ON CONFLICT (subject) DO UPDATE SET states = excluded.states, colours = excluded.colours,"
                " judged_at = excluded.judged_at",
                [now, *(list(column) for column in zip(*(_row(book, subject) for subject in moved), strict=True))],
            )
    if judged.transitions:
        outages = settle(transaction, book, [rule for rule, _ in judged.transitions], now)
        for rule, transition in judged.transitions:
            place = book.places[rule.subject]
            # A sensor that died above a threshold is told of even in an outage: it may be the flood that took it.
            spoken_for = (
                isinstance(rule.judgement, Silence)
                and (place.municipality, place.kind) in outages
                and transition.after < NAR.ROJO
            )
            record.transition(transaction, place, record.origin_of(rule), transition, tell=not spoken_for)


def _row(book: Rulebook, subject: _Subject) -> tuple[str, bytes, str]:
    states = {_key(rule): subject.states[rule.id] for rule in book.rules[subject.id]}
    colours = {NAMES[type(rule.judgement)]: int(subject.states[rule.id].nar) for rule in book.rules[subject.id]}
    return subject.id, _ENCODE.encode(states), _ENCODE.encode(colours).decode()


def blame(transaction: Connection, book: Rulebook, station: str, trouble: str, now: datetime) -> None:
    """A rule failed on this station: its readings are kept, and a person is told that nobody judges them."""
    origin = record.Origin(f"{station}/evaluator", 1, "evaluator")
    if record.is_open(transaction, origin, station):
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
    record.transition(transaction, book.places[station], origin, fault, tell=True)
