"""Is this process's clock right? Checked for jumps against elapsed time and against the devices' clocks."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil

from ingest.quality.city_skew import AGREEMENT_S, CitySkew, SkewEstimate
from ingest.registry import Device, DeviceKey, device_key
from models.reading import Flag, Reading
from services.runtime.clock import ClockSteps

MOST_SAMPLED = 64
SAMPLED_PER_S = 128.0
"""Readings whose times are looked at, of one batch and in a second: all of a city's sensors on a usual day, and enough
for a median while devices empty their buffers."""
ESTIMATE_EVERY_S = 1.0
FORGET_EVERY_S = 60.0
"""How often a skew is looked at again while no device is heard: silence of all must not stay unjudged by it."""
LONGEST_PAUSE = timedelta(minutes=10)
"""A process that starts so long after its last heartbeat cannot tell a pause from a wrong clock."""
MAX_BEHIND = timedelta(minutes=1)
_NO_CLOCK = int(Flag.SERVER_TIME | Flag.RETAINED)


class ClockTrust:
    """What one process knows of its clock. One thread only.

    `skew_s`: how far the clock is ahead of the city's devices, s, negative where it is behind; 0 while it is right.
    `trusted_since`: since its last step, or since it was last wrong; None where it always was right. Nothing that was
    noted before can be compared with the present time.
    """

    def __init__(self, steps: ClockSteps) -> None:
        self._steps = steps
        self._city = CitySkew()
        self._estimate: SkewEstimate | None = None
        self._estimated_s = float("-inf")
        self._wrong_since_s: float | None = None
        self._last_step: tuple[float, float] | None = None
        """Seconds, and when in elapsed time."""
        self._step_count = 0
        self._samples_due, self._sampled_s = float(MOST_SAMPLED), steps.elapsed()
        self._ahead_of_database_s = 0.0
        self.skew_s = 0.0
        self.trusted_since: datetime | None = None

    def listened_until(self, at: datetime | None, now: datetime) -> None:
        """Tell when this process wrote its last heartbeat, before it ended. Call it at the start."""
        if at is not None and not -MAX_BEHIND <= now - at <= LONGEST_PAUSE:
            self.trusted_since = now

    def compare_with_database(self, ahead_s: float) -> None:
        """Tell how far the clock is ahead of the database's. Devices that say the same need no second municipality."""
        self._ahead_of_database_s = ahead_s

    def look(self, now: datetime, municipalities: int) -> bool:
        """Look for a step of the clock. Returns whether `skew_s` changed. Call it before each batch and each tick."""
        step_s = self._steps.step_s()
        if step_s:
            self._city.shift(step_s)
            self._last_step, self._step_count = (step_s, self._steps.elapsed()), self._step_count + 1
            self.trusted_since = now
        outdated = self.skew_s and self._steps.elapsed() - self._estimated_s >= FORGET_EVERY_S
        changed = bool(step_s or outdated) and self._update_skew(municipalities)
        if self.skew_s:
            self.trusted_since = now
        return changed

    def learn(self, devices: Mapping[DeviceKey, Device], readings: Sequence[Reading], municipalities: int) -> bool:
        """Learn from some readings of a batch. Returns whether `skew_s` changed.

        Devices without a clock of their own, unregistered ones and copies that the broker kept prove nothing.
        """
        elapsed_s, surprised = self._steps.elapsed(), False
        for reading in self._sample(readings, elapsed_s):
            key = device_key(reading)
            if int(reading.flags) & _NO_CLOCK or key not in devices or devices[key].station is None:
                continue
            observed_s, received_s = reading.observed_at.timestamp(), reading.received_at.timestamp()
            self._city.add(key, observed_s, received_s, elapsed_s)
            surprised |= SkewEstimate(received_s - observed_s, 1).is_wrong != bool(self.skew_s)
        if not surprised and elapsed_s - self._estimated_s < ESTIMATE_EVERY_S:
            return False
        return self._update_skew(municipalities)

    def report(self) -> dict[str, object]:
        """What the heartbeat tells. Durations in elapsed time."""
        elapsed_s = self._steps.elapsed()
        told: dict[str, object] = {"clock_steps": self._step_count}
        if self._last_step is not None:
            told |= {
                "clock_step_s": round(self._last_step[0], 1),
                "clock_step_age_s": round(elapsed_s - self._last_step[1], 1),
            }
        if self._estimate is not None:
            told |= {"clock_skew_s": round(self._estimate.skew_s, 1), "clock_skew_devices": self._estimate.devices}
        if self._wrong_since_s is not None:
            told["clock_wrong_for_s"] = round(elapsed_s - self._wrong_since_s, 1)
        return told

    def _sample(self, readings: Sequence[Reading], elapsed_s: float) -> Sequence[Reading]:
        """Some readings from all over a batch, as many as may be looked at by now."""
        due = self._samples_due + SAMPLED_PER_S * max(0.0, elapsed_s - self._sampled_s)
        self._samples_due, self._sampled_s = min(due, MOST_SAMPLED), elapsed_s
        if self._samples_due < 1.0:
            return ()
        sample = readings[:: ceil(len(readings) / int(self._samples_due)) or 1]
        self._samples_due -= len(sample)
        return sample

    def _update_skew(self, municipalities: int) -> bool:
        elapsed_s, before_s = self._steps.elapsed(), self.skew_s
        self._estimate, self._estimated_s = self._city.estimate(elapsed_s, municipalities), elapsed_s
        if self._estimate is None:
            said = self._city.estimate(elapsed_s, 1)
            if said is not None and said.is_wrong and abs(said.skew_s - self._ahead_of_database_s) <= AGREEMENT_S:
                self._estimate = said
        self.skew_s = self._estimate.skew_s if self._estimate is not None and self._estimate.is_wrong else 0.0
        if not self.skew_s:
            self._wrong_since_s = None
        elif self._wrong_since_s is None:
            self._wrong_since_s = elapsed_s
        return self.skew_s != before_s
