"""Waiting for an event in a test: it comes, however busy the machine is, or a fault is found."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

LIMIT_S = 60.0
"""Longer than any event takes on a busy machine. Only a fault waits this long."""
LOOK_EVERY_S = 0.02

T = TypeVar("T")


def wait_until(happened: Callable[[], T], limit_s: float = LIMIT_S, why: Callable[[], object] = str) -> T:
    """The first true value of `happened`. Raises AssertionError with what `why` returns when none comes in time."""
    deadline_s = monotonic() + limit_s
    while not (value := happened()):
        assert monotonic() < deadline_s, why()
        sleep(LOOK_EVERY_S)
    return value
