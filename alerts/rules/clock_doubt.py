"""Judging while Vigía's own clock may be wrong: such readings may raise an alert, not ease one."""

from models.reading import MAX_AHEAD_S, NOT_CURRENT, UNTRUSTED, Flag, Reading

_CLOCK_DOUBT = int(Flag.CLOCK_DOUBT)
_SERVER_TIME = int(Flag.SERVER_TIME)
_IN_THE_WAY = int((NOT_CURRENT | UNTRUSTED) & ~Flag.CLOCK_DOUBT)


def may_only_raise(flags: int) -> bool:
    """Whether a reading's time is in doubt and nothing else: by the clocks of the city it is current."""
    return bool(flags & _CLOCK_DOUBT) and not flags & _IN_THE_WAY


def lies_ahead(head_s: float, reading: Reading) -> bool:
    """Whether a state's newest reading is of a time that has not come, for a device that has no clock of its own.

    A current reading is at most MAX_AHEAD_S ahead of its receipt: only a wrong clock brings a state further.
    """
    return bool(reading.flags & _SERVER_TIME) and head_s > reading.received_at.timestamp() + MAX_AHEAD_S
