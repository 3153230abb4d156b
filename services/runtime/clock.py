"""The clock. The only module that reads the time; everything else is given it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.runtime.settings import SettingsError

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """The real time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FasterClock:
    """A simulated time that starts at `simulated` when the real time is `real` and runs `factor` times as fast."""

    simulated: datetime
    factor: float
    real: datetime

    def __call__(self) -> datetime:
        """The simulated time now, UTC."""
        return self.simulated + (wall_clock() - self.real) * self.factor

    def __str__(self) -> str:
        return f"{self.simulated.isoformat()}@{self.factor:g}@{self.real.isoformat()}"


def parse_clock(words: str) -> FasterClock:
    """Read START@FACTOR or START@FACTOR@REAL (instants in ISO 8601 with an offset).

    Raises SettingsError. Without REAL the simulated time starts now; with it, several processes share one time.
    """
    try:
        start, factor, *real = words.split("@")
        clock = FasterClock(
            datetime.fromisoformat(start).astimezone(UTC),
            float(factor),
            datetime.fromisoformat(real[0]) if real else wall_clock(),
        )
    except (ValueError, IndexError) as trouble:
        raise SettingsError(f"VIGIA_CLOCK={words!r}: expected 2013-04-02T15:30:00-03:00@60 ({trouble})") from trouble
    if not 0 < clock.factor <= 3600:
        raise SettingsError(f"VIGIA_CLOCK={words!r}: the factor must lie above 0 and up to 3600")
    return clock


class PeriodicTimer:
    """Says when a task is due: at once, then no more often than each `period_s` of real time."""

    def __init__(self, period_s: float) -> None:
        self.period = timedelta(seconds=period_s)
        self._next = float("-inf")

    @property
    def overdue_s(self) -> float:
        """For how long it has been due with nobody asking; at first, very long."""
        return time.monotonic() - self._next

    def postpone(self, wait_s: float) -> None:
        """Be due that much later than now."""
        self._next = time.monotonic() + wait_s

    def due(self) -> bool:
        """True once per period."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self.period.total_seconds()
        return True
