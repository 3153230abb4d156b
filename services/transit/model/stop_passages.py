"""Stop passages from successive positions: when a bus reached each stop, and its travel time over each link."""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from models.network import Journey, Pattern

MAX_GAP_S = 480.0
"""Between two positions further apart in time nothing is interpolated."""
SLOWNESS_PRIOR_S = 240.0
"""Added to the expected time when slowness is computed, so that it stays near 0 while little was seen."""
SLOWNESS_DECAY = 0.95
"""The weight that each earlier link keeps in a bus's slowness when one more link is added."""
DEPARTED_M = 30.0
"""A bus has left its first stop when it is this far from it: until then it stands at the terminal."""


class StopPassage(Struct, frozen=True, gc=False):
    """A bus reached a stop at `at`, Unix seconds, and left it at `left_at` where that was seen, else 0.

    `position`: index of the stop in the pattern.
    """

    position: int
    at: float
    left_at: float = 0.0


class LinkTraversal(Struct, frozen=True, gc=False):
    """One bus's travel over one link, from arrival to arrival, the dwell at its first stop included.

    `travel_time_s`: measured; `scheduled_s`: by the timetable. `early_s`: how long before its scheduled departure the
    bus reached the first stop, negative when late, 0 where no exact time is promised. `dwell_s`: how long it stood
    there, negative where that was not seen. `slowness`: that of the bus well before this link (see `JourneyProgress`).
    `service_day_start`: zero of the service date, Unix seconds; `weekday`: of that date, Monday is 0. `link_start_m`:
    distance from the pattern's first stop to the link's.
    """

    link_id: str
    vehicle: str
    at: float
    travel_time_s: float
    scheduled_s: float
    early_s: float
    service_day_start: float
    weekday: int
    link_start_m: float
    dwell_s: float = -1.0
    slowness: float = 0.0


_STORED_PROGRESS = {"next_position": "next", "last_passage": "last", "excess_s": "over_s", "past_slowness": "paces"}


class JourneyProgress(Struct, frozen=True, gc=False, rename=_STORED_PROGRESS):
    """How far along one journey a bus has come.

    `next_position`: index of the next stop to reach; `last_passage`: the passage before it. `expected_s`, `excess_s`:
    expected travel time of the last links, and how much longer they took; earlier links weigh less and less.
    `past_slowness`: the slowness two positions and one position ago. Travel times of links between the same two
    positions share their errors, and the last link's shares the error of the present position: only a slowness from
    well before shows how slow a bus stays.
    """

    key: tuple[str, str, int]
    at: float
    distance_m: float
    next_position: int
    last_passage: StopPassage | None = None
    expected_s: float = 0.0
    excess_s: float = 0.0
    past_slowness: tuple[float, float] = (0.0, 0.0)

    @property
    def slowness(self) -> float:
        """Excess travel time as a share of the expected; shrunk to 0 while little was seen."""
        return self.excess_s / (self.expected_s + SLOWNESS_PRIOR_S)


def journey_has_exact_times(journey: Journey) -> bool:
    """Whether the timetable promises exact times, not only a headway."""
    frequencies = journey.trip.frequencies
    return not journey.frequency_based or any(
        one.exact for one in frequencies if one.start_s <= journey.start_s < one.end_s
    )


def headway_s(journey: Journey) -> int:
    """Time from one journey of a frequency-based trip to the next, seconds; 0 of any other trip."""
    for one in journey.trip.frequencies:
        if one.start_s <= journey.start_s < one.end_s:
            return one.headway_s
    return 0


def start_progress(key: tuple[str, str, int], pattern: Pattern, at: float, distance_m: float) -> JourneyProgress:
    """Progress of a journey first seen at this distance. Stops behind it count as unseen."""
    return JourneyProgress(key, at, distance_m, _first_position_ahead(pattern, distance_m))


def advance_progress(
    progress: JourneyProgress, pattern: Pattern, at: float, distance_m: float
) -> tuple[JourneyProgress, tuple[StopPassage, ...]]:
    """Progress after the next position of the same journey, and the stops passed since the last one.

    A position further back does not move the bus back: positions err, buses do not reverse. Where the two positions lie
    more than MAX_GAP_S apart, the stops between them count as unseen.
    """
    distance_m = max(distance_m, progress.distance_m)
    passages = tuple(_interpolated_passages(progress, pattern, at, distance_m))
    next_position = progress.next_position + len(passages)
    if at - progress.at > MAX_GAP_S:
        return JourneyProgress(progress.key, at, distance_m, next_position), ()
    last = passages[-1] if passages else progress.last_passage
    moved = replace(progress, at=at, distance_m=distance_m, next_position=next_position, last_passage=last)
    return moved, passages


def add_traversal(progress: JourneyProgress, expected_s: float, travel_time_s: float) -> JourneyProgress:
    """Progress with one more link: its expected and its measured travel time."""
    return replace(
        progress,
        expected_s=SLOWNESS_DECAY * progress.expected_s + expected_s,
        excess_s=SLOWNESS_DECAY * progress.excess_s + travel_time_s - expected_s,
    )


def link_traversal(
    journey: Journey, pattern: Pattern, vehicle: str, begin: StopPassage, end: StopPassage, slowness: float
) -> LinkTraversal | None:
    """The traversal between two successive passages; None where they are not successive, or it took no time."""
    timing, service_day_start = journey.trip.timing, journey.start_at - journey.start_s
    begin_at = begin.left_at if begin.position == 0 and begin.left_at else begin.at
    if end.position != begin.position + 1 or end.at <= begin_at:
        return None
    return LinkTraversal(
        link_id=pattern.link_ids[begin.position],
        vehicle=vehicle,
        at=end.at,
        travel_time_s=end.at - begin_at,
        scheduled_s=float(timing.arrivals_s[end.position] - timing.arrivals_s[begin.position]),
        early_s=journey.departure_at(begin.position) - begin_at if journey_has_exact_times(journey) else 0.0,
        service_day_start=service_day_start,
        weekday=journey.service_date.weekday(),
        link_start_m=pattern.stop_m[begin.position] - pattern.stop_m[0],
        dwell_s=begin.left_at - begin.at if begin.left_at and begin.position else -1.0,
        slowness=slowness,
    )


def _interpolated_passages(
    progress: JourneyProgress, pattern: Pattern, at: float, distance_m: float
) -> Iterator[StopPassage]:
    """Linear interpolation between the two positions, as published benchmarks derive their ground truth."""
    span_m = distance_m - progress.distance_m
    for position in range(progress.next_position, len(pattern.stop_m)):
        passage_m = _passage_m(pattern, position)
        if passage_m > distance_m:
            return
        share = (passage_m - progress.distance_m) / span_m if span_m > 0 else 1.0
        yield StopPassage(position, progress.at + (at - progress.at) * min(1.0, max(0.0, share)))


def _first_position_ahead(pattern: Pattern, distance_m: float) -> int:
    return sum(1 for position in range(len(pattern.stop_m)) if _passage_m(pattern, position) <= distance_m)


def _passage_m(pattern: Pattern, position: int) -> float:
    """Distance along the shape at which a stop counts as reached; the first stop as left."""
    if position or len(pattern.stop_m) == 1:
        return pattern.stop_m[position]
    return pattern.stop_m[0] + min(DEPARTED_M, (pattern.stop_m[1] - pattern.stop_m[0]) / 2)
