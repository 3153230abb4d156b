"""Readings to rows: duplicates vanish, a different value at the same key is a conflict, the new ones come back."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import ARRAY, BigInteger, Boolean, Connection, DateTime, Double, Integer, Table, Text
from sqlalchemy.types import TypeEngine

from ingest.memory import DeviceMemory
from ingest.registry import DeviceKey
from models.reading import Flag, Message, Reading, Rejected
from models.rows import driver
from models.tables.readings import READINGS

_COPY_TYPES: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (BigInteger, "int8"),
    (Integer, "int4"),
    (Double, "float8"),
    (Boolean, "bool"),
    (Text, "text"),
    (DateTime, "timestamptz"),
    (ARRAY, "int4[]"),
)

MAX_REDELIVERY_AGE = timedelta(days=7)
"""As long as a broker keeps our session: what was not acknowledged may come again so much later."""

MAX_READINGS_RELOADED = 200_000
"""Readings read again after a restart: several times what one process keeps in the second it may not have written."""

_FIND_STORED_REJECTIONS = """
SELECT said.topic, said.payload FROM unnest(%s::text[], %s::bytea[]) AS said (topic, payload) CROSS JOIN LATERAL (
    SELECT FROM rejected_messages kept
    WHERE hashtextextended(kept.topic || '#' || encode(kept.payload, 'hex'), 0)
        = hashtextextended(said.topic || '#' || encode(said.payload, 'hex'), 0)
    AND kept.received_at > %s AND kept.topic = said.topic AND kept.payload = said.payload LIMIT 1)
"""
"""LIMIT has each looked up in the index: PostgreSQL would rather read the whole table."""

ReadingKey = tuple[int, datetime, int]
"""Device, observed_at and seq: what makes a reading the same reading."""


class CheckedReading(Struct, frozen=True, gc=False):
    """A reading on its way to its table, with its device's station if it is registered at one.

    `is_newest`: later than anything the device ever sent.
    """

    device_id: int
    station: str | None
    reading: Reading
    is_newest: bool

    @property
    def key(self) -> ReadingKey:
        """What makes it the same reading as another."""
        return self.device_id, self.reading.observed_at, self.reading.seq


@dataclass(frozen=True, slots=True)
class StoreResult:
    """Positions in the batch: `new` are new rows, `conflicts` say something else than the row kept at their key."""

    new: list[int]
    conflicts: list[int]


@contextmanager
def storing_readings(
    transaction: Connection, entries: Sequence[CheckedReading], *, expect_duplicates: bool
) -> Iterator[StoreResult]:
    """Write what is new, in the caller's transaction. What runs inside the block runs while the server still writes.

    The same message twice in one batch passes ON CONFLICT twice, so the batch is keyed first. What is surely new goes
    straight into its table, the rest through a staging table; with care, everything does. Without it, raises
    psycopg.errors.UniqueViolation should something surely new be there already (a memory older than the rows). Nothing
    else may use the transaction inside the block.
    """
    firsts, rivals = _first_and_differing(entries)
    conflicts: list[int] = []
    new: defaultdict[str, list[int]] = defaultdict(list)
    maybe: defaultdict[str, list[int]] = defaultdict(list)
    for position in firsts:
        entry = entries[position]
        (new if entry.is_newest and not expect_duplicates else maybe)[entry.reading.kind].append(position)
    fresh = [position for positions in new.values() for position in positions]
    for kind, positions in maybe.items():
        inserted, differing = _WRITERS[kind].insert_missing(transaction, entries, positions)
        fresh += inserted
        conflicts += differing
    conflicts += _conflicts_with_stored(transaction, entries, rivals, {entries[position].key for position in conflicts})
    fresh.sort()
    with ExitStack() as last:
        for kind in sorted(new, key=lambda kind: len(new[kind])):
            last.close()  # one COPY at a time: the greatest is the one left running
            last.enter_context(_WRITERS[kind].copy_rows(transaction, entries, new[kind]))
        yield StoreResult(fresh, sorted(conflicts))


def readings_after_memory(
    transaction: Connection, remembered: Mapping[int, tuple[DeviceKey, DeviceMemory]]
) -> list[Reading]:
    """Readings with nothing against them that are newer than what is remembered of their devices, by their time.

    They were kept and their memory was not written before the process ended: at most a second of it.
    """
    asked: defaultdict[str, list[int]] = defaultdict(list)
    for device_id, ((_, kind, _), memory) in remembered.items():
        if memory.newest is not None:
            asked[kind].append(device_id)
    readings = []
    for kind, device_ids in asked.items():
        since = [remembered[device_id][1].newest_at for device_id in device_ids]
        with driver(transaction).cursor(binary=True) as cursor:
            for device_id, observed_at, seq, received_at, *values in cursor.execute(
                _WRITERS[kind].select_newer, [device_ids, since, MAX_READINGS_RELOADED]
            ):
                (municipality, _, device), memory = remembered[device_id]
                boot = memory.sequence.boot or None
                said = tuple(tuple(value) if isinstance(value, list) else value for value in values)
                readings.append(Reading(kind, municipality, device, observed_at, received_at, seq, boot, said))
    return readings


def store_rejected(transaction: Connection, rejected: Iterable[Rejected]) -> int:
    """Keep what is no reading, byte for byte, with the reason. Returns how many.

    Rejected bytes have no key of their own, so one that may be a repetition is looked for among those kept: the same
    bytes said on the same topic within `MAX_REDELIVERY_AGE` count as said once.
    """
    items = list(rejected)
    kept = _stored_before(transaction, [one.message for one in items if one.message.repeated])
    rows = [
        (one.message.received_at, _stored_topic(one.message), one.message.payload, one.reason.value, one.detail)
        for one in items
        if not (one.message.repeated and _message_key(one.message) in kept)
    ]
    if rows:
        with (
            driver(transaction).cursor() as cursor,
            cursor.copy(
                "COPY rejected_messages (received_at, topic, payload, reason, detail) FROM STDIN (FORMAT BINARY)"
            ) as copy,
        ):
            copy.set_types(["timestamptz", "text", "bytea", "text", "text"])
            for row in rows:
                copy.write_row(row)
    return len(rows)


def add_flag(transaction: Connection, spikes: Sequence[tuple[int, str, datetime, int]], flag: Flag) -> None:
    """Add what a later reading showed of an earlier one (device, kind, observed_at, seq). The raw value stays."""
    if not spikes:
        return
    with driver(transaction).cursor() as cursor:
        for device_id, kind, observed_at, seq in spikes:
            cursor.execute(
                SQL("UPDATE {} SET flags = flags | %s WHERE (device_id, observed_at, seq) = (%s, %s, %s)").format(
                    Identifier(READINGS[kind].name)
                ),
                [int(flag), device_id, observed_at, seq],
            )


def _stored_topic(message: Message) -> str:
    """PostgreSQL's text has no place for a zero byte."""
    return message.topic.replace("\0", "\\0")


