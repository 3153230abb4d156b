"""From where a bus was to when it passed its stops: crossings by interpolation, and what each link took."""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from models.network import Journey, Pattern

GAP_S = 480.0
"""Between two positions further apart in time nothing is interpolated."""
PACE_S = 240.0
PACE_KEPT = 0.95
"""What is left of each link's word on a bus's pace after another link."""
START_M = 30.0
"""A bus leaves its first stop when it is this far from it: until then it stands at the terminal."""


class StopPassage(Struct, frozen=True, gc=False):
    """A bus reached a stop of its pattern at an instant, Unix seconds; it left it at `left_at` where that was seen."""

    position: int
    at: float
    left_at: float = 0.0


class LinkTraversal(Struct, frozen=True, gc=False):
    """What one bus took for one link, from arrival to arrival, dwell at the first of its stops included.

    `took_s`: seconds; `planned_s`: the same by the timetable. `early_s`: how long before its planned departure the bus
    came to the first stop, negative when late, 0 where no minute is promised. `dwell_s`: how long it stood there,
    negative where nobody saw. `pace`: how much slower than expected that bus had been well
    before, relative (see Track). `zero`: zero of the service date, Unix seconds; `weekday`: of that date, Monday is 0.
    `begin_m`: how far from the first stop of the pattern the link begins.
    """

    link_id: str
    vehicle: str
    at: float
    took_s: float
    planned_s: float
    early_s: float
    zero: float
    weekday: int
    begin_m: float
    dwell_s: float = -1.0
    pace: float = 0.0


class JourneyProgress(Struct, frozen=True, gc=False):
    """How far along one journey a bus has come. `next`: the next position to reach; `last`: the crossing before it.

    `expected_s`, `over_s`: what its last links should have taken and how much more they took, fading link by link.
    `paces`: its pace two positions and one position ago. Links between the same two positions share their errors, and
    the last one's with where the bus is now: only a pace from well before shows how far a slow bus stays slow.
    """

    key: tuple[str, str, int]
    at: float
    distance_m: float
    next: int
    last: StopPassage | None = None
    expected_s: float = 0.0
    over_s: float = 0.0
    paces: tuple[float, float] = (0.0, 0.0)

    @property
    def pace(self) -> float:
        """How much slower than expected the bus is, relative; shrunk to 0 while little was seen."""
        return self.over_s / (self.expected_s + PACE_S)


def follows_schedule(journey: Journey) -> bool:
    """Whether a minute is promised, not only a headway."""
    frequencies = journey.trip.frequencies
    return not journey.repeated or any(one.exact for one in frequencies if one.start_s <= journey.start_s < one.end_s)


def headway_s(journey: Journey) -> int:
    """The time from one journey of a repeated trip to the next, seconds; 0 of any other."""
    for one in journey.trip.frequencies:
        if one.start_s <= journey.start_s < one.end_s:
            return one.headway_s
    return 0


def first_seen(key: tuple[str, str, int], pattern: Pattern, at: float, distance_m: float) -> JourneyProgress:
    """A journey first seen somewhere along its way: what lies behind was not seen."""
    return JourneyProgress(key, at, distance_m, _next(pattern, distance_m))


def advance(
    track: JourneyProgress, pattern: Pattern, at: float, distance_m: float
) -> tuple[JourneyProgress, tuple[StopPassage, ...]]:
    """The next position on the same journey, and the stops crossed since the last one.

    A position further back moves nothing: positions err, buses do not reverse. Where the two lie too far apart in time
    the stops between them count as unseen.
    """
    distance_m = max(distance_m, track.distance_m)
    crossings = tuple(_crossed(track, pattern, at, distance_m))
    if at - track.at > GAP_S:
        return JourneyProgress(track.key, at, distance_m, track.next + len(crossings)), ()
    last = crossings[-1] if crossings else track.last
    return replace(track, at=at, distance_m=distance_m, next=track.next + len(crossings), last=last), crossings


def with_traversal(track: JourneyProgress, expected_s: float, took_s: float) -> JourneyProgress:
    """The track after one link more is known: what it should have taken, and what it took."""
    return replace(
        track,
        expected_s=PACE_KEPT * track.expected_s + expected_s,
        over_s=PACE_KEPT * track.over_s + took_s - expected_s,
    )


def link_traversal(
    journey: Journey, pattern: Pattern, vehicle: str, here: StopPassage, there: StopPassage, pace: float
) -> LinkTraversal | None:
    """What the link between two successive crossings took; None where they are not, or it took no time."""
    timing, zero = journey.trip.timing, journey.start_at - journey.start_s
    begin_at = here.left_at if here.position == 0 and here.left_at else here.at
    if there.position != here.position + 1 or there.at <= begin_at:
        return None
    return LinkTraversal(
        link_id=pattern.link_ids[here.position],
        vehicle=vehicle,
        at=there.at,
        took_s=there.at - begin_at,
        planned_s=float(timing.arrivals_s[there.position] - timing.arrivals_s[here.position]),
        early_s=journey.departure_at(here.position) - begin_at if follows_schedule(journey) else 0.0,
        zero=zero,
        weekday=journey.service_date.weekday(),
        begin_m=pattern.stop_m[here.position] - pattern.stop_m[0],
        dwell_s=here.left_at - here.at if here.left_at and here.position else -1.0,
        pace=pace,
    )


def _crossed(track: JourneyProgress, pattern: Pattern, at: float, distance_m: float) -> Iterator[StopPassage]:
    """Interpolated evenly between the two positions, as every published benchmark derives its truth."""
    span_m = distance_m - track.distance_m
    for position in range(track.next, len(pattern.stop_m)):
        mark_m = _mark_m(pattern, position)
        if mark_m > distance_m:
            return
        share = (mark_m - track.distance_m) / span_m if span_m > 0 else 1.0
        yield StopPassage(position, track.at + (at - track.at) * min(1.0, max(0.0, share)))


def _next(pattern: Pattern, distance_m: float) -> int:
    return sum(1 for position in range(len(pattern.stop_m)) if _mark_m(pattern, position) <= distance_m)


def _mark_m(pattern: Pattern, position: int) -> float:
    """Where a stop counts as reached; the first one as left."""
    if position or len(pattern.stop_m) == 1:
        return pattern.stop_m[position]
    return pattern.stop_m[0] + min(START_M, (pattern.stop_m[1] - pattern.stop_m[0]) / 2)
