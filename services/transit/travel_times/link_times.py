"""What buses took for each link of street, by time of day and day type, and how far each source of it can be trusted.

Keyed by link (stop to stop on the ground), never by trip or route: it outlives timetables. Two sources speak of what
is usual: the timetable and the past at this time of day. Each weighs as the inverse of its variance, and the variances
are learnt: a city with a bad timetable soon leans on its buses. Errors are relative, so that they can be pooled over
all links.

The buses just before are part of that past. How far they, too, depart from what is usual says a little more: of this
link, and with all other links of the whole city (`tide`). How much of it holds for the next bus is learnt as well.

Where buses that come early stand until their time, the link shows it: a share of every second of earliness is spent
waiting. That share is learnt apart (`holding`), and what a link took is kept without it.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import exp, sqrt

from msgspec import Struct, field

from services.transit.model.stop_passages import LinkTraversal
from services.transit.travel_times import terminal_departures
from services.transit.travel_times.network_delay import FADE_S
from services.transit.travel_times.source_weights import RegressionSlope, RunningMean, SourceWeights
from services.transit.travel_times.terminal_departures import LatenessCounts
from services.transit.travel_times.time_of_day import DAY_S, Bins, KernelMean, add_to_bin, bin_of, kernel_mean

__all__ = [
    "ERROR_OFFSET_S",
    "NEAR_START_M",
    "ExpectedTraversal",
    "LearnedDeparture",
    "LearnedTraversal",
    "LinkHistory",
    "SourceWeights",
    "TravelTimes",
]

CACHE_STEP_S = 300.0
"""For so long, or until a link learns, what is expected of it is not worked out again."""
MAX_CACHED = 64
MAX_RECENT = 4
RECENT_S = 5_400.0
ERROR_OFFSET_S = 20.0
"""Added to a link's time where errors are made relative to it: seconds matter little where all is short."""
OUTLIER_FACTOR = 1.4
OUTLIER_S = 25.0
"""A passage longer than so many times what was expected, and these seconds, counts as that."""
MIN_DRIFT_SHARE = 0.01
"""Of the noise of one bus: no past is believed to speak more surely of today."""
MAX_EARLY_S = 900.0
"""How early a bus may be and still teach how long early buses are held."""
HOLDING_EARLY_S = 120.0
"""A link is believed to hold early buses by its own evidence rather than by others' after one so many seconds early."""
HOLDING_POOL_SHARE = 0.14
"""How little of what one link shows is believed of others."""
MAX_HOLDING_SQUARES = 1e7
"""After a hundred buses five minutes early, older ones fade."""
MAX_PERSISTENCE_SQUARES = 1_000.0
"""The same for a slow bus staying slow, a slow link and a slow city: tens of thousands of links."""
DAY_PART_S = 14_400.0
"""Departures are told apart by parts of the day so long."""
NEAR_START_M = 600.0
"""So near its first stop a bus may still be waiting for its time."""


class LinkHistory(Struct, rename={"holding": "held", "departure_lateness": "left"}):
    """The past of one link. `bins`: by day type and half hour, [day, weight, sum of seconds]. `recent_excess`: [at,
    seconds]
    of the last buses, oldest first. `dwell`: mean seconds at its first stop, and of how many buses.
    `departure_lateness`: where
    journeys begin with it, how late they left, by part of the day.
    """

    bins: Bins = field(default_factory=dict)
    recent: list[tuple[float, float]] = field(default_factory=list)
    holding: RegressionSlope = field(default_factory=RegressionSlope)
    dwell: RunningMean = field(default_factory=lambda: RunningMean(0.0, 0.0))
    departure_lateness: dict[int, LatenessCounts] = field(default_factory=dict)


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
    day_part: int
    lateness_bin: int


class ExpectedTraversal(Struct, frozen=True, gc=False):
    """What a link should take, seconds, without holding, and how many recent buses say so; how long of it a bus stands
    at its first stop; the share of its lead an early bus waits, where the link lies near its first stop or further on.

    `usual_s`: the same, whatever the recent buses took; `recent_excess`: how much more they took, relative.
    """

    expected_s: float
    usual_s: float
    recent_excess: float
    recent_buses: int
    dwell_s: float
    holding_share_near: float
    holding_share_far: float


