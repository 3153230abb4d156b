"""What buses took for each link of street, by time of day and day type, and how far each source of it can be trusted.

Keyed by link (stop to stop on the ground), never by trip or route: it outlives timetables. Three sources speak of what
the next bus will take: the timetable, the past at this time of day, and the buses just before. Each weighs as the
inverse of its variance, and the variances are learnt: a city with a bad timetable soon leans on its buses. Errors are
relative, so that they can be pooled over all links.

Where buses that come early stand until their time, the link shows it: a share of every second of earliness is spent
waiting. That share is learnt apart (`held`), and what a link took is kept without it.
"""

from collections.abc import Iterable, Iterator
from math import exp, sqrt

from msgspec import Struct, field

from services.transit import depart
from services.transit.depart import Counts
from services.transit.passages import Passage
from services.transit.trust import Mean, Share, Trust

__all__ = ["FLOOR_S", "NEAR_M", "Departed", "Expected", "History", "Lesson", "Link", "Trust"]

DAY_S = 86_400.0
BIN_S = 1_800.0
BINS = int(DAY_S // BIN_S)
KERNEL_S = 3_600.0
"""How far apart in time of day two passages may lie to speak e times less for each other."""
KERNEL_COUNT = 2.0
"""A mean by an exponential kernel of mass m varies as one of 2 m passages: its sum squared over its sum of squares."""
OTHER_DAYS = 0.3
"""What a passage of a Sunday is worth for a working day."""
HALF_LIFE_DAYS = 14.0
EXPECTED_S = 300.0
"""For so long, or until a link learns, what is expected of it is not worked out again."""
MOST_EXPECTED = 64
MOST_RECENT = 4
RECENT_S = 5_400.0
AGES_S = (900.0, 1_800.0, 3_600.0, RECENT_S)
"""Ages by which the last buses on a link are told apart."""
FLOOR_S = 20.0
"""Added to a link's time where errors are made relative to it: seconds matter little where all is short."""
OUTLIER = 1.4
OUTLIER_S = 25.0
"""A passage longer than so many times what was expected, and these seconds, counts as that."""
LEAST_DRIFT = 0.05
EARLIEST_S = 900.0
"""How early a bus may be and still teach how long early buses are held."""
HELD_S = 120.0
"""A link is believed to hold early buses by its own evidence rather than by others' after one so many seconds early."""
HELD_AROUND = 0.14
"""How little of what one link shows is believed of others."""
MOST_HELD = 1e7
"""After a hundred buses five minutes early, older ones fade."""
MOST_PACED = 1_000.0
"""The same for a slow bus staying slow: tens of thousands of links."""
SLOT_S = 14_400.0
"""Departures are told apart by parts of the day so long."""
NEAR_M = 600.0
"""So near its first stop a bus may still be waiting for its time."""


class Link(Struct):
    """The past of one link. `bins`: by day type and half hour, [day, weight, sum of seconds]. `recent`: [at, seconds]
    of the last buses, oldest first. `dwell`: mean seconds at its first stop, and of how many buses. `left`: where
    journeys begin with it, how late they left, by part of the day.
    """

    bins: dict[int, list[float]] = field(default_factory=dict)
    recent: list[tuple[float, float]] = field(default_factory=list)
    held: Share = field(default_factory=Share)
    dwell: Mean = field(default_factory=lambda: Mean(0.0, 0.0))
    left: dict[int, Counts] = field(default_factory=dict)


class Lesson(Struct, frozen=True, gc=False):
    """What one passage taught, so that it can be unlearnt when a late report shows it was otherwise."""

    link_id: str
    bin: int
    day: float
    at: float
    took_s: float
    expected_s: float
    squares: float
    products: float


class Departed(Struct, frozen=True, gc=False):
    """What one departure from a terminal taught."""

    link_id: str
    slot: int
    counted: int


class Expected(Struct, frozen=True, gc=False):
    """What a link should take, seconds, without holding, and how many recent buses say so; how long of it a bus stands
    at its first stop; the share of its lead an early bus waits, where the link lies near its first stop or further on.
    """

    seconds: float
    buses: int
    dwell_s: float
    near: float
    far: float


class History:
    """The past of every link, and the trust in each source. One city's, in memory; its links are kept by others.

    `deviation`: of what a link takes from what was expected, relative.
    """

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self.trust = Trust()
        self.deviation = 0.0
        self._levels: dict[str, dict[int, tuple[float, float]]] = {}
        self._expected: dict[str, dict[tuple[int, float, int], Expected]] = {}
        self._changed: set[str] = set()
        self._weights: tuple[float, float, float, tuple[float, ...]] = (0.0, 0.0, 0.0, ())
        self._weigh()

    def learn(self, passage: Passage) -> Lesson:
        """Take one passage in; keep what comes back to take it out again."""
        expected = self.expect(passage.link_id, passage.planned_s, passage.at, passage.zero, passage.weekday)
        link = self.links.setdefault(passage.link_id, Link())
        took_s = min(passage.took_s, OUTLIER * max(expected.seconds, passage.planned_s) + OUTLIER_S)
        squares = products = 0.0
        if passage.early_s > FLOOR_S:
            share = expected.near if passage.begin_m < NEAR_M else expected.far
            squares, products = self._learn_hold(link, passage, passage.took_s - expected.seconds)
            free_s = passage.took_s - share * passage.early_s
            took_s = min(took_s, max(free_s, min(took_s, 0.5 * expected.seconds)))
        bin_, day = _bin(passage.at - passage.zero, passage.weekday), passage.at // DAY_S
        self._judge(link, passage, took_s, expected)
        _add(link.bins, bin_, day, took_s, 1.0)
        _insert(link.recent, (passage.at, took_s))
        if passage.dwell_s >= 0:
            link.dwell.take(min(passage.dwell_s, 300.0))
        self._touch(passage.link_id)
        return Lesson(passage.link_id, bin_, day, passage.at, took_s, expected.seconds, squares, products)

    def learn_departure(self, link_id: str, since_zero_s: float, late_s: float) -> Departed:
        """A bus left its first stop along a link, so late against its plan."""
        slot = _slot(since_zero_s)
        left = self.links.setdefault(link_id, Link()).left.setdefault(slot, depart.none_yet())
        depart.count(self.trust.lateness, late_s)
        self._changed.add(link_id)
        return Departed(link_id, slot, depart.count(left, late_s))

    def unlearn(self, lesson: Lesson | Departed) -> None:
        """Take one passage or departure out. What is learnt over all links, thousands of them, keeps what it had."""
        link = self.links.get(lesson.link_id)
        if link is None:
            return
        if isinstance(lesson, Departed):
            left = link.left.setdefault(lesson.slot, depart.none_yet())
            left[lesson.counted] = max(0.0, left[lesson.counted] - 1.0)
            self._changed.add(lesson.link_id)
            return
        _add(link.bins, lesson.bin, lesson.day, lesson.took_s, -1.0)
        if (lesson.at, lesson.took_s) in link.recent:
            link.recent.remove((lesson.at, lesson.took_s))
        link.held.leave(lesson.squares, lesson.products)
        self._touch(lesson.link_id)

    def expect(self, link_id: str, planned_s: float, at: float, zero: float, weekday: int) -> Expected:
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

    def _blend(self, link_id: str, planned_s: float, at: float, zero: float, weekday: int) -> Expected:
        planned_weight, noise, drift, ages = self._weights
        total, weight, buses = planned_s * planned_weight, planned_weight, 0
        link = self.links.get(link_id)
        if link is not None:
            mass, mean = self._level(link_id, link, _bin(at - zero, weekday))
            if mass > 0.05:
                own = 1.0 / (drift + noise / (KERNEL_COUNT * mass))
                total += own * mean
                weight += own
            for then, took_s in reversed(link.recent):
                age_s = at - then
                if age_s > RECENT_S:
                    break
                own = ages[_age(age_s)]
                total += own * took_s
                weight += own
                buses += 1
        held, dwell_s = (link.held, link.dwell.value) if link is not None else (Share(), 0.0)
        near, far = (held.share(one.share(0.0, 1.0), HELD_S * HELD_S) for one in (self.trust.near, self.trust.far))
        return Expected(total / weight, buses, dwell_s, near, far)

    def late_s(self, link_id: str, since_zero_s: float, least_s: float) -> tuple[float, float, float]:
        """P10, median and P90 of how late a journey leaves along its first link, if it is at least so late already."""
        link = self.links.get(link_id)
        own = link.left.get(_slot(since_zero_s)) if link is not None else None
        return depart.late_s(own, self.trust.lateness, least_s)

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

    def changed(self) -> Iterator[tuple[str, Link]]:
        """The links that learnt something since this was last asked."""
        names, self._changed = self._changed, set()
        return ((name, self.links[name]) for name in sorted(names))

    def restore(self, links: Iterable[tuple[str, Link]], trust: Trust | None = None) -> None:
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

    def _learn_hold(self, link: Link, passage: Passage, over_s: float) -> tuple[float, float]:
        early_s = min(passage.early_s, EARLIEST_S)
        waited_s = max(-early_s, min(over_s, 1.2 * early_s))
        link.held.take(early_s, waited_s, MOST_HELD)
        around = self.trust.near if passage.begin_m < NEAR_M else self.trust.far
        around.take(HELD_AROUND * early_s, HELD_AROUND * waited_s, MOST_HELD)
        return early_s * early_s, early_s * waited_s

    def _judge(self, link: Link, passage: Passage, took_s: float, expected: Expected) -> None:
        """How far off was each source?"""
        scale_s, trust = expected.seconds + FLOOR_S, self.trust
        trust.planned.take(_square((took_s - passage.planned_s) / scale_s))
        trust.blend.take(_square((took_s - expected.seconds) / scale_s))
        missed = max(-1.0, min(1.0, (took_s - expected.seconds) / scale_s))
        trust.pace.take(passage.pace, missed, MOST_PACED)
        level = self._level(passage.link_id, link, _bin(passage.at - passage.zero, passage.weekday))
        if level[0] > 0.5:
            noise = trust.pairs[0].value / 2
            missed = _square((took_s - level[1]) / scale_s)
            trust.drift.take(missed - noise * (1.0 + 1.0 / (KERNEL_COUNT * level[0])))
        for then, other_s in link.recent:
            if 0.0 <= passage.at - then <= RECENT_S:
                trust.pairs[_age(passage.at - then)].take(_square((took_s - other_s) / scale_s))
        self._weigh()

    def _weigh(self) -> None:
        """The inverse variances. Two buses in quick succession differ by twice the noise of one."""
        trust = self.trust
        noise = max(trust.pairs[0].value / 2, 1e-4)
        planned = max(trust.planned.value - noise, 0.3 * noise)
        drift = max(trust.drift.value, LEAST_DRIFT * noise)
        ages = tuple(1.0 / (noise + max(0.0, pair.value - trust.pairs[0].value)) for pair in trust.pairs)
        self._weights = (1.0 / planned, noise, drift, ages)
        self.deviation = sqrt(trust.blend.value)

    def _level(self, link_id: str, link: Link, bin_: int) -> tuple[float, float]:
        """Weight and mean of the past around a time of day, by a kernel over the bins."""
        levels = self._levels.setdefault(link_id, {})
        known = levels.get(bin_)
        if known is None:
            known = levels[bin_] = _smoothed(link.bins, bin_)
        return known


def _smoothed(bins: dict[int, list[float]], wanted: int) -> tuple[float, float]:
    """Weight and mean of what is known around a time of day."""
    mass = total = 0.0
    today = max((one[0] for one in bins.values()), default=0.0)
    kind, slot = divmod(wanted, BINS)
    for bin_, (day, weight, seconds) in bins.items():
        other, there = divmod(bin_, BINS)
        apart_s = min(abs(there - slot), BINS - abs(there - slot)) * BIN_S
        alike = (1.0 if other == kind else OTHER_DAYS) * 0.5 ** ((today - day) / HALF_LIFE_DAYS)
        kernel = alike * exp(-apart_s / KERNEL_S)
        mass += kernel * weight
        total += kernel * seconds
    return (mass, total / mass) if mass > 1e-6 else (0.0, 0.0)


def _bin(since_zero_s: float, weekday: int) -> int:
    """By day type (working day, Saturday, Sunday) and half hour."""
    return max(0, weekday - 4) * BINS + int(since_zero_s % DAY_S // BIN_S)


def _slot(since_zero_s: float) -> int:
    return int(since_zero_s % DAY_S // SLOT_S)


def _add(bins: dict[int, list[float]], bin_: int, day: float, seconds: float, weight: float) -> None:
    """Sums decay from day to day; an older passage comes in at what is left of it."""
    one = bins.setdefault(bin_, [day, 0.0, 0.0])
    if day > one[0]:
        fade = 0.5 ** ((day - one[0]) / HALF_LIFE_DAYS)
        one[0], one[1], one[2] = day, one[1] * fade, one[2] * fade
    weight *= 0.5 ** ((one[0] - day) / HALF_LIFE_DAYS)
    one[1] += weight
    one[2] += weight * seconds
    if one[1] < 1e-6:
        del bins[bin_]


def _insert(recent: list[tuple[float, float]], one: tuple[float, float]) -> None:
    recent.append(one)
    if len(recent) > 1 and recent[-2] > one:
        recent.sort()
    del recent[:-MOST_RECENT]


def _age(age_s: float) -> int:
    for index, limit_s in enumerate(AGES_S):
        if age_s <= limit_s:
            return index
    return len(AGES_S) - 1


def _square(error: float) -> float:
    return min(1.0, error * error)
