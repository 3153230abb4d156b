"""What is remembered of each device between batches: its newest reading, its quality memory, its place in `seq`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import orjson
from sqlalchemy import Connection

from ingest.gaps import Filled, Gap, Sequence
from ingest.quality import Memory
from models.kinds import BY_NAME
from models.reading import Reading
from models.rows import driver

UNCOUNTED = Sequence()
NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """`newest` is the latest reading that counts as news: never one from the future, late or retained."""

    quality: Memory | None = None
    sequence: Sequence = UNCOUNTED
    newest_at: datetime = NEVER
    newest: Reading | None = None


class _Kept(msgspec.Struct, array_like=True, gc=False):
    quality: Memory | None
    sequence: Sequence


_DECODE = msgspec.json.Decoder(_Kept)
_ENCODE = msgspec.json.Encoder()


def load(transaction: Connection, device_ids: Iterable[int]) -> dict[int, DeviceMemory]:
    """The memories of these devices, locked in the order of their numbers until the transaction ends."""
    with driver(transaction).cursor(binary=True) as cursor:
        cursor.execute(
            "SELECT device_id, memory, observed_at FROM device_memories WHERE device_id = ANY(%b)"
            " ORDER BY device_id FOR UPDATE",
            [sorted(set(device_ids))],
        )
        return {row[0]: _remembered(row[1], row[2]) for row in cursor}


def save(transaction: Connection, memories: Mapping[int, DeviceMemory]) -> None:
    """Keep the memories of devices that sent something new."""
    rows = [(device_id, memory, memory.newest) for device_id, memory in sorted(memories.items())]
    kept = [(device_id, memory, newest) for device_id, memory, newest in rows if newest is not None]
    with driver(transaction).cursor() as cursor:
        for device_id, memory, newest in rows:
            if newest is None:  # no news, but perhaps a number that fills a gap
                state = _ENCODE.encode(_Kept(memory.quality, memory.sequence))
                cursor.execute("UPDATE device_memories SET memory = %s WHERE device_id = %s", [state, device_id])
        if not kept:
            return
        cursor.execute(
            "INSERT INTO device_memories (device_id, memory, observed_at, received_at, latest, flags)"
            " SELECT * FROM unnest(%b::int4[], %b::bytea[], %b::timestamptz[], %b::timestamptz[], %b::jsonb[],"
            " %b::int4[])"
            " ON CONFLICT (device_id) DO UPDATE SET memory = excluded.memory, observed_at = excluded.observed_at,"
            " received_at = excluded.received_at, latest = excluded.latest, flags = excluded.flags",
            [
                [device_id for device_id, _, _ in kept],
                [_ENCODE.encode(_Kept(memory.quality, memory.sequence)) for _, memory, _ in kept],
                [newest.observed_at for _, _, newest in kept],
                [newest.received_at for _, _, newest in kept],
                [_latest(newest) for _, _, newest in kept],
                [int(newest.flags) for _, _, newest in kept],
            ],
        )


def note_losses(transaction: Connection, losses: Iterable[tuple[int, Gap | Filled]], now: datetime) -> None:
    """Write down holes in `seq`, and what filled earlier ones."""
    with driver(transaction).cursor() as cursor:
        for device_id, loss in losses:
            match loss:
                case Gap(boot, first, last):
                    cursor.execute(
                        "INSERT INTO sequence_gaps (device_id, boot, first_seq, last_seq, seen_at)"
                        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                        [device_id, boot, first, last, now],
                    )
                case Filled(boot, seq):
                    cursor.execute(
                        "UPDATE sequence_gaps SET filled = filled + 1 WHERE (device_id, boot) = (%s, %s)"
                        " AND %s BETWEEN first_seq AND last_seq AND filled <= last_seq - first_seq",
                        [device_id, boot, seq],
                    )


def _remembered(memory: bytes, newest_at: datetime) -> DeviceMemory:
    kept = _DECODE.decode(memory)
    return DeviceMemory(kept.quality, kept.sequence, newest_at)


def _latest(reading: Reading) -> str:
    return orjson.dumps(dict(zip(BY_NAME[reading.kind].columns, reading.values, strict=True))).decode()