class TravelTimes:
    """The past of every link, and the trust in each source. One city's, in memory; its links are kept by others.

    `relative_deviation`: of what a link takes from what was expected, relative.
    """

    def __init__(self) -> None:
        self.links: dict[str, LinkHistory] = {}
        self.source_weights = SourceWeights()
        self.relative_deviation = 0.0
        self._mean_cache: dict[str, dict[int, KernelMean]] = {}
        self._expected_cache: dict[str, dict[tuple[int, float, int], ExpectedTraversal]] = {}
        self._changed_links: set[str] = set()
        self._blend_weights = (0.0, 0.0, 0.0)
        self._update_blend_weights()

    def add_traversal(self, passage: LinkTraversal) -> LearnedTraversal:
        """Take one passage in; keep what comes back to take it out again."""
        expected = self.expected_traversal(
            passage.link_id, passage.scheduled_s, passage.at, passage.service_day_start, passage.weekday
        )
        link = self.links.setdefault(passage.link_id, LinkHistory())
        took_s = min(passage.travel_time_s, OUTLIER_FACTOR * max(expected.expected_s, passage.scheduled_s) + OUTLIER_S)
        squares = products = 0.0
        if passage.early_s > ERROR_OFFSET_S:
            share = expected.holding_share_near if passage.link_start_m < NEAR_START_M else expected.holding_share_far
            squares, products = self._add_holding_sample(link, passage, passage.travel_time_s - expected.expected_s)
            free_s = passage.travel_time_s - share * passage.early_s
            took_s = min(took_s, max(free_s, min(took_s, 0.5 * expected.expected_s)))
        bin_, day = bin_of(passage.at - passage.service_day_start, passage.weekday), passage.at // DAY_S
        self._update_source_errors(link, passage, took_s, expected)
        add_to_bin(link.bins, bin_, day, took_s, 1.0)
        _insert_recent(link.recent, (passage.at, took_s))
        if passage.dwell_s >= 0:
            link.dwell.add_sample(min(passage.dwell_s, 300.0))
        self._mark_changed(passage.link_id)
        return LearnedTraversal(passage.link_id, bin_, day, passage.at, took_s, expected.expected_s, squares, products)

    def add_departure(self, link_id: str, since_zero_s: float, late_s: float) -> LearnedDeparture:
        """A bus left its first stop along a link, so late against its plan."""
        slot = _day_part(since_zero_s)
        left = self.links.setdefault(link_id, LinkHistory()).departure_lateness.setdefault(
            slot, terminal_departures.empty_counts()
        )
        terminal_departures.count_departure(self.source_weights.departure_lateness, late_s)
        self._changed_links.add(link_id)
        return LearnedDeparture(link_id, slot, terminal_departures.count_departure(left, late_s))

    def remove_learned(self, lesson: LearnedTraversal | LearnedDeparture) -> None:
        """Take one passage or departure out. What is learnt over all links, thousands of them, keeps what it had."""
        link = self.links.get(lesson.link_id)
        if link is None:
            return
        if isinstance(lesson, LearnedDeparture):
            left = link.departure_lateness.setdefault(lesson.day_part, terminal_departures.empty_counts())
            left[lesson.lateness_bin] = max(0.0, left[lesson.lateness_bin] - 1.0)
            self._changed_links.add(lesson.link_id)
            return
        add_to_bin(link.bins, lesson.bin, lesson.day, lesson.took_s, -1.0)
        if (lesson.at, lesson.took_s) in link.recent:
            link.recent.remove((lesson.at, lesson.took_s))
        link.holding.remove_sample(lesson.squares, lesson.products)
        self._mark_changed(lesson.link_id)

    def expected_traversal(
        self, link_id: str, planned_s: float, at: float, zero: float, weekday: int
    ) -> ExpectedTraversal:
        """What a link should take a bus that enters it at an instant, to a few minutes."""
        slot = int(at // CACHE_STEP_S)
        known = self._expected_cache.get(link_id)
        if known is None or len(known) > MAX_CACHED:
            known = self._expected_cache[link_id] = {}
        expected = known.get((slot, planned_s, weekday))
        if expected is None:
            expected = self._estimate_traversal(link_id, planned_s, (slot + 0.5) * CACHE_STEP_S, zero, weekday)
            known[slot, planned_s, weekday] = expected
        return expected

    def _estimate_traversal(
        self, link_id: str, planned_s: float, at: float, zero: float, weekday: int
    ) -> ExpectedTraversal:
        planned_weight, noise, drift = self._blend_weights
        total, weight, buses, recent = planned_s * planned_weight, planned_weight, 0, 0.0
        link = self.links.get(link_id)
        if link is not None:
            level = self._time_of_day_mean(link_id, link, bin_of(at - zero, weekday))
            if level.weight > 0.05:
                own = 1.0 / (drift / level.similarity + noise / level.effective_count)
                total += own * level.mean_s
                weight += own
            buses, recent = _recent_excess(link.recent, at, total / weight)
        usual = total / weight
        seconds = usual + self.source_weights.recent_persistence.slope(0.0, 1.0) * recent * (usual + ERROR_OFFSET_S)
        held, dwell_s = (link.holding, link.dwell.value) if link is not None else (RegressionSlope(), 0.0)
        noise_s = self.relative_deviation * (usual + ERROR_OFFSET_S)
        near, far = (
            held.significant_slope(one.slope(0.0, 1.0), HOLDING_EARLY_S * HOLDING_EARLY_S, noise_s * noise_s)
            for one in (self.source_weights.holding_near, self.source_weights.holding_far)
        )
        return ExpectedTraversal(seconds, usual, recent, buses, dwell_s, near, far)

    def slowdown_factor(self, at: float, pace: float) -> float:
        """How many times longer than expected a bus of this pace takes for a link, as the city flows at an instant: of
        its seconds and FLOOR_S, as all relative errors.
        """
        stays = self.source_weights.network_delay_persistence.slope(0.0, 1.0)
        return (1.0 + pace * self.source_weights.pace_persistence.slope(0.0, 1.0)) * (
            1.0 + stays * self.source_weights.network_delay.relative_delay(at)
        )

    def departure_lateness_s(self, link_id: str, since_zero_s: float, least_s: float) -> tuple[float, float, float]:
        """P10, median and P90 of how late a journey leaves along its first link, if it is at least so late already."""
        link = self.links.get(link_id)
        own = link.departure_lateness.get(_day_part(since_zero_s)) if link is not None else None
        return terminal_departures.lateness_quantiles_s(own, self.source_weights.departure_lateness, least_s)

    def last_departure_at(self, link_id: str) -> float | None:
        """When the last bus left the first stop of a link, Unix seconds; None where none did for long."""
        link = self.links.get(link_id)
        if link is None or not link.recent:
            return None
        at, took_s = link.recent[-1]
        return at - took_s

    def mean_dwell_s(self, link_id: str) -> float:
        """How long buses stand at the first stop of a link, seconds, on average; 0 where nobody saw."""
        link = self.links.get(link_id)
        return link.dwell.value if link is not None else 0.0

    def pop_changed_links(self) -> Iterator[tuple[str, LinkHistory]]:
        """The links that learnt something since this was last asked."""
        names, self._changed_links = self._changed_links, set()
        return ((name, self.links[name]) for name in sorted(names))

    def restore(self, links: Iterable[tuple[str, LinkHistory]], trust: SourceWeights | None = None) -> None:
        """Go on from what was kept."""
        for name, link in links:
            self.links[name] = link
            self._mean_cache.pop(name, None)
            self._expected_cache.pop(name, None)
        if trust is not None:
            self.source_weights = trust
            self._update_blend_weights()

    def _mark_changed(self, link_id: str) -> None:
        self._mean_cache.pop(link_id, None)
        self._expected_cache.pop(link_id, None)
        self._changed_links.add(link_id)

    def _add_holding_sample(self, link: LinkHistory, passage: LinkTraversal, over_s: float) -> tuple[float, float]:
        early_s = min(passage.early_s, MAX_EARLY_S)
        waited_s = max(-early_s, min(over_s, 1.2 * early_s))
        link.holding.add_sample(early_s, waited_s, MAX_HOLDING_SQUARES)
        around = (
            self.source_weights.holding_near if passage.link_start_m < NEAR_START_M else self.source_weights.holding_far
        )
        around.add_sample(HOLDING_POOL_SHARE * early_s, HOLDING_POOL_SHARE * waited_s, MAX_HOLDING_SQUARES)
        return early_s * early_s, early_s * waited_s

    def _update_source_errors(
        self, link: LinkHistory, passage: LinkTraversal, took_s: float, expected: ExpectedTraversal
    ) -> None:
        """How far off was each source?"""
        scale_s, trust = expected.expected_s + ERROR_OFFSET_S, self.source_weights
        off_plan, off = (took_s - passage.scheduled_s) / scale_s, (took_s - expected.expected_s) / scale_s
        trust.timetable_error.add_sample(_clipped_square(off_plan))
        trust.blend_error.add_sample(_clipped_square(off))
        level = self._time_of_day_mean(
            passage.link_id, link, bin_of(passage.at - passage.service_day_start, passage.weekday)
        )
        if level.weight > 0.5:
            off_past = (took_s - level.mean_s) / scale_s
            trust.bus_noise.add_sample(_clipped(off_past) * _clipped(off_plan))
            trust.history_drift.add_sample(
                level.similarity
                * (_clipped_square(off_past) - trust.bus_noise.value * (1.0 + 1.0 / level.effective_count))
            )
        missed = _clipped(off)
        trust.pace_persistence.add_sample(passage.slowness, missed, MAX_PERSISTENCE_SQUARES)
        trust.recent_persistence.add_sample(
            expected.recent_excess, _clipped((took_s - expected.usual_s) / scale_s), MAX_PERSISTENCE_SQUARES
        )
        trust.network_delay_persistence.add_sample(
            trust.network_delay.relative_delay(passage.at), missed, MAX_PERSISTENCE_SQUARES
        )
        trust.network_delay.add_traversal(passage.at, scale_s, missed, level.weight)
        self._update_blend_weights()

    def _update_blend_weights(self) -> None:
        """The inverse variances. What the errors of the past and of the timetable have in common is the bus's own."""
        trust = self.source_weights
        noise = max(trust.bus_noise.value, 1e-4)
        planned = max(trust.timetable_error.value - noise, 0.3 * noise)
        drift = max(trust.history_drift.value, MIN_DRIFT_SHARE * noise)
        self._blend_weights = (1.0 / planned, noise, drift)
        self.relative_deviation = sqrt(trust.blend_error.value)

    def _time_of_day_mean(self, link_id: str, link: LinkHistory, bin_: int) -> KernelMean:
        """The past around a time of day, by a kernel over the bins."""
        levels = self._mean_cache.setdefault(link_id, {})
        known = levels.get(bin_)
        if known is None:
            known = levels[bin_] = kernel_mean(link.bins, bin_)
        return known


def _day_part(since_zero_s: float) -> int:
    return int(since_zero_s % DAY_S // DAY_PART_S)


def _insert_recent(recent: list[tuple[float, float]], one: tuple[float, float]) -> None:
    recent.append(one)
    if len(recent) > 1 and recent[-2] > one:
        recent.sort()
    del recent[:-MAX_RECENT]


def _recent_excess(recent: Sequence[tuple[float, float]], at: float, usual_s: float) -> tuple[int, float]:
    """How many buses there were lately, and how much longer than usual they took, relative, shrunk to 0 while few."""
    count, weight, over_s = 0, float(MAX_RECENT), 0.0
    for then, took_s in reversed(recent):
        if at - then > RECENT_S:
            break
        own = exp(min(0.0, then - at) / FADE_S)
        count += 1
        weight += own
        over_s += own * (took_s - usual_s)
    return count, over_s / (weight * (usual_s + ERROR_OFFSET_S))


def _clipped(error: float) -> float:
    return max(-1.0, min(1.0, error))


def _clipped_square(error: float) -> float:
    return min(1.0, error * error)