def _message_key(message: Message) -> tuple[str, bytes]:
    """What tells rejected messages apart."""
    return _stored_topic(message), message.payload


def _stored_before(transaction: Connection, messages: Sequence[Message]) -> set[tuple[str, bytes]]:
    """What of these was kept already."""
    if not messages:
        return set()
    topics, payloads = zip(*{_message_key(message) for message in messages}, strict=True)
    since = min(message.received_at for message in messages) - MAX_REDELIVERY_AGE
    with driver(transaction).cursor() as cursor:
        cursor.execute(_FIND_STORED_REJECTIONS, [list(topics), list(payloads), since])
        return set(cursor)


def _first_and_differing(entries: Sequence[CheckedReading]) -> tuple[list[int], list[int]]:
    """Positions of the first entry at each key, and of those that say something else at a key seen before."""
    seen: dict[ReadingKey, int] = {}
    conflicts = []
    for position, entry in enumerate(entries):
        first = seen.setdefault(entry.key, position)
        if first != position and entries[first].reading.values != entry.reading.values:
            conflicts.append(position)
    return list(seen.values()), conflicts


def _conflicts_with_stored(
    transaction: Connection, entries: Sequence[CheckedReading], rivals: Sequence[int], contradicted: set[ReadingKey]
) -> list[int]:
    """Which of those that differ from the first at their key in the batch differ from the row that is kept there.

    Where the first is that row, all; where the row contradicts the first, it may be what a rival says.
    """
    asked: defaultdict[str, list[int]] = defaultdict(list)
    for position in rivals:
        if entries[position].key in contradicted:
            asked[entries[position].reading.kind].append(position)
    told = [position for position in rivals if entries[position].key not in contradicted]
    for kind, positions in asked.items():
        told += _WRITERS[kind].insert_missing(transaction, entries, positions)[1]
    return told


