"""When a trip is at its stops: its times made to rise, and the blank ones filled by the distance driven."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ingest.gtfs.fields import BLANK
from models.network import DAY_S, HALF_DAY_S, Timing

TIME_GOES_BACK = "times that go back; the stop was given the time before it"
TIME_RESTARTS = "times that start again at 0:00; the rest of the trip was read as after midnight"
APPROXIMATE = "0"
"""The timepoint of a time that is not promised."""

Times = tuple[int | None, ...]
"""Seconds after the trip's start; None where the feed says nothing."""


def relative_to_start(start_s: int, times: Sequence[int]) -> Times:
    """Times as read, with BLANK, counted from the trip's start."""
    if BLANK in times:
        return tuple([None if time == BLANK else time - start_s for time in times])
    return tuple([time - start_s for time in times])


def build_timing(
    arrivals: Times, departures: Times, promised: Sequence[str], stop_m: Sequence[float]
) -> tuple[Timing, list[str]]:
    """A timing whose times never fall, and what had to be mended. The first and the last stop must have a time.

    One time of a stop stands for both. A stop without any gets its time by the distance driven, and is no timepoint
    whatever the feed says of it.
    """
    calls = [
        (position, departure if arrival is None else arrival, arrival if departure is None else departure)
        for position, (arrival, departure) in enumerate(zip(arrivals, departures, strict=True))
    ]
    known = [
        (at, arrival, departure) for at, arrival, departure in calls if arrival is not None and departure is not None
    ]
    first, arrival, departure = known[0]
    known[0] = (first, min(arrival, departure), departure)  # the trip starts when it leaves, whenever it came
    times, mended = _make_nondecreasing([time for _, *both in known for time in both])
    timetabled = {at for at, *_ in known}
    timepoint = tuple(text != APPROXIMATE and at in timetabled for at, text in enumerate(promised))
    arrived, left = _fill_blank_times([at for at, *_ in known], times[::2], times[1::2], stop_m)
    return Timing(tuple(arrived), tuple(left), () if all(timepoint) else timepoint), mended


def _make_nondecreasing(times: Sequence[int]) -> tuple[list[int], list[str]]:
    """The same times, none before an earlier one; what falls by half a day or more has passed midnight."""
    mended: list[str] = []
    risen, shift = [times[0]], 0
    for time in times[1:]:
        if time + shift < risen[-1] - HALF_DAY_S:
            shift += DAY_S
            mended.append(TIME_RESTARTS)
        elif time + shift < risen[-1]:
            mended.append(TIME_GOES_BACK)
        risen.append(max(risen[-1], time + shift))
    return risen, mended


def _fill_blank_times(
    at: Sequence[int], arrived: Sequence[int], left: Sequence[int], stop_m: Sequence[float]
) -> tuple[list[int], list[int]]:
    """Times of every stop, from those of the stops at some positions, the first and the last among them."""
    arrivals, departures = list(arrived[:1]), list(left[:1])
    for (before, after_it), leaves, arrives, departs in zip(pairwise(at), left, arrived[1:], left[1:], strict=False):
        between = list(_interpolate_between(stop_m[before : after_it + 1], leaves, arrives))
        arrivals += [*between, arrives]
        departures += [*between, departs]
    return arrivals, departures


def _interpolate_between(stop_m: Sequence[float], leaves: int, arrives: int) -> Iterator[int]:
    """When the stops between the first and the last are passed, at one speed."""
    length = stop_m[-1] - stop_m[0]
    for position in range(1, len(stop_m) - 1):
        share = (stop_m[position] - stop_m[0]) / length if length > 0 else position / (len(stop_m) - 1)
        yield round(leaves + share * (arrives - leaves))
