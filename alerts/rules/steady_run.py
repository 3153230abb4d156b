"""A run of readings with nothing against any of them: what a judgement that stands at verde may pass over at once."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from models.kinds import KINDS_BY_NAME
from models.reading import Reading


class SteadyRun(NamedTuple):
    """`times_s` rise, `values` are finite measures of the same readings; `heard_s`: when the last was received."""

    times_s: Sequence[float]
    values: Sequence[float]
    heard_s: float


def steady_run(readings: Sequence[Reading]) -> SteadyRun | None:
    """One station's readings as such a run; None where anything is against one, or they are not in order."""
    index = KINDS_BY_NAME[readings[0].kind].measure_index
    times_s = [reading.observed_at.timestamp() for reading in readings]
    values = [value for value in (reading.values[index] for reading in readings) if type(value) is float]
    if (
        any([reading.flags for reading in readings])  # noqa: C419 - a list is quicker than asking one by one
        or len(values) < len(times_s)
        or times_s != sorted(set(times_s))
        or not isfinite(sum(values))
    ):
        return None
    return SteadyRun(times_s, values, max([reading.received_at for reading in readings]).timestamp())