def _device_and_time_range(keys: Sequence[ReadingKey]) -> tuple[list[int], datetime, datetime]:
    """Whose readings of when to look among: without this TimescaleDB would open every compressed chunk there is."""
    times = [observed_at for _, observed_at, _ in keys]
    return sorted({device_id for device_id, _, _ in keys}), min(times), max(times)


def _copy_type(column_type: TypeEngine[Any]) -> str:
    return next(name for known, name in _COPY_TYPES if isinstance(column_type, known))


def _row(entry: CheckedReading) -> tuple[object, ...]:
    reading = entry.reading
    values = tuple(list(value) if isinstance(value, tuple) else value for value in reading.values)
    return entry.device_id, reading.observed_at, reading.seq, reading.received_at, *values, int(reading.flags)


class _ReadingWriter:
    """The statements that write one kind's readings."""

    def __init__(self, table: Table) -> None:
        names = [Identifier(column.name) for column in table.columns]
        values = [Identifier(column.name) for column in list(table.columns)[4:-1]]
        self._types = [_copy_type(column.type) for column in table.columns]
        parts: dict[str, Composed | Identifier] = {
            "table": Identifier(table.name),
            "staged": Identifier(f"staged_{table.name}"),
            "columns": SQL(", ").join(names),
            "stored_values": SQL(", ").join(SQL("stored.{}").format(name) for name in values),
            "staged_values": SQL(", ").join(SQL("staged.{}").format(name) for name in values),
        }
        self._copy = SQL("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)").format(**parts).as_bytes()
        self._stage = SQL(
            "CREATE TEMP TABLE IF NOT EXISTS {staged} (LIKE {table}, position int4) ON COMMIT DELETE ROWS"
        ).format(**parts)
        self._copy_staged = SQL("COPY {staged} ({columns}, position) FROM STDIN (FORMAT BINARY)").format(**parts)
        self._insert = SQL(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM {staged} ON CONFLICT DO NOTHING"
            " RETURNING device_id, observed_at, seq"
        ).format(**parts)
        self._differing = SQL(
            "SELECT staged.position FROM {staged} staged JOIN {table} stored USING (device_id, observed_at, seq)"
            " WHERE stored.device_id = ANY (%s) AND stored.observed_at BETWEEN %s AND %s"
            " AND ROW({staged_values}) IS DISTINCT FROM ROW({stored_values})"
        ).format(**parts)
        self._clear = SQL("DELETE FROM {staged}").format(**parts)
        self.select_newer = SQL(
            "SELECT device_id, observed_at, seq, received_at, {values} FROM unnest(%s::int4[], %s::timestamptz[])"
            " AS asked (device, since) CROSS JOIN LATERAL (SELECT * FROM {table} WHERE device_id = asked.device"
            " AND observed_at > asked.since AND flags = 0 ORDER BY observed_at) AS newer LIMIT %s"
        ).format(**parts, values=SQL(", ").join(values))

    @contextmanager
    def copy_rows(
        self, transaction: Connection, entries: Sequence[CheckedReading], positions: list[int]
    ) -> Iterator[None]:
        """Send rows taken as new; the server's word on them is awaited at the end of the block."""
        with driver(transaction).cursor() as cursor, cursor.copy(self._copy) as copy:
            copy.set_types(self._types)
            for position in positions:
                copy.write_row(_row(entries[position]))
            yield

    def insert_missing(
        self, transaction: Connection, entries: Sequence[CheckedReading], positions: list[int]
    ) -> tuple[list[int], list[int]]:
        """Write rows that may be there already: positions of the new ones, and of those that differ from the kept."""
        with driver(transaction).cursor() as cursor:
            cursor.execute(self._stage)
            with cursor.copy(self._copy_staged) as copy:
                copy.set_types([*self._types, "int4"])
                for position in positions:
                    copy.write_row((*_row(entries[position]), position))
            inserted = {tuple(row) for row in cursor.execute(self._insert)}
            again = [entries[position].key for position in positions if entries[position].key not in inserted]
            differing = (
                [row[0] for row in cursor.execute(self._differing, _device_and_time_range(again))] if again else []
            )
            cursor.execute(self._clear)
        fresh = [position for position in positions if entries[position].key in inserted]
        return fresh, [int(str(position)) for position in differing]


_WRITERS = {kind: _ReadingWriter(table) for kind, table in READINGS.items()}
