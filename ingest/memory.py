"""What is remembered of each device: its newest reading, its quality memory, its place in `seq`.

Kept at hand between batches, written when the pipeline says so and checked against the tables then: one process carries
a device. What was remembered and not written is in the rows, from which it is made again (`ingest.store.kept_after`).
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
    """The latest reading that counts as news, as the tables show it: never one from the future, late or retained."""

    observed_at: datetime
    received_at: datetime
    latest: dict[str, object]
    flags: int


class DeviceMemory(msgspec.Struct, frozen=True, gc=False):
    """All of it. `newest` is None while nothing that counts as news ever came."""

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
    """The memories of the devices met so far."""

    def __init__(self) -> None:
        """Remembers nobody yet."""
        self._loaded: dict[int, tuple[int, DeviceMemory]] = {}
        self.unwritten: dict[int, DeviceMemory] = {}

    def clear(self) -> None:
        """Look everything up again: something was not as remembered."""
        self._loaded.clear()
        self.unwritten.clear()

    def load(self, transaction: Connection, device_ids: Iterable[int], *, lock: bool = False) -> Sequence[int]:
        """Know these devices; only those not at hand cost a query. Returns which those were.

        lock: hold their rows until the transaction ends, in the order of their numbers, so that processes take turns.
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
                kept = _decoded(memory)
                newest = NewestReading(observed_at, received_at, _LATEST.decode(latest), flags)
                self._loaded[device_id] = version, DeviceMemory(kept.quality, kept.sequence, observed_at, newest)
        return missing

    def are_loaded(self, device_ids: Iterable[int]) -> bool:
        """Whether all of these are at hand."""
        return self._loaded.keys() >= set(device_ids)

    def get(self, device_id: int) -> DeviceMemory:
        """The memory of a device fetched before."""
        return self._loaded[device_id][1]

    def write(self, transaction: Connection, moved: Mapping[int, DeviceMemory]) -> PendingWrite | None:
        """Keep what moved, now or since the last time. `verify` what comes back: another process may have moved one.

        A device of which nothing counts as news yet is not remembered.
        """
        rows = [
            self._row(device_id, memory, memory.newest)
            for device_id, memory in sorted((self.unwritten | dict(moved)).items())
            if memory.newest is not None
        ]
        if not rows:
            return None
        cursor = driver(transaction).cursor()  # not closed, which would forget how many rows it changed
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

    def mark_written(self, moved: Mapping[int, DeviceMemory]) -> None:
        """What was written is committed: remember it."""
        for device_id, memory in (self.unwritten | dict(moved)).items():
            if memory.newest is not None:
                self._loaded[device_id] = self._loaded[device_id][0] + 1, memory
        self.unwritten.clear()

    def keep_unwritten(self, moved: Mapping[int, DeviceMemory]) -> None:
        """Remember what moved with rows that are committed, and write it with the next that is written."""
        for device_id, memory in moved.items():
            self._loaded[device_id] = self._loaded[device_id][0], memory
        self.unwritten.update(moved)

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
    """Another version's memory is no reason to refuse a device: its checks then begin anew."""
    try:
        return _DECODE.decode(memory)
    except msgspec.DecodeError:
        log.exception("a kept memory is not understood", extra={"action": "remember"})
        return _StoredMemory(None, NO_POSITION)


def store_sequence_gaps(transaction: Connection, losses: Sequence[tuple[int, Gap | FilledGap]], now: datetime) -> None:
    """Write down holes in `seq`, and what filled earlier ones."""
    if not losses:
        return
    with driver(transaction).cursor() as cursor:
        for device_id, loss in losses:
            match loss:
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
