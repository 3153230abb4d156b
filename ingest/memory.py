"""Device memories: the newest reading of each device, the state of its quality checks, and its position in `seq`.

The memories stay loaded between batches. The pipeline decides when to write them; the write checks the row version,
since only one process may handle a device. Memories that were not written before a crash are computed again from the
rows (`ingest.store.readings_after_memory`).
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection

from ingest.quality import sequence_gaps
from ingest.quality.checks import QualityMemory
from ingest.quality.sequence_gaps import FilledGap, Gap
from models.kinds import KINDS_BY_NAME
from models.reading import Reading
from models.rows import PendingWrite, driver

log = logging.getLogger(__name__)

NO_POSITION = sequence_gaps.SequencePosition()
NEVER = datetime(1, 1, 1, tzinfo=UTC)


class NewestReading(msgspec.Struct, frozen=True, gc=False):
    """The newest current reading of a device, as stored. Readings from the future, late or retained never count."""

    observed_at: datetime
    received_at: datetime
    latest: dict[str, object]
    flags: int


class DeviceMemory(msgspec.Struct, frozen=True, gc=False):
    """The memory of one device. `newest` is None until a current reading has arrived."""

    quality: QualityMemory | None = None
    sequence: sequence_gaps.SequencePosition = NO_POSITION
    newest_at: datetime = NEVER
    newest: Reading | NewestReading | None = None


EMPTY_MEMORY = DeviceMemory()


class _StoredMemory(msgspec.Struct, array_like=True, gc=False):
    quality: QualityMemory | None
    sequence: sequence_gaps.SequencePosition


_DECODE = msgspec.json.Decoder(_StoredMemory)
_LATEST = msgspec.json.Decoder(dict[str, object])
_ENCODE = msgspec.json.Encoder()


class DeviceMemories:
    """The loaded memories of devices, and those not yet written to the database."""

    def __init__(self) -> None:
        """Start without any memory."""
        self._loaded: dict[int, tuple[int, DeviceMemory]] = {}
        self.unwritten: dict[int, DeviceMemory] = {}

    def clear(self) -> None:
        """Drop all memories, so that the next `load` reads them from the database."""
        self._loaded.clear()
        self.unwritten.clear()

    def load(self, transaction: Connection, device_ids: Iterable[int], *, lock: bool = False) -> Sequence[int]:
        """Load the memories of these devices that are not loaded yet. Returns the ids of those.

        lock: lock the rows until the end of the transaction, in the order of ids: processes wait for each other.
        """
        missing = sorted(set(device_ids) - self._loaded.keys())
        if not missing:
            return missing
        query = (
            "SELECT device_id, version, memory, observed_at, received_at, latest::text, flags"
            " FROM device_memories WHERE device_id = ANY(%b) ORDER BY device_id"
        )
        with driver(transaction).cursor(binary=True) as cursor:
            cursor.execute(query + " FOR UPDATE" if lock else query, [missing])
            self._loaded.update((device_id, (0, EMPTY_MEMORY)) for device_id in missing)
            for device_id, version, memory, observed_at, received_at, latest, flags in cursor:
                stored = _decoded(memory)
                newest = NewestReading(observed_at, received_at, _LATEST.decode(latest), flags)
                self._loaded[device_id] = version, DeviceMemory(stored.quality, stored.sequence, observed_at, newest)
        return missing

    def are_loaded(self, device_ids: Iterable[int]) -> bool:
        """Whether the memories of all these devices are loaded."""
        return self._loaded.keys() >= set(device_ids)

    def get(self, device_id: int) -> DeviceMemory:
        """The memory of a device that was loaded before."""
        return self._loaded[device_id][1]

    def write(self, transaction: Connection, changed: Mapping[int, DeviceMemory]) -> PendingWrite | None:
        """Write the changed memories and those still unwritten. Returns None if there is nothing to write.

        The caller must check the row count of the result: another process may have changed a row. A device without a
        current reading gets no row.
        """
        rows = [
            self._row(device_id, memory, memory.newest)
            for device_id, memory in sorted((self.unwritten | dict(changed)).items())
            if memory.newest is not None
        ]
        if not rows:
            return None
        cursor = driver(transaction).cursor()  # not closed: closing loses the row count
        cursor.execute(
            "INSERT INTO device_memories AS kept"
            " (device_id, version, memory, observed_at, received_at, latest, flags)"
            " SELECT * FROM unnest(%b::int4[], %b::int8[], %b::text[], %b::timestamptz[], %b::timestamptz[],"
            " %b::jsonb[], %b::int4[])"
            " ON CONFLICT (device_id) DO UPDATE SET version = excluded.version, memory = excluded.memory,"
            " observed_at = excluded.observed_at, received_at = excluded.received_at, latest = excluded.latest,"
            " flags = excluded.flags WHERE kept.version = excluded.version - 1",
            [list(column) for column in zip(*rows, strict=True)],
        )
        return PendingWrite(cursor, len(rows))

    def mark_written(self, changed: Mapping[int, DeviceMemory]) -> None:
        """Use the written memories from now on. Call it after their transaction is committed."""
        for device_id, memory in (self.unwritten | dict(changed)).items():
            if memory.newest is not None:
                self._loaded[device_id] = self._loaded[device_id][0] + 1, memory
        self.unwritten.clear()

    def keep_unwritten(self, changed: Mapping[int, DeviceMemory]) -> None:
        """Use these memories from now on, and write them with the next `write`. Their readings are committed."""
        for device_id, memory in changed.items():
            self._loaded[device_id] = self._loaded[device_id][0], memory
        self.unwritten.update(changed)

    def _row(self, device_id: int, memory: DeviceMemory, newest: Reading | NewestReading) -> tuple[object, ...]:
        if isinstance(newest, Reading):
            latest: dict[str, object] = dict(zip(KINDS_BY_NAME[newest.kind].columns, newest.values, strict=True))
        else:
            latest = newest.latest
        return (
            device_id,
            self._loaded[device_id][0] + 1,
            _ENCODE.encode(_StoredMemory(memory.quality, memory.sequence)).decode(),
            newest.observed_at,
            newest.received_at,
            _ENCODE.encode(latest).decode(),
            int(newest.flags),
        )


def _decoded(memory: str) -> _StoredMemory:
    """Decode a stored memory. If another version wrote it and it cannot be decoded, the checks start from nothing."""
    try:
        return _DECODE.decode(memory)
    except msgspec.DecodeError:
        log.exception("a kept memory is not understood", extra={"action": "remember"})
        return _StoredMemory(None, NO_POSITION)


def store_sequence_gaps(transaction: Connection, gaps: Sequence[tuple[int, Gap | FilledGap]], now: datetime) -> None:
    """Store the numbers missing from `seq`, and count those that arrived later."""
    if not gaps:
        return
    with driver(transaction).cursor() as cursor:
        for device_id, gap in gaps:
            match gap:
                case Gap(boot, first, last):
                    cursor.execute(
                        "INSERT INTO sequence_gaps (device_id, boot, first_seq, last_seq, seen_at)"
                        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                        [device_id, boot, first, last, now],
                    )
                case FilledGap(boot, seq):
                    cursor.execute(
                        "UPDATE sequence_gaps SET filled = filled + 1 WHERE (device_id, boot) = (%s, %s)"
                        " AND %s BETWEEN first_seq AND last_seq AND filled <= last_seq - first_seq",
                        [device_id, boot, seq],
                    )
