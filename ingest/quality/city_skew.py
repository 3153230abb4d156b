"""How far is Vigía's own clock from the clocks of the city's devices? A median over devices, not biased by queues.

A queue, in a device or in the broker, adds to the time between measurement and receipt, and never takes from it. So the
smallest of a device's last lags is nearest to the difference of the clocks. A reading that arrives faster, or much
slower, than it was made had been queued; its lag counts only if it is negative, as no queue can make it. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median_low

from msgspec import Struct

DeviceKey = tuple[str, str, str]
"""Municipality, kind and device, as in the topic."""
MIN_DEVICES = 5
MIN_MUNICIPALITIES = 2
"""From so many municipalities at least, where there are so many: one network's fault is not the city's."""
AGREEING_SHARE = 2 / 3
"""So many of the devices must lie within `AGREEMENT_S` of the median. Clocks that agree on nothing prove nothing."""
AGREEMENT_S = 60.0
MAX_OWN_BEHIND_S = 60.0
"""Vigía's clock is wrong if it is further behind the devices than this: nothing but clocks makes a lag negative."""
MAX_OWN_AHEAD_S = 300.0
"""And if it is further ahead than this: networks and batteries make readings late by some minutes."""
LAGS_KEPT = 3
PASSING_DELAY_S = 60.0
SLOWEST_DRAIN = 0.8
"""Readings that arrive in less than this share of the time in which they were made come from a queue that empties."""
HEARD_WITHIN_S = 1800.0
MAX_DEVICES = 1024
"""The devices heard last are kept: enough for a median."""


class _DeviceLags(Struct, gc=False):
    """Times of the last reading, seconds since 1970-01-01 UTC, when it was heard in elapsed time, and the last lags."""

    observed_s: float
    received_s: float
    heard_s: float
    lags_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SkewEstimate:
    """`skew_s`: median of receipt minus measurement over `devices` devices; positive where Vigía's clock is ahead."""

    skew_s: float
    devices: int

    @property
    def is_wrong(self) -> bool:
        """Whether this is more than devices and networks explain."""
        return not -MAX_OWN_BEHIND_S <= self.skew_s <= MAX_OWN_AHEAD_S


class CitySkew:
    """What was heard of the clocks of registered devices that have one. One thread only."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self._devices: dict[DeviceKey, _DeviceLags] = {}

    def add(self, device: DeviceKey, observed_s: float, received_s: float, elapsed_s: float) -> None:
        """Take one reading of a device. elapsed_s: time that only elapses, s."""
        before = self._devices.pop(device, None)
        lag_s = received_s - observed_s
        lags_s = before.lags_s if before is not None else ()
        if lag_s < 0.0 or (before is not None and _in_its_time(before, observed_s, received_s)):
            lags_s = (*lags_s, lag_s)[-LAGS_KEPT:]
        self._devices[device] = _DeviceLags(observed_s, received_s, elapsed_s, lags_s)
        if len(self._devices) > MAX_DEVICES:
            del self._devices[next(iter(self._devices))]

    def shift(self, step_s: float) -> None:
        """Vigía's clock went forward by so much, s: so do all lags and times of receipt that it gave before."""
        for lags in self._devices.values():
            lags.received_s += step_s
            lags.lags_s = tuple(lag_s + step_s for lag_s in lags.lags_s)

    def estimate(self, elapsed_s: float, municipalities: int) -> SkewEstimate | None:
        """The skew now; None where too few devices were heard or they disagree. municipalities: how many there are."""
        heard = dict(self._heard(elapsed_s))
        if len(heard) < MIN_DEVICES:
            return None
        if len({municipality for municipality, _, _ in heard}) < min(MIN_MUNICIPALITIES, municipalities):
            return None
        skew_s = median_low(heard.values())
        agreeing = sum(abs(lag_s - skew_s) <= AGREEMENT_S for lag_s in heard.values())
        return SkewEstimate(skew_s, len(heard)) if agreeing >= AGREEING_SHARE * len(heard) else None

    def _heard(self, elapsed_s: float) -> Iterator[tuple[DeviceKey, float]]:
        for device, lags in self._devices.items():
            if lags.lags_s and elapsed_s - lags.heard_s <= HEARD_WITHIN_S:
                yield device, min(lags.lags_s)


def _in_its_time(before: _DeviceLags, observed_s: float, received_s: float) -> bool:
    """Whether a reading arrived about as fast as it was made: neither it nor the one before had been queued."""
    made_s, arrived_s = observed_s - before.observed_s, received_s - before.received_s
    return made_s > 0.0 and SLOWEST_DRAIN * made_s <= arrived_s <= 2 * made_s + PASSING_DELAY_S
