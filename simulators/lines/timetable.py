"""Trips of the schematic lines: departures by time of day, scheduled times at stops, and vehicle blocks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

from models.network import Frequency, Pattern, Service, Timing, Trip
from simulators.lines.bus_lines import Branch
from simulators.lines.street_plan import ACROSS, ALONG, PlanPoint

HOUR_S = 3_600
MINUTE_S = 60
FIRST_DAY, LAST_DAY = date(2013, 1, 1), date(2034, 12, 31)
WORKDAYS = (True, True, True, True, True, False, False)
SATURDAYS = (False, False, False, False, False, True, False)
SUNDAYS = (False, False, False, False, False, False, True)
HOLIDAYS = ((1, 1), (3, 24), (4, 2), (5, 1), (5, 25), (7, 9), (12, 8), (12, 25))
"""Month and day of the national holidays on fixed dates. They have the Sunday service."""
HEADWAY_FACTORS = {"habil": 1.0, "sabado": 1.3, "domingo": 1.6}
"""Factor on the headways for each service."""

HEADWAY_FACTOR_BY_HOUR = (
    (4.75, 6.5, 1.4),
    (6.5, 9.5, 0.8),
    (9.5, 12.0, 1.0),
    (12.0, 14.0, 0.85),
    (14.0, 16.5, 1.0),
    (16.5, 19.5, 0.8),
    (19.5, 21.5, 1.3),
)
"""From hour, to hour, factor on the ordinary headway."""
EVENING_H, NIGHT_H, NIGHT_ENDS_H = 21.5, 23.0, 27.0
EVENING_MIN, NIGHT_MIN = 43, 90

PEAKS = ((7.0, 9.5), (12.0, 14.0), (16.5, 19.5))
CORE_MS, OUTSKIRTS_MS = 4.7, 6.6
"""Scheduled speeds, stops included, inside streets 1-31 and 38-66 and outside."""
PEAK_SLOWER, NIGHT_FASTER = 0.85, 1.2
TIMEPOINT_EVERY = 8
"""Every eighth stop and both ends are timepoints on whole minutes. The other times are interpolated by distance."""

MIN_LAYOVER_S = 6 * MINUTE_S
"""Minimum layover at a terminal before the next trip."""
MAX_LAYOVER_S = 45 * MINUTE_S
"""If the next trip is later than this, the block ends and the bus goes to its depot."""


@dataclass(frozen=True, slots=True)
class BranchDirection:
    """A branch in one direction: its pattern, headsign, and first and last corner."""

    pattern: Pattern
    branch: Branch
    headsign: str
    start_corner: str
    end_corner: str


def services() -> dict[str, Service]:
    """The services: working days, Saturdays, Sundays. Holidays have the Sunday service."""
    off = frozenset(date(year, *day) for year in range(FIRST_DAY.year, LAST_DAY.year + 1) for day in HOLIDAYS)
    return {
        "habil": Service(
            "habil", WORKDAYS, FIRST_DAY, LAST_DAY, removed=frozenset(day for day in off if day.weekday() < 5)
        ),
        "sabado": Service(
            "sabado", SATURDAYS, FIRST_DAY, LAST_DAY, removed=frozenset(d for d in off if d.weekday() == 5)
        ),
        "domingo": Service(
            "domingo", SUNDAYS, FIRST_DAY, LAST_DAY, added=frozenset(d for d in off if d.weekday() != 6)
        ),
    }


def departures_s(branch: Branch, service_id: str, share: float) -> Iterator[int]:
    """Departures from a terminal on whole minutes, in seconds after the start of the service date.

    share: share of a headway before the first departure, so that branches and directions do not leave all at once.
    """
    service_factor = HEADWAY_FACTORS[service_id]
    at_h = (
        HEADWAY_FACTOR_BY_HOUR[0][0]
        + share * branch.headway_min * service_factor * HEADWAY_FACTOR_BY_HOUR[0][2] / MINUTE_S
    )
    while at_h < NIGHT_ENDS_H - 0.5:
        if at_h < NIGHT_H or branch.night:
            yield round(at_h * 60) * MINUTE_S
        at_h += headway_min(branch, at_h, service_factor) / 60


def headway_min(branch: Branch, at_h: float, service_factor: float) -> float:
    """The scheduled headway at an hour of the service day, minutes: longer in the evening, longest at night."""
    if at_h >= NIGHT_H:
        return NIGHT_MIN
    if at_h >= EVENING_H:
        return max(EVENING_MIN, branch.headway_min)
    factor = next(factor for begin, end, factor in HEADWAY_FACTOR_BY_HOUR if begin <= at_h < end)
    return branch.headway_min * factor * service_factor


def scheduled_timing(pattern: Pattern, stop_points: Sequence[PlanPoint], start_s: int) -> Timing:
    """Scheduled times along a pattern: whole minutes at timepoints, interpolated by distance between. Without dwell.

    stop_points: the stops as points of the street plan.
    """
    last = len(pattern.stop_ids) - 1
    raw = [0.0]
    for position in range(last):
        metres = pattern.stop_m[position + 1] - pattern.stop_m[position]
        raw.append(raw[-1] + metres / _planned_ms(stop_points[position], start_s))
    kept = sorted({*range(0, last - TIMEPOINT_EVERY // 2, TIMEPOINT_EVERY), last})
    exact = {position: round(raw[position] / MINUTE_S) * MINUTE_S for position in kept}
    times = [0] * (last + 1)
    for here, there in pairwise(kept):
        for position in range(here, there + 1):
            share = (raw[position] - raw[here]) / (raw[there] - raw[here])
            times[position] = round(exact[here] + share * (exact[there] - exact[here]))
    return Timing(tuple(times), tuple(times), tuple(position in exact for position in range(last + 1)))


def _planned_ms(point: PlanPoint, start_s: int) -> float:
    core = 0 <= point[0] <= ALONG["31"] and ACROSS["38"] <= point[1] <= ACROSS["66"]
    speed = CORE_MS if core else OUTSKIRTS_MS
    hour = start_s / HOUR_S
    if any(begin <= hour < end for begin, end in PEAKS):
        return speed * PEAK_SLOWER
    return speed if HEADWAY_FACTOR_BY_HOUR[0][1] <= hour < EVENING_H else speed * NIGHT_FASTER


def time_band(start_s: int) -> int:
    """The number of the running times that apply to a start time."""
    hour = start_s / HOUR_S
    return (
        1
        if any(begin <= hour < end for begin, end in PEAKS)
        else 0
        if HEADWAY_FACTOR_BY_HOUR[0][1] <= hour < EVENING_H
        else 2
    )


def frequency_trip(run: BranchDirection, service_id: str, share: float, timings: Mapping[int, Timing]) -> Trip:
    """One frequency-based trip for the whole day: only headways are scheduled."""
    service_factor = HEADWAY_FACTORS[service_id]
    spans = [
        (begin, end, run.branch.headway_min * factor * service_factor) for begin, end, factor in HEADWAY_FACTOR_BY_HOUR
    ]
    spans += [(EVENING_H, NIGHT_H, EVENING_MIN)] + [(NIGHT_H, NIGHT_ENDS_H, NIGHT_MIN)] * run.branch.night
    first = round(share * run.branch.headway_min) * MINUTE_S
    frequencies = tuple(
        Frequency(int(begin * HOUR_S) + first, int(end * HOUR_S) + first, round(every) * MINUTE_S, exact=False)
        for begin, end, every in spans
    )
    start_s = frequencies[0].start_s
    return Trip(
        id=f"{run.pattern.shape.id}-{service_id}",
        pattern=run.pattern.index,
        service_id=service_id,
        start_s=start_s,
        timing=timings[0],
        headsign=run.headsign,
        frequencies=frequencies,
    )


def scheduled_trips(
    run: BranchDirection, service_id: str, share: float, timings: Mapping[int, Timing]
) -> Iterator[Trip]:
    """The scheduled trips of a branch in one direction for one service."""
    for start_s in departures_s(run.branch, service_id, share):
        yield Trip(
            id=f"{run.pattern.shape.id}-{service_id}-{start_s // HOUR_S:02d}{start_s // MINUTE_S % 60:02d}",
            pattern=run.pattern.index,
            service_id=service_id,
            start_s=start_s,
            timing=timings[time_band(start_s)],
            headsign=run.headsign,
        )


def with_blocks(line: str, trips: Iterable[tuple[BranchDirection, Trip]]) -> Iterator[Trip]:
    """The trips with their blocks. Each trip continues the block that last reached its start, or starts a new one."""
    waiting_blocks: dict[str, list[tuple[int, str]]] = {}
    block_count = 0
    for run, trip in sorted(trips, key=lambda pair: (pair[1].start_s, pair[1].id)):
        waiting = waiting_blocks.setdefault(run.start_corner, [])
        fit = [one for one in waiting if MIN_LAYOVER_S <= trip.start_s - one[0] <= MAX_LAYOVER_S]
        if fit:
            block = max(fit)
            waiting.remove(block)
            block_id = block[1]
        else:
            block_count += 1
            block_id = f"{line}-{trip.service_id}-{block_count:02d}"
        waiting_blocks.setdefault(run.end_corner, []).append((trip.start_s + trip.duration_s, block_id))
        yield replace(trip, block_id=block_id)
