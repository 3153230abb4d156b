"""What buses took for each link of street, by time of day and day type, and how far each source of it can be trusted.

Keyed by link (stop to stop on the ground), never by trip or route: it outlives timetables. Two sources speak of what
is usual: the timetable and the past at this time of day. Each weighs as the inverse of its variance, and the variances
are learnt: a city with a bad timetable soon leans on its buses. Errors are relative, so that they can be pooled over
all links.

The buses just before are part of that past. How far they, too, depart from what is usual says a little more: of this
link, and with all other links of the whole city (`tide`). How much of it holds for the next bus is learnt as well.

Where buses that come early stand until their time, the link shows it: a share of every second of earliness is spent
waiting. That share is learnt apart (`held`), and what a link took is kept without it.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import exp, sqrt

from msgspec import Struct, field

from services.transit.model.stop_passages import LinkTraversal
from services.transit.travel_times import terminal_departures
from services.transit.travel_times.network_delay import FADES_S
from services.transit.travel_times.source_weights import RegressionSlope, RunningMean, SourceWeights
from services.transit.travel_times.terminal_departures import Counts
from services.transit.travel_times.time_of_day import DAY_S, Bins, Estimate, add, bin_of, smoothed

__all__ = [
    "FLOOR_S",
    "NEAR_M",
    "ExpectedTraversal",
    "LearnedDeparture",
    "LearnedTraversal",
    "LinkHistory",
    "SourceWeights",
    "TravelTimes",
]

EXPECTED_S = 300.0
"""For so long, or until a link learns, what is expected of it is not worked out again."""
MOST_EXPECTED = 64
MOST_RECENT = 4
RECENT_S = 5_400.0
FLOOR_S = 20.0
"""Added to a link's time where errors are made relative to it: seconds matter little where all is short."""
OUTLIER = 1.4
OUTLIER_S = 25.0
"""A passage longer than so many times what was expected, and these seconds, counts as that."""
LEAST_DRIFT = 0.01
"""Of the noise of one bus: no past is believed to speak more surely of today."""
EARLIEST_S = 900.0
"""How early a bus may be and still teach how long early buses are held."""
HELD_S = 120.0
"""A link is believed to hold early buses by its own evidence rather than by others' after one so many seconds early."""
HELD_AROUND = 0.14
"""How little of what one link shows is believed of others."""
MOST_HELD = 1e7
"""After a hundred buses five minutes early, older ones fade."""
MOST_PACED = 1_000.0
"""The same for a slow bus staying slow, a slow link and a slow city: tens of thousands of links."""
SLOT_S = 14_400.0
"""Departures are told apart by parts of the day so long."""
NEAR_M = 600.0
"""So near its first stop a bus may still be waiting for its time."""


class LinkHistory(Struct):
    """The past of one link. `bins`: by day type and half hour, [day, weight, sum of seconds]. `recent`: [at, seconds]
    of the last buses, oldest first. `dwell`: mean seconds at its first stop, and of how many buses. `left`: where
    journeys begin with it, how late they left, by part of the day.
    """

    bins: Bins = field(default_factory=dict)
    recent: list[tuple[float, float]] = field(default_factory=list)
    held: RegressionSlope = field(default_factory=RegressionSlope)
    dwell: RunningMean = field(default_factory=lambda: RunningMean(0.0, 0.0))
    left: dict[int, Counts] = field(default_factory=dict)


class LearnedTraversal(Struct, frozen=True, gc=False):
    """What one passage taught, so that it can be unlearnt when a late report shows it was otherwise."""

    link_id: str
    bin: int
    day: float
    at: float
    took_s: float
    expected_s: float
    squares: float
    products: float


class LearnedDeparture(Struct, frozen=True, gc=False):
    """What one departure from a terminal taught."""

    link_id: str
    slot: int
    counted: int


class ExpectedTraversal(Struct, frozen=True, gc=False):
    """What a link should take, seconds, without holding, and how many recent buses say so; how long of it a bus stands
    at its first stop; the share of its lead an early bus waits, where the link lies near its first stop or further on.

    `usual`: the same, whatever the recent buses took; `recent`: how much more they took, relative.
    """

    seconds: float
    usual: float
    recent: float
    buses: int
    dwell_s: float
    near: float
    far: float


