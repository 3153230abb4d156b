"""Received data: messages, readings with quality flags, rejected messages and device presence."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum, IntFlag
from functools import lru_cache
from typing import Any

from msgspec import Struct

Value = float | int | str | tuple[int, ...] | None
"""The value of one column of a reading. A tuple holds counts per bin."""


class Message(Struct, frozen=True, gc=False):
    """One MQTT publication as received, before decoding.

    `delivery`: the receiver's handle for the acknowledgement (connection generation, packet identifier), not used
    elsewhere. `retained`: a copy that the broker stored before the subscription. `repeated`: the message may have been
    delivered before without acknowledgement, by its DUP flag or by its position in a resumed session.
    """

    topic: str
    payload: bytes
    received_at: datetime
    retained: bool = False
    delivery: tuple[int, int] = (0, 0)
    repeated: bool = False


class Quality(IntEnum):
    """Quality of a value, in the codes of QARTOD (U.S. IOOS, Real-Time Oceanographic Data Quality Control)."""

    GOOD = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


class Flag(IntFlag):
    """Why a reading is not fully trusted. Stored as a bit mask beside the raw value, which is never changed."""

    NONE = 0
    SENTINEL = 1 << 0
    """The number a device sends for "no value", such as -9999."""
    SENSOR_RANGE = 1 << 1
    """Outside what the sensor can measure."""
    SITE_RANGE = 1 << 2
    """Outside the range considered possible at this station."""
    SPIKE = 1 << 3
    """Differs from the readings before and after it, which agree."""
    JUMP = 1 << 4
    """Changed faster than usual: a flash flood looks like this, so it waits for confirmation and is never discarded."""
    FLAT = 1 << 5
    """The same value for longer than the sensor's noise allows."""
    LATE = 1 << 6
    """Older than the newest reading of the device."""
    FUTURE = 1 << 7
    """Observed after it was received, beyond the tolerated clock error."""
    BACKFILL = 1 << 8
    """Older than seven days when received: historical data."""
    CLOCK_SKEW = 1 << 9
    """The device's clock is off, by the median of received minus observed."""
    SERVER_TIME = 1 << 10
    """The device has no clock: the time is that of receipt."""
    RETAINED = 1 << 11
    """A copy stored by the broker, not a new reading."""
    DROPOUT = 1 << 12
    """Fell faster than water can fall: the sensor is out of the water or at its rest value."""
    SHIFT = 1 << 13
    """Fell faster than water can fall and stayed low: the gauge's zero may have moved. Suspect for a day, so that it
    cannot ease an alert.
    """

    CLOCK_DOUBT = 1 << 14
    """Observed after it was received, as by the devices of the whole city: Vigía's own clock is wrong. The reading may
    raise and confirm an alert, never ease or end one.
    """


MAX_AHEAD_S = 120.0
"""A reading observed further ahead of its receipt than this is of the future, for its flag and for every rule."""


@lru_cache(maxsize=1_024)
def flag_names(flags: int) -> tuple[str, ...]:
    """The names of the flags of a bit mask, in lower case."""
    return tuple(str(flag.name).lower() for flag in Flag(flags))


def evidence_in_words(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence of a rule as programs read it: flags by name, where it is stored with their bit mask."""
    flags = evidence.get("flags")
    return {**evidence, "flags": flag_names(flags)} if isinstance(flags, int) else dict(evidence)


_FAIL = Flag.SENSOR_RANGE | Flag.FUTURE | Flag.DROPOUT
NOT_CURRENT = Flag.LATE | Flag.FUTURE | Flag.BACKFILL | Flag.RETAINED | Flag.CLOCK_DOUBT
"""Flags of a reading that is not known to say how things are now: it is stored, and never eases an alert. Only one in
CLOCK_DOUBT, with none of the others, may raise one.
"""

UNTRUSTED = _FAIL | Flag.SENTINEL
"""Flags of values that are not measurements: stored, but left out of roll-ups, charts and rules."""
NOT_SHOWN = UNTRUSTED | Flag.SPIKE
"""Flags of values that say nothing of the present: also those that the next reading showed to be an isolated peak."""
NO_LEVEL_NOW = NOT_SHOWN | Flag.LATE
"""Flags of readings that make no present value, trend or forecast. A late one fills the chart, but nothing tells
whether it is an isolated peak, and rules do not take it either.
"""
NO_PRESENT_VALUE = int(NOT_CURRENT | UNTRUSTED)
"""Flags of readings that the rules of levels, rain and speeds pass over: not current, or no measurement."""
NOT_HEARD_NOW = int(NOT_CURRENT)
"""Flags of readings that do not end a sensor's silence. What was measured does not matter: a broken sensor sends."""
NO_TEST_OF_SENSOR = int(NOT_CURRENT & ~Flag.FUTURE)
"""Flags of readings that count neither for nor against a sensor. FUTURE counts against it: its clock is wrong."""
NOT_REMEMBERED = int(Flag.LATE | Flag.FUTURE | Flag.RETAINED | Flag.CLOCK_DOUBT)
"""Flags of readings that leave a device's memory as it is. Not BACKFILL: a device that begins with its past has one."""
_SUSPECT = Flag.SITE_RANGE | Flag.SPIKE | Flag.JUMP | Flag.FLAT | Flag.CLOCK_SKEW | Flag.SHIFT | Flag.CLOCK_DOUBT


def quality_code(flags: Flag) -> Quality:
    """The worst QARTOD code that the flags imply."""
    if flags & Flag.SENTINEL:
        return Quality.MISSING
    if flags & _FAIL:
        return Quality.FAIL
    if flags & _SUSPECT:
        return Quality.SUSPECT
    return Quality.GOOD


class Reading(Struct, frozen=True, gc=False):
    """The measurement of one device at one time. A msgspec Struct, because there are very many of them.

    `values` holds the kind's columns in the order of its payload's fields, raw as sent.
    `seq`: -1 where the device does not count. `boot`: identifies the device's run, within which `seq` rises by one.
    """

    kind: str
    municipality: str
    device: str
    observed_at: datetime
    received_at: datetime
    seq: int
    boot: str | None
    values: tuple[Value, ...]
    flags: Flag = Flag.NONE


class Reason(Enum):
    """Why a message was rejected."""

    TOPIC = "topic"
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    ENCODING = "encoding"
    SYNTAX = "syntax"
    SHAPE = "shape"
    FIELD = "field"
    TIME = "time"
    SENML = "senml"
    CONFLICT = "conflict"
    UNREGISTERED = "unregistered"
    """A reading of one more unregistered device than are stored."""
    OVERFLOW = "overflow"
    """A message above its sender's rate, beyond what is postponed."""
    POISON = "poison"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that is not stored as a reading, with the reason and advice for the sender. It is acknowledged."""

    message: Message
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Presence:
    """A device's birth message or last will."""

    kind: str
    municipality: str
    device: str
    online: bool
    observed_at: datetime
    boot: str | None = None
