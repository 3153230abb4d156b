"""Counting what a device sent and nobody received: holes in `seq` within one run of the device. Pure."""

from dataclasses import dataclass

from msgspec import Struct

from models.reading import Reading


class SequencePosition(Struct, frozen=True, gc=False):
    """The newest number seen of a device's present run."""

    boot: str = ""
    seq: int = -1


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers that did not come, both ends included."""

    boot: str
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class FilledGap:
    """A number of an earlier gap that came after all."""

    boot: str
    seq: int


def next_position(sequence: SequencePosition, reading: Reading) -> tuple[SequencePosition, Gap | FilledGap | None]:
    """What a fresh reading says about losses. Devices that count nothing (seq -1) have no gaps.

    A new `boot` starts a new count wherever it starts: what the device lost while it was off it never sent.
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
