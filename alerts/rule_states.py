"""Cache of rule states by subject, kept between batches and checked against the stored versions when written."""

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

MAX_CACHED_KEYS = 65_536
"""Rules whose storage key is cached."""

StatesByRule = dict[str, State]
"""The states of one subject by rule id."""


class _ColourOnly(msgspec.Struct):
    """The field that the states of every version have."""

    nar: NAR = NAR.VERDE


_COLOUR = msgspec.json.Decoder(_ColourOnly)


class RuleStates:
    """The states of the subjects loaded so far. Only one process may evaluate a subject; else a write is refused."""

    def __init__(self) -> None:
        """Start with an empty cache."""
        self._loaded: dict[str, tuple[int, StatesByRule]] = {}
        self.unwritten: dict[str, StatesByRule] = {}
        self._book_version: int | None = None

    def clear(self) -> None:
        """Empty the cache, so that all states are read again."""
        self._loaded.clear()
        self.unwritten.clear()

    def load(self, transaction: Connection, book: Rulebook, subjects: Iterable[str], *, lock: bool = False) -> None:
        """Load the states of these subjects; only those not in the cache are queried.

        lock: lock their rows until the transaction ends, in the order of their names, which avoids deadlocks.
        """
        if book.version != self._book_version:
            self.clear()
            self._book_version = book.version
        missing = sorted(set(subjects) - self._loaded.keys())
        if not missing:
            return
        query = "SELECT subject, version, states FROM subject_states WHERE subject = ANY(%b) ORDER BY subject"
        with driver(transaction).cursor(binary=True) as cursor:
            cursor.execute(query + " FOR UPDATE" if lock else query, [missing])
            stored = {subject: (version, states) for subject, version, states in cursor}
        for subject in missing:
            version, states = stored.get(subject, (0, None))
            self._loaded[subject] = version, _decode_states(book, subject, states)

    def are_loaded(self, subjects: Iterable[str]) -> bool:
        """Whether the states of all these subjects are in the cache."""
        return self._loaded.keys() >= set(subjects)

    def states_of(self, subject: str) -> StatesByRule:
        """The states of a loaded subject. The caller must not change them."""
        return self._loaded[subject][1]

    def write(
        self, transaction: Connection, book: Rulebook, changed: Mapping[str, StatesByRule], now: datetime
    ) -> PendingWrite | None:
        """Write the changed states and those kept unwritten before; None if there are none. Check the row count."""
        changed = self.unwritten | dict(changed)
        if not changed:
            return None
        subjects = sorted(changed)
        cursor = driver(transaction).cursor()  # not closed, because a closed cursor loses its row count
        cursor.execute(
            "INSERT INTO subject_states AS kept (subject, version, states, colours, judged_at)"
            " SELECT *, %b FROM unnest(%b::text[], %b::int8[], %b::text[], %b::jsonb[])"
            " ON CONFLICT (subject) DO UPDATE SET version = excluded.version, states = excluded.states,"
            " colours = excluded.colours, judged_at = excluded.judged_at WHERE kept.version = excluded.version - 1",
            [
                now,
                subjects,
                [self._loaded[subject][0] + 1 for subject in subjects],
                [
                    _to_json(
                        {
                            _key(rule.id, JUDGEMENT_NAMES[type(rule.judgement)]): changed[subject][rule.id]
                            for rule in book.rules[subject]
                        }
                    )
                    for subject in subjects
                ],
                [_colours_row(tuple(_colours(book, subject, changed[subject]))) for subject in subjects],
            ],
        )
        return PendingWrite(cursor, len(subjects))

    def mark_written(self, changed: Mapping[str, StatesByRule]) -> None:
        """Update the cache after the commit of a write."""
        for subject, states in (self.unwritten | dict(changed)).items():
            self._loaded[subject] = self._loaded[subject][0] + 1, states
        self.unwritten.clear()

    def keep_unwritten(self, changed: Mapping[str, StatesByRule]) -> None:
        """Update the cache now and write these states with the next write. Their readings are committed already."""
        for subject, states in changed.items():
            self._loaded[subject] = self._loaded[subject][0], states
        self.unwritten.update(changed)


def _to_json(value: object) -> str:
    return _ENCODE.encode(value).decode()


def _colours(book: Rulebook, subject: str, states: StatesByRule) -> Iterator[tuple[str, int]]:
    """The colour by judgement name; where it differs, also the confirmed colour as `<judgement>_proven`."""
    for rule in book.rules[subject]:
        name, state = JUDGEMENT_NAMES[type(rule.judgement)], states[rule.id]
        yield name, int(state.nar)
        if dispatch.confirmed_nar(state) != state.nar:
            yield f"{name}_proven", int(dispatch.confirmed_nar(state))


@lru_cache
def _colours_row(colours: tuple[tuple[str, int], ...]) -> str:
    """JSON of the colours; cached, because nearly all rows are the same few: everything verde."""
    return _to_json(dict(colours))


def _decode_states(book: Rulebook, subject: str, stored: str | None) -> StatesByRule:
    """The state of each rule of the subject. A new rule, or one of another judgement type, gets an initial state."""
    raw = _RAW.decode(stored) if stored else {}
    states: StatesByRule = {}
    for rule in book.rules.get(subject, ()):
        stored_state = raw.get(_key(rule.id, JUDGEMENT_NAMES[type(rule.judgement)]))
        states[rule.id] = (
            dispatch.initial_state(rule.judgement) if stored_state is None else _decode_state(rule, stored_state)
        )
    return states


def _decode_state(rule: Rule, stored: msgspec.Raw) -> State:
    state_type = dispatch.state_type(rule.judgement)
    decoder = _DECODERS.get(state_type)
    if decoder is None:
        decoder = _DECODERS[state_type] = msgspec.json.Decoder(state_type)
    try:
        return decoder.decode(stored)
    except msgspec.DecodeError:
        # Written by another version. Keep only the colour: otherwise nothing would judge the station.
        log.exception("cannot decode a stored rule state", extra={"action": "remember", "rule": rule.id})
        return state_type(nar=_COLOUR.decode(stored).nar)


@lru_cache(maxsize=MAX_CACHED_KEYS)
def _key(rule_id: str, judgement: str) -> str:
    """The storage key of a rule's state. A rule whose judgement type changes finds no state and starts anew."""
    return f"{rule_id}:{judgement}"
