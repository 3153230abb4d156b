"""Real and simulated clocks, and a timer. The only module that reads the time; all others get it as an argument."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.runtime.settings import SettingsError

Clock = Callable[[], datetime]
LEAST_STEP_S = 5.0
"""A smaller step of the clock matters to no judgement."""


def wall_clock() -> datetime:
    """The real time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FasterClock:
    """A simulated clock: it shows `simulated` when the real time is `real`, and runs `factor` times as fast."""

    simulated: datetime
    factor: float
    real: datetime

    def __call__(self) -> datetime:
        """The current simulated time, UTC."""
        return self.simulated + (wall_clock() - self.real) * self.factor

    def __str__(self) -> str:
        return f"{self.simulated.isoformat()}@{self.factor:g}@{self.real.isoformat()}"


def parse_clock(setting: str) -> FasterClock:
    """Parse START@FACTOR or START@FACTOR@REAL, instants in ISO 8601 with an offset. Raises SettingsError.

    Without REAL the simulated time starts now. With REAL several processes share one simulated time.
    """
    try:
        start, factor, *real = setting.split("@")
        clock = FasterClock(
            datetime.fromisoformat(start).astimezone(UTC),
            float(factor),
            datetime.fromisoformat(real[0]) if real else wall_clock(),
        )
    except (ValueError, IndexError) as error:
        raise SettingsError(f"VIGIA_CLOCK={setting!r}: expected 2013-04-02T15:30:00-03:00@60 ({error})") from error
    if not 0 < clock.factor <= 3600:
        raise SettingsError(f"VIGIA_CLOCK={setting!r}: the factor must lie above 0 and up to 3600")
    return clock


def credential_clock(clock: Clock) -> Clock:
    """The clock by which passwords' codes, sessions and keys expire: the real time also where a simulation runs faster.

    People and their telephones live in the real time.
    """
    return wall_clock if isinstance(clock, FasterClock) else clock


class ClockSteps:
    """Notices steps of a clock against time that only elapses. `elapsed`: seconds that never step, slew like the clock.

    One thread only. Gradual corrections, as NTP daemons make them, move both alike and are no steps.
    """

    def __init__(self, clock: Clock = wall_clock, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._clock, self.elapsed = clock, elapsed
        self._offset_s = self._read_offset_s()

    @classmethod
    def of(cls, clock: Clock) -> "ClockSteps":
        """The steps of the real clock. Any other is moved on purpose: it measures its own time, and never steps."""
        return cls(clock) if clock is wall_clock else cls(clock, lambda: clock().timestamp())

    def step_s(self) -> float:
        """The step since the last one that was told, s, positive where the clock went forward; 0 where it is small."""
        offset_s = self._read_offset_s()
        step_s = offset_s - self._offset_s
        if abs(step_s) < LEAST_STEP_S:
            return 0.0
        self._offset_s = offset_s
        return step_s

    def _read_offset_s(self) -> float:
        """The clock minus the elapsed time, s, both read within a short time: the process may pause between them."""
        while True:
            before_s = self.elapsed()
            now_s = self._clock().timestamp()
            if abs(self.elapsed() - before_s) < LEAST_STEP_S / 10:
                return now_s - before_s


class PeriodicTimer:
    """Tells when a periodic task is due: at once, then at most once each `period_s` of real time."""

    def __init__(self, period_s: float) -> None:
        self.period = timedelta(seconds=period_s)
        self._next = float("-inf")

    @property
    def overdue_s(self) -> float:
        """Seconds since the task became due; infinite before the first call of `due`."""
        return time.monotonic() - self._next

    def postpone(self, wait_s: float) -> None:
        """Make the task due `wait_s` from now."""
        self._next = time.monotonic() + wait_s

    def due(self) -> bool:
        """Whether the task is due. True once a period; the next period starts now."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self.period.total_seconds()
        return True
