"""Detect lost readings: gaps in the sequence number `seq` within one run of a device. Pure."""

from dataclasses import dataclass

from msgspec import Struct

from models.reading import Reading


class SequencePosition(Struct, frozen=True, gc=False):
    """The newest sequence number received in the present run of a device."""

    boot: str = ""
    seq: int = -1


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers that were not received, both ends included."""

    boot: str
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class FilledGap:
    """A number of an earlier gap that was received later."""

    boot: str
    seq: int


def next_position(sequence: SequencePosition, reading: Reading) -> tuple[SequencePosition, Gap | FilledGap | None]:
    """The position after a new reading, and the gap that the reading shows or fills. Without numbers (seq -1): no gap.

    A new `boot` starts a new count at any number: a device sends nothing while it is off, so nothing was lost.
    """
    boot, seq = reading.boot or "", reading.seq
    if seq < 0:
        return sequence, None
    if boot != sequence.boot or sequence.seq < 0:
        return SequencePosition(boot, seq), None
    if seq <= sequence.seq:
        return sequence, FilledGap(boot, seq)
    gap = Gap(boot, sequence.seq + 1, seq - 1) if seq > sequence.seq + 1 else None
    return SequencePosition(boot, seq), gap
