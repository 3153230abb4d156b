"""Times of a trip at its stops: make them non-decreasing, and fill blank ones in proportion to distance."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ingest.gtfs.fields import BLANK
from models.network import DAY_S, HALF_DAY_S, Timing

TIME_GOES_BACK = "times that go back; the stop was given the time before it"
TIME_RESTARTS = "times that start again at 0:00; the rest of the trip was read as after midnight"
APPROXIMATE = "0"
"""The value of `timepoint` for an approximate time."""

Times = tuple[int | None, ...]
"""Seconds after the start of the trip; None where the feed has no time."""


def relative_to_start(start_s: int, times: Sequence[int]) -> Times:
    """Times as read, with BLANK, converted to seconds after the start of the trip."""
    if BLANK in times:
        return tuple([None if time == BLANK else time - start_s for time in times])
    return tuple([time - start_s for time in times])


def build_timing(
    arrivals: Times, departures: Times, timepoints: Sequence[str], stop_m: Sequence[float]
) -> tuple[Timing, list[str]]:
    """Build a timing with non-decreasing times, and the corrections made. The first and the last stop need a time.

    If a stop has only one of the two times, it is used for both. A stop without a time gets one in proportion to the
    distance, and is never a timepoint.
    """
    calls = [
        (position, departure if arrival is None else arrival, arrival if departure is None else departure)
        for position, (arrival, departure) in enumerate(zip(arrivals, departures, strict=True))
    ]
    known = [
        (at, arrival, departure) for at, arrival, departure in calls if arrival is not None and departure is not None
    ]
    first, arrival, departure = known[0]
    known[0] = (first, min(arrival, departure), departure)  # the trip starts at its departure
    times, corrections = _make_nondecreasing([time for _, *both in known for time in both])
    timetabled = {at for at, *_ in known}
    timepoint = tuple(text != APPROXIMATE and at in timetabled for at, text in enumerate(timepoints))
    arrived, left = _fill_blank_times([at for at, *_ in known], times[::2], times[1::2], stop_m)
    return Timing(tuple(arrived), tuple(left), () if all(timepoint) else timepoint), corrections


def _make_nondecreasing(times: Sequence[int]) -> tuple[list[int], list[str]]:
    """The times, made non-decreasing. A time that goes back by half a day or more is after midnight."""
    corrections: list[str] = []
    adjusted, shift = [times[0]], 0
    for time in times[1:]:
        if time + shift < adjusted[-1] - HALF_DAY_S:
            shift += DAY_S
            corrections.append(TIME_RESTARTS)
        elif time + shift < adjusted[-1]:
            corrections.append(TIME_GOES_BACK)
        adjusted.append(max(adjusted[-1], time + shift))
    return adjusted, corrections


def _fill_blank_times(
    at: Sequence[int], arrived: Sequence[int], left: Sequence[int], stop_m: Sequence[float]
) -> tuple[list[int], list[int]]:
    """Times of all stops, from the known times at some positions, which include the first and the last."""
    arrivals, departures = list(arrived[:1]), list(left[:1])
    for (before, after_it), leaves, arrives, departs in zip(pairwise(at), left, arrived[1:], left[1:], strict=False):
        between = list(_interpolate_between(stop_m[before : after_it + 1], leaves, arrives))
        arrivals += [*between, arrives]
        departures += [*between, departs]
    return arrivals, departures


def _interpolate_between(stop_m: Sequence[float], leaves: int, arrives: int) -> Iterator[int]:
    """Times of the stops between the first and the last, at constant speed."""
    length = stop_m[-1] - stop_m[0]
    for position in range(1, len(stop_m) - 1):
        share = (stop_m[position] - stop_m[0]) / length if length > 0 else position / (len(stop_m) - 1)
        yield round(leaves + share * (arrives - leaves))
