"""What the rules remember of each subject: kept at hand between batches, checked against the tables when written."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache

import msgspec
from sqlalchemy import Connection

from alerts.rulebook import JUDGEMENT_NAMES, Rulebook
from alerts.rules import dispatch
from alerts.rules.dispatch import State
from models.alert import NAR
from models.rows import PendingWrite, driver
from models.rule import Rule

_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODE = msgspec.json.Encoder()
log = logging.getLogger(__name__)
_DECODERS: dict[type[State], msgspec.json.Decoder[State]] = {}

MOST_RULES = 65_536
"""Rules whose key is remembered."""

StatesByRule = dict[str, State]
"""A subject's states by the id of their rule."""


class _Colour(msgspec.Struct):
    """What every version's states have."""

    nar: NAR = NAR.VERDE


_COLOUR = msgspec.json.Decoder(_Colour)


class RuleStates:
    """The states of subjects met so far. One process judges a subject; should another have, writing raises."""

    def __init__(self) -> None:
        """Remembers nobody yet."""
        self._known: dict[str, tuple[int, StatesByRule]] = {}
        self.unwritten: dict[str, StatesByRule] = {}
        self._book_version: int | None = None

    def clear(self) -> None:
        """Look everything up again: something was not as remembered."""
        self._known.clear()
        self.unwritten.clear()

    def load(self, transaction: Connection, book: Rulebook, subjects: Iterable[str], *, lock: bool = False) -> None:
        """Know the states of these subjects; only those not at hand cost a query.

        lock: hold their rows until the transaction ends, in the order of their names, so that processes take turns.
        """
        if book.version != self._book_version:
            self.clear()
            self._book_version = book.version
        missing = sorted(set(subjects) - self._known.keys())
        if not missing:
            return
        query = "SELECT subject, version, states FROM subject_states WHERE subject = ANY(%b) ORDER BY subject"
        with driver(transaction).cursor(binary=True) as cursor:
            cursor.execute(query + " FOR UPDATE" if lock else query, [missing])
            kept = {subject: (version, states) for subject, version, states in cursor}
        for subject in missing:
            version, states = kept.get(subject, (0, None))
            self._known[subject] = version, _states(book, subject, states)

    def are_loaded(self, subjects: Iterable[str]) -> bool:
        """Whether the states of all of these are at hand."""
        return self._known.keys() >= set(subjects)

    def states_of(self, subject: str) -> StatesByRule:
        """The states of a subject fetched before. Not to be changed."""
        return self._known[subject][1]

    def write(
        self, transaction: Connection, book: Rulebook, moved: Mapping[str, StatesByRule], now: datetime
    ) -> PendingWrite | None:
        """Keep what moved, now or since the last time. `verify` what comes back: another process may have moved one."""
        moved = self.unwritten | dict(moved)
        if not moved:
            return None
        subjects = sorted(moved)
        cursor = driver(transaction).cursor()  # not closed, which would forget how many rows it changed
        cursor.execute(
            "INSERT INTO subject_states AS kept (subject, version, states, colours, judged_at)"
            " SELECT *, %b FROM unnest(%b::text[], %b::int8[], %b::text[], %b::jsonb[])"
            " ON CONFLICT (subject) DO UPDATE SET version = excluded.version, states = excluded.states,"
            " colours = excluded.colours, judged_at = excluded.judged_at WHERE kept.version = excluded.version - 1",
            [
                now,
                subjects,
                [self._known[subject][0] + 1 for subject in subjects],
                [
                    _encoded(
                        {
                            _key(rule.id, JUDGEMENT_NAMES[type(rule.judgement)]): moved[subject][rule.id]
                            for rule in book.rules[subject]
                        }
                    )
                    for subject in subjects
                ],
                [_colours_row(tuple(_colours(book, subject, moved[subject]))) for subject in subjects],
            ],
        )
        return PendingWrite(cursor, len(subjects))

    def mark_written(self, moved: Mapping[str, StatesByRule]) -> None:
        """What was written is committed: remember it."""
        for subject, states in (self.unwritten | dict(moved)).items():
            self._known[subject] = self._known[subject][0] + 1, states
        self.unwritten.clear()

    def keep_unwritten(self, moved: Mapping[str, StatesByRule]) -> None:
        """Remember what moved with rows that are committed, and write it with the next that is written."""
        for subject, states in moved.items():
            self._known[subject] = self._known[subject][0], states
        self.unwritten.update(moved)


def _encoded(value: object) -> str:
    return _ENCODE.encode(value).decode()


def _colours(book: Rulebook, subject: str, states: StatesByRule) -> Iterator[tuple[str, int]]:
    """By judgement; for a stream also the colour that more than one lone value speaks for."""
    for rule in book.rules[subject]:
        name, state = JUDGEMENT_NAMES[type(rule.judgement)], states[rule.id]
        yield name, int(state.nar)
        if dispatch.confirmed_nar(state) != state.nar:
            yield f"{name}_proven", int(dispatch.confirmed_nar(state))


@lru_cache
def _colours_row(colours: tuple[tuple[str, int], ...]) -> str:
    """Nearly always the same few: everything verde."""
    return _encoded(dict(colours))


def _states(book: Rulebook, subject: str, kept: str | None) -> StatesByRule:
    """The state of each of the subject's rules; a new rule, or one of another sort than before, starts fresh."""
    raw = _RAW.decode(kept) if kept else {}
    states: StatesByRule = {}
    for rule in book.rules.get(subject, ()):
        kept_state = raw.get(_key(rule.id, JUDGEMENT_NAMES[type(rule.judgement)]))
        states[rule.id] = dispatch.initial_state(rule.judgement) if kept_state is None else _decoded(rule, kept_state)
    return states


def _decoded(rule: Rule, kept: msgspec.Raw) -> State:
    state_type = dispatch.state_type(rule.judgement)
    decoder = _DECODERS.get(state_type)
    if decoder is None:
        decoder = _DECODERS[state_type] = msgspec.json.Decoder(state_type)
    try:
        return decoder.decode(kept)
    except msgspec.DecodeError:
        # Written by another version. A station nobody judges would be worse than one that remembers its colour alone.
        log.exception("a kept state is not understood", extra={"action": "remember", "rule": rule.id})
        return state_type(nar=_COLOUR.decode(kept).nar)


@lru_cache(maxsize=MOST_RULES)
def _key(rule_id: str, judgement: str) -> str:
    """Under what a rule's state is kept: a rule that became one of another sort finds nothing and starts fresh."""
    return f"{rule_id}:{judgement}"
