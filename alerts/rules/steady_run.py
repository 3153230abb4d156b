"""Steady run: consecutive readings without flags, which a judgement at verde may process in one step."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from models.kinds import KINDS_BY_NAME
from models.reading import Reading


class SteadyRun(NamedTuple):
    """`times_s`: ascending. `values`: finite measures of the same readings. `heard_s`: time of the last receipt."""

    times_s: Sequence[float]
    values: Sequence[float]
    heard_s: float


def steady_run(readings: Sequence[Reading]) -> SteadyRun | None:
    """One station's readings as a steady run; None where any has a flag, has no finite value or is out of order."""
    index = KINDS_BY_NAME[readings[0].kind].measure_index
    times_s = [reading.observed_at.timestamp() for reading in readings]
    values = [value for value in (reading.values[index] for reading in readings) if type(value) is float]
    if (
        any([reading.flags for reading in readings])  # noqa: C419 - a list is faster than a generator
        or len(values) < len(times_s)
        or times_s != sorted(set(times_s))
        or not isfinite(sum(values))
    ):
        return None
    return SteadyRun(times_s, values, max([reading.received_at for reading in readings]).timestamp())
