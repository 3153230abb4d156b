"""Store readings as rows: skip duplicates, report conflicts (another value at the same key) and new rows."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import ARRAY, BigInteger, Boolean, Connection, DateTime, Double, Integer, Table, Text
from sqlalchemy.types import TypeEngine

from ingest.memory import DeviceMemory
from ingest.registry import DeviceKey
from models.reading import Flag, Reading
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


MAX_READINGS_RELOADED = 200_000
"""Limit of readings loaded after a restart: several times what one process stores in the second it had not written."""


ReadingKey = tuple[int, datetime, int]
"""Device, observed_at and seq, which identify a reading."""


class CheckedReading(Struct, frozen=True, gc=False):
    """A reading with its flags, its device, and the station if the device is registered at one.

    `is_newest`: the reading is later than all readings of the device before it.
    """

    device_id: int
    station: str | None
    reading: Reading
    is_newest: bool

    @property
    def key(self) -> ReadingKey:
        """Device, observed_at and seq, which identify the reading."""
        return self.device_id, self.reading.observed_at, self.reading.seq


@dataclass(frozen=True, slots=True)
class StoreResult:
    """Positions in the batch: `new` became rows, `conflicts` have other values than the stored row with their key."""

    new: list[int]
    conflicts: list[int]


@contextmanager
def storing_readings(
    transaction: Connection, readings: Sequence[CheckedReading], *, expect_duplicates: bool
) -> Iterator[StoreResult]:
    """Write the new readings in the caller's transaction. The block runs while the server still writes.

    ON CONFLICT cannot tell two equal readings of one batch apart, so duplicates within the batch are found by key
    first. The newest readings are copied straight into their table, the others go through a staging table. With
    `expect_duplicates` all go through the staging table. Without it, raises psycopg.errors.UniqueViolation if a newest
    reading is stored already (its device memory is older than the rows). The block must not use the transaction.
    """
    firsts, differing = _first_and_differing(readings)
    conflicts: list[int] = []
    new: defaultdict[str, list[int]] = defaultdict(list)
    staged: defaultdict[str, list[int]] = defaultdict(list)
    for position in firsts:
        checked = readings[position]
        (new if checked.is_newest and not expect_duplicates else staged)[checked.reading.kind].append(position)
    inserted = [position for positions in new.values() for position in positions]
    for kind, positions in staged.items():
        missing, conflicting = _WRITERS[kind].insert_missing(transaction, readings, positions)
        inserted += missing
        conflicts += conflicting
    conflict_keys = {readings[position].key for position in conflicts}
    conflicts += _conflicts_with_stored(transaction, readings, differing, conflict_keys)
    inserted.sort()
    with ExitStack() as last_copy:
        for kind in sorted(new, key=lambda kind: len(new[kind])):
            last_copy.close()  # one COPY at a time; the largest is last and is left running
            last_copy.enter_context(_WRITERS[kind].copy_rows(transaction, readings, new[kind]))
        yield StoreResult(inserted, sorted(conflicts))


def readings_after_memory(
    transaction: Connection, memories: Mapping[int, tuple[DeviceKey, DeviceMemory]]
) -> list[Reading]:
    """Stored readings without flags that are newer than the memory of their device; in time order for each device.

    A process that ended had stored the readings, but not the memories after them: at most one second of readings.
    """
    ids_by_kind: defaultdict[str, list[int]] = defaultdict(list)
    for device_id, ((_, kind, _), memory) in memories.items():
        if memory.newest is not None:
            ids_by_kind[kind].append(device_id)
    readings = []
    for kind, device_ids in ids_by_kind.items():
        since = [memories[device_id][1].newest_at for device_id in device_ids]
        with driver(transaction).cursor(binary=True) as cursor:
            for device_id, observed_at, seq, received_at, *values in cursor.execute(
                _WRITERS[kind].select_newer, [device_ids, since, MAX_READINGS_RELOADED]
            ):
                (municipality, _, device), memory = memories[device_id]
                boot = memory.sequence.boot or None
                fields = tuple(tuple(value) if isinstance(value, list) else value for value in values)
                readings.append(Reading(kind, municipality, device, observed_at, received_at, seq, boot, fields))
    return readings


def add_flag(transaction: Connection, spikes: Sequence[tuple[int, str, datetime, int]], flag: Flag) -> None:
    """Add a flag to stored readings (device, kind, observed_at, seq). The raw value does not change."""
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


def _first_and_differing(readings: Sequence[CheckedReading]) -> tuple[list[int], list[int]]:
    """Positions of the first reading at each key, and of later readings at the same key with other values."""
    seen: dict[ReadingKey, int] = {}
    conflicts = []
    for position, checked in enumerate(readings):
        first = seen.setdefault(checked.key, position)
        if first != position and readings[first].reading.values != checked.reading.values:
            conflicts.append(position)
    return list(seen.values()), conflicts


def _conflicts_with_stored(
    transaction: Connection,
    readings: Sequence[CheckedReading],
    differing: Sequence[int],
    conflict_keys: set[ReadingKey],
) -> list[int]:
    """Positions in `differing` whose values conflict with the stored row.

    differing: positions of readings with other values than the first reading of the batch at their key.
    conflict_keys: keys where the stored row has other values than that first reading. Without such a conflict the
    first reading equals the stored row, so the reading conflicts. With one, the stored row must be compared.
    """
    to_compare: defaultdict[str, list[int]] = defaultdict(list)
    for position in differing:
        if readings[position].key in conflict_keys:
            to_compare[readings[position].reading.kind].append(position)
    conflicts = [position for position in differing if readings[position].key not in conflict_keys]
    for kind, positions in to_compare.items():
        conflicts += _WRITERS[kind].insert_missing(transaction, readings, positions)[1]
    return conflicts


def _device_and_time_range(keys: Sequence[ReadingKey]) -> tuple[list[int], datetime, datetime]:
    """Devices, earliest and latest time of the keys. Without this range TimescaleDB opens every compressed chunk."""
    times = [observed_at for _, observed_at, _ in keys]
    return sorted({device_id for device_id, _, _ in keys}), min(times), max(times)


def _copy_type(column_type: TypeEngine[Any]) -> str:
    return next(name for known, name in _COPY_TYPES if isinstance(column_type, known))


def _row(checked: CheckedReading) -> tuple[object, ...]:
    reading = checked.reading
    values = tuple(list(value) if isinstance(value, tuple) else value for value in reading.values)
    return checked.device_id, reading.observed_at, reading.seq, reading.received_at, *values, int(reading.flags)


class _ReadingWriter:
    """The SQL statements that write and read the readings of one kind."""

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
        self, transaction: Connection, readings: Sequence[CheckedReading], positions: list[int]
    ) -> Iterator[None]:
        """Send rows with COPY. The answer of the server is awaited at the end of the block."""
        with driver(transaction).cursor() as cursor, cursor.copy(self._copy) as copy:
            copy.set_types(self._types)
            for position in positions:
                copy.write_row(_row(readings[position]))
            yield

    def insert_missing(
        self, transaction: Connection, readings: Sequence[CheckedReading], positions: list[int]
    ) -> tuple[list[int], list[int]]:
        """Insert rows that may exist. Returns positions of the new rows, and of those whose stored row differs."""
        with driver(transaction).cursor() as cursor:
            cursor.execute(self._stage)
            with cursor.copy(self._copy_staged) as copy:
                copy.set_types([*self._types, "int4"])
                for position in positions:
                    copy.write_row((*_row(readings[position]), position))
            inserted = {tuple(row) for row in cursor.execute(self._insert)}
            existing = [readings[position].key for position in positions if readings[position].key not in inserted]
            arguments = _device_and_time_range(existing) if existing else None
            differing = [row[0] for row in cursor.execute(self._differing, arguments)] if existing else []
            cursor.execute(self._clear)
        new = [position for position in positions if readings[position].key in inserted]
        return new, [int(str(position)) for position in differing]


_WRITERS = {kind: _ReadingWriter(table) for kind, table in READINGS.items()}