class TravelTimes:
    """The past of every link, and the trust in each source. One city's, in memory; its links are kept by others.

    `deviation`: of what a link takes from what was expected, relative.
    """

    def __init__(self) -> None:
        self.links: dict[str, LinkHistory] = {}
        self.trust = SourceWeights()
        self.deviation = 0.0
        self._levels: dict[str, dict[int, Estimate]] = {}
        self._expected: dict[str, dict[tuple[int, float, int], ExpectedTraversal]] = {}
        self._changed: set[str] = set()
        self._weights = (0.0, 0.0, 0.0)
        self._weigh()

    def learn(self, passage: LinkTraversal) -> LearnedTraversal:
        """Take one passage in; keep what comes back to take it out again."""
        expected = self.expect(passage.link_id, passage.planned_s, passage.at, passage.zero, passage.weekday)
        link = self.links.setdefault(passage.link_id, LinkHistory())
        took_s = min(passage.took_s, OUTLIER * max(expected.seconds, passage.planned_s) + OUTLIER_S)
        squares = products = 0.0
        if passage.early_s > FLOOR_S:
            share = expected.near if passage.begin_m < NEAR_M else expected.far
            squares, products = self._learn_hold(link, passage, passage.took_s - expected.seconds)
            free_s = passage.took_s - share * passage.early_s
            took_s = min(took_s, max(free_s, min(took_s, 0.5 * expected.seconds)))
        bin_, day = bin_of(passage.at - passage.zero, passage.weekday), passage.at // DAY_S
        self._judge(link, passage, took_s, expected)
        add(link.bins, bin_, day, took_s, 1.0)
        _insert(link.recent, (passage.at, took_s))
        if passage.dwell_s >= 0:
            link.dwell.take(min(passage.dwell_s, 300.0))
        self._touch(passage.link_id)
        return LearnedTraversal(passage.link_id, bin_, day, passage.at, took_s, expected.seconds, squares, products)

    def learn_departure(self, link_id: str, since_zero_s: float, late_s: float) -> LearnedDeparture:
        """A bus left its first stop along a link, so late against its plan."""
        slot = _slot(since_zero_s)
        left = self.links.setdefault(link_id, LinkHistory()).left.setdefault(slot, terminal_departures.none_yet())
        terminal_departures.count(self.trust.lateness, late_s)
        self._changed.add(link_id)
        return LearnedDeparture(link_id, slot, terminal_departures.count(left, late_s))

    def unlearn(self, lesson: LearnedTraversal | LearnedDeparture) -> None:
        """Take one passage or departure out. What is learnt over all links, thousands of them, keeps what it had."""
        link = self.links.get(lesson.link_id)
        if link is None:
            return
        if isinstance(lesson, LearnedDeparture):
            left = link.left.setdefault(lesson.slot, terminal_departures.none_yet())
            left[lesson.counted] = max(0.0, left[lesson.counted] - 1.0)
            self._changed.add(lesson.link_id)
            return
        add(link.bins, lesson.bin, lesson.day, lesson.took_s, -1.0)
        if (lesson.at, lesson.took_s) in link.recent:
            link.recent.remove((lesson.at, lesson.took_s))
        link.held.leave(lesson.squares, lesson.products)
        self._touch(lesson.link_id)

    def expect(self, link_id: str, planned_s: float, at: float, zero: float, weekday: int) -> ExpectedTraversal:
        """What a link should take a bus that enters it at an instant, to a few minutes."""
        slot = int(at // EXPECTED_S)
        known = self._expected.get(link_id)
        if known is None or len(known) > MOST_EXPECTED:
            known = self._expected[link_id] = {}
        expected = known.get((slot, planned_s, weekday))
        if expected is None:
            expected = self._blend(link_id, planned_s, (slot + 0.5) * EXPECTED_S, zero, weekday)
            known[slot, planned_s, weekday] = expected
        return expected

    def _blend(self, link_id: str, planned_s: float, at: float, zero: float, weekday: int) -> ExpectedTraversal:
        planned_weight, noise, drift = self._weights
        total, weight, buses, recent = planned_s * planned_weight, planned_weight, 0, 0.0
        link = self.links.get(link_id)
        if link is not None:
            level = self._level(link_id, link, bin_of(at - zero, weekday))
            if level.mass > 0.05:
                own = 1.0 / (drift / level.alike + noise / level.effective)
                total += own * level.mean_s
                weight += own
            buses, recent = _lately(link.recent, at, total / weight)
        usual = total / weight
        seconds = usual + self.trust.recent.share(0.0, 1.0) * recent * (usual + FLOOR_S)
        held, dwell_s = (link.held, link.dwell.value) if link is not None else (RegressionSlope(), 0.0)
        noise_s = self.deviation * (usual + FLOOR_S)
        near, far = (
            held.apart(one.share(0.0, 1.0), HELD_S * HELD_S, noise_s * noise_s)
            for one in (self.trust.near, self.trust.far)
        )
        return ExpectedTraversal(seconds, usual, recent, buses, dwell_s, near, far)

    def slower(self, at: float, pace: float) -> float:
        """How many times longer than expected a bus of this pace takes for a link, as the city flows at an instant: of
        its seconds and FLOOR_S, as all relative errors.
        """
        stays = self.trust.stays.share(0.0, 1.0)
        return (1.0 + pace * self.trust.pace.share(0.0, 1.0)) * (1.0 + stays * self.trust.tide.height(at))

    def late_s(self, link_id: str, since_zero_s: float, least_s: float) -> tuple[float, float, float]:
        """P10, median and P90 of how late a journey leaves along its first link, if it is at least so late already."""
        link = self.links.get(link_id)
        own = link.left.get(_slot(since_zero_s)) if link is not None else None
        return terminal_departures.late_s(own, self.trust.lateness, least_s)

    def left_at(self, link_id: str) -> float | None:
        """When the last bus left the first stop of a link, Unix seconds; None where none did for long."""
        link = self.links.get(link_id)
        if link is None or not link.recent:
            return None
        at, took_s = link.recent[-1]
        return at - took_s

    def dwell_s(self, link_id: str) -> float:
        """How long buses stand at the first stop of a link, seconds, on average; 0 where nobody saw."""
        link = self.links.get(link_id)
        return link.dwell.value if link is not None else 0.0

    def changed(self) -> Iterator[tuple[str, LinkHistory]]:
        """The links that learnt something since this was last asked."""
        names, self._changed = self._changed, set()
        return ((name, self.links[name]) for name in sorted(names))

    def restore(self, links: Iterable[tuple[str, LinkHistory]], trust: SourceWeights | None = None) -> None:
        """Go on from what was kept."""
        for name, link in links:
            self.links[name] = link
            self._levels.pop(name, None)
            self._expected.pop(name, None)
        if trust is not None:
            self.trust = trust
            self._weigh()

    def _touch(self, link_id: str) -> None:
        self._levels.pop(link_id, None)
        self._expected.pop(link_id, None)
        self._changed.add(link_id)

    def _learn_hold(self, link: LinkHistory, passage: LinkTraversal, over_s: float) -> tuple[float, float]:
        early_s = min(passage.early_s, EARLIEST_S)
        waited_s = max(-early_s, min(over_s, 1.2 * early_s))
        link.held.take(early_s, waited_s, MOST_HELD)
        around = self.trust.near if passage.begin_m < NEAR_M else self.trust.far
        around.take(HELD_AROUND * early_s, HELD_AROUND * waited_s, MOST_HELD)
        return early_s * early_s, early_s * waited_s

    def _judge(self, link: LinkHistory, passage: LinkTraversal, took_s: float, expected: ExpectedTraversal) -> None:
        """How far off was each source?"""
        scale_s, trust = expected.seconds + FLOOR_S, self.trust
        off_plan, off = (took_s - passage.planned_s) / scale_s, (took_s - expected.seconds) / scale_s
        trust.planned.take(_square(off_plan))
        trust.blend.take(_square(off))
        level = self._level(passage.link_id, link, bin_of(passage.at - passage.zero, passage.weekday))
        if level.mass > 0.5:
            off_past = (took_s - level.mean_s) / scale_s
            trust.noise.take(_bounded(off_past) * _bounded(off_plan))
            trust.drift.take(level.alike * (_square(off_past) - trust.noise.value * (1.0 + 1.0 / level.effective)))
        missed = _bounded(off)
        trust.pace.take(passage.pace, missed, MOST_PACED)
        trust.recent.take(expected.recent, _bounded((took_s - expected.usual) / scale_s), MOST_PACED)
        trust.stays.take(trust.tide.height(passage.at), missed, MOST_PACED)
        trust.tide.take(passage.at, scale_s, missed, level.mass)
        self._weigh()

    def _weigh(self) -> None:
        """The inverse variances. What the errors of the past and of the timetable have in common is the bus's own."""
        trust = self.trust
        noise = max(trust.noise.value, 1e-4)
        planned = max(trust.planned.value - noise, 0.3 * noise)
        drift = max(trust.drift.value, LEAST_DRIFT * noise)
        self._weights = (1.0 / planned, noise, drift)
        self.deviation = sqrt(trust.blend.value)

    def _level(self, link_id: str, link: LinkHistory, bin_: int) -> Estimate:
        """The past around a time of day, by a kernel over the bins."""
        levels = self._levels.setdefault(link_id, {})
        known = levels.get(bin_)
        if known is None:
            known = levels[bin_] = smoothed(link.bins, bin_)
        return known


def _slot(since_zero_s: float) -> int:
    return int(since_zero_s % DAY_S // SLOT_S)


def _insert(recent: list[tuple[float, float]], one: tuple[float, float]) -> None:
    recent.append(one)
    if len(recent) > 1 and recent[-2] > one:
        recent.sort()
    del recent[:-MOST_RECENT]


def _lately(recent: Sequence[tuple[float, float]], at: float, usual_s: float) -> tuple[int, float]:
    """How many buses there were lately, and how much longer than usual they took, relative, shrunk to 0 while few."""
    count, weight, over_s = 0, float(MOST_RECENT), 0.0
    for then, took_s in reversed(recent):
        if at - then > RECENT_S:
            break
        own = exp(min(0.0, then - at) / FADES_S)
        count += 1
        weight += own
        over_s += own * (took_s - usual_s)
    return count, over_s / (weight * (usual_s + FLOOR_S))


def _bounded(error: float) -> float:
    return max(-1.0, min(1.0, error))


def _square(error: float) -> float:
    return min(1.0, error * error)
