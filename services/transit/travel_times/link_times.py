"""Travel time of every link: learnt from observed traversals, expected by time of day and day type.

The usual time of a link has two sources: the timetable, and the past traversals at this time of day. Each source
weighs as the inverse of its variance, and the variances are learnt: where the timetable is bad, the buses soon count
more. Errors are relative, so that they can be pooled over all links.

How far the last buses depart from the usual time says something more: of this link, and, over all links together, of
the whole city (`network_delay`). How much of it holds for the next bus is learnt too.

Where early buses wait for their time (holding), a share of every second of lead is spent on the link. That share is
learnt separately, and the time of the link is kept without it.
"""

from collections.abc import Iterable, Iterator
from math import sqrt

from services.transit.model.stop_passages import LinkTraversal
from services.transit.travel_times import terminal_departures
from services.transit.travel_times.link_history import (
    ERROR_OFFSET_S,
    ExpectedTraversal,
    LearnedDeparture,
    LearnedTraversal,
    LinkHistory,
    day_part,
    insert_recent,
    recent_excess,
)
from services.transit.travel_times.source_weights import RegressionSlope, SourceWeights
from services.transit.travel_times.time_of_day import DAY_S, KernelMean, add_to_bin, bin_of, kernel_mean

CACHE_STEP_S = 300.0
"""An expected time is computed once for this long, or until the link learns something."""
MAX_CACHED = 64
"""Expected times cached for one link."""
OUTLIER_FACTOR = 1.4
OUTLIER_S = 25.0
"""A traversal longer than this many times the expected time, plus these seconds, counts as that long."""
MIN_DRIFT_SHARE = 0.01
"""Least variance between days, as a share of the variance of a single bus: no past speaks more surely of today."""
MAX_EARLY_S = 900.0
"""A larger lead than this counts as this one where holding is learnt."""
HOLDING_EARLY_S = 120.0
"""A link's own holding counts, rather than that of all links, from the evidence of one bus this early."""
HOLDING_POOL_SHARE = 0.14
"""Weight of one link's sample in the holding of all links."""
MAX_HOLDING_SQUARES = 1e7
"""Older samples of holding fade beyond this sum: about a hundred buses, each five minutes early."""
MAX_PERSISTENCE_SQUARES = 1_000.0
"""Older samples of a slow bus, a slow link and a slow city fade beyond this sum: tens of thousands of links."""
NEAR_START_M = 600.0
"""Within this distance of its first stop a bus may still be waiting for its time."""


class TravelTimes:
    """Travel times of one city, in memory: the history of every link, and the weight of each source.

    `links`: by link id. `relative_deviation`: root mean square of the error of the expected time, relative to it.
    """

    def __init__(self) -> None:
        self.links: dict[str, LinkHistory] = {}
        self.source_weights = SourceWeights()
        self.relative_deviation = 0.0
        self._mean_cache: dict[str, dict[int, KernelMean]] = {}
        self._expected_cache: dict[str, dict[tuple[int, float, int], ExpectedTraversal]] = {}
        self._changed_links: set[str] = set()
        self._blend_variances = (0.0, 0.0, 0.0)
        self._update_blend_variances()

    def add_traversal(self, traversal: LinkTraversal) -> LearnedTraversal:
        """Learn from one traversal. `remove_learned` takes the value returned."""
        expected = self.expected_traversal(
            traversal.link_id, traversal.scheduled_s, traversal.at, traversal.service_day_start, traversal.weekday
        )
        link = self.links.setdefault(traversal.link_id, LinkHistory())
        took_s = min(
            traversal.travel_time_s, OUTLIER_FACTOR * max(expected.expected_s, traversal.scheduled_s) + OUTLIER_S
        )
        squares = products = 0.0
        if traversal.early_s > ERROR_OFFSET_S:
            share = expected.holding_share_near if traversal.link_start_m < NEAR_START_M else expected.holding_share_far
            squares, products = self._add_holding_sample(link, traversal, traversal.travel_time_s - expected.expected_s)
            free_s = traversal.travel_time_s - share * traversal.early_s
            took_s = min(took_s, max(free_s, min(took_s, 0.5 * expected.expected_s)))
        bin_, day = bin_of(traversal.at - traversal.service_day_start, traversal.weekday), traversal.at // DAY_S
        self._update_source_errors(link, traversal, took_s, expected)
        add_to_bin(link.bins, bin_, day, took_s, 1.0)
        insert_recent(link.recent, (traversal.at, took_s))
        if traversal.dwell_s >= 0:
            link.dwell.add_sample(min(traversal.dwell_s, 300.0))
        self._mark_changed(traversal.link_id)
        return LearnedTraversal(
            traversal.link_id, bin_, day, traversal.at, took_s, expected.expected_s, squares, products
        )

    def add_departure(self, link_id: str, since_day_start_s: float, late_s: float) -> LearnedDeparture:
        """Count a departure from the first stop of a trip. `remove_learned` takes the value returned.

        `link_id`: the trip's first link. `since_day_start_s`: scheduled departure, seconds after the start of the
        service day. `late_s`: lateness of the departure, seconds.
        """
        part = day_part(since_day_start_s)
        counts = self.links.setdefault(link_id, LinkHistory()).departure_lateness.setdefault(
            part, terminal_departures.empty_counts()
        )
        terminal_departures.count_departure(self.source_weights.departure_lateness, late_s)
        self._changed_links.add(link_id)
        return LearnedDeparture(link_id, part, terminal_departures.count_departure(counts, late_s))

    def remove_learned(self, learned: LearnedTraversal | LearnedDeparture) -> None:
        """Remove a traversal or a departure from the history of its link.

        Figures over all links keep it: among thousands of samples one does not matter.
        """
        link = self.links.get(learned.link_id)
        if link is None:
            return
        if isinstance(learned, LearnedDeparture):
            counts = link.departure_lateness.setdefault(learned.day_part, terminal_departures.empty_counts())
            counts[learned.lateness_bin] = max(0.0, counts[learned.lateness_bin] - 1.0)
            self._changed_links.add(learned.link_id)
            return
        add_to_bin(link.bins, learned.bin, learned.day, learned.took_s, -1.0)
        if (learned.at, learned.took_s) in link.recent:
            link.recent.remove((learned.at, learned.took_s))
        link.holding.remove_sample(learned.squares, learned.products)
        self._mark_changed(learned.link_id)

    def expected_traversal(
        self, link_id: str, scheduled_s: float, at: float, service_day_start: float, weekday: int
    ) -> ExpectedTraversal:
        """The expected time of a link for a bus that enters it at an instant. The instant is rounded to CACHE_STEP_S.

        `scheduled_s`: the link's time by the timetable. `at`: Unix seconds. `service_day_start`: noon less 12 h of the
        service date, Unix seconds. `weekday`: of the service date, Monday is 0.
        """
        step = int(at // CACHE_STEP_S)
        cached = self._expected_cache.get(link_id)
        if cached is None or len(cached) > MAX_CACHED:
            cached = self._expected_cache[link_id] = {}
        expected = cached.get((step, scheduled_s, weekday))
        if expected is None:
            expected = self._estimate_traversal(
                link_id, scheduled_s, (step + 0.5) * CACHE_STEP_S, service_day_start, weekday
            )
            cached[step, scheduled_s, weekday] = expected
        return expected

    def _estimate_traversal(
        self, link_id: str, scheduled_s: float, at: float, service_day_start: float, weekday: int
    ) -> ExpectedTraversal:
        timetable_weight, noise, drift = self._blend_variances
        total, weight, buses, excess = scheduled_s * timetable_weight, timetable_weight, 0, 0.0
        link = self.links.get(link_id)
        if link is not None:
            past = self._time_of_day_mean(link_id, link, bin_of(at - service_day_start, weekday))
            if past.weight > 0.05:
                past_weight = 1.0 / (drift / past.similarity + noise / past.effective_count)
                total += past_weight * past.mean_s
                weight += past_weight
            buses, excess = recent_excess(link.recent, at, total / weight)
        usual_s = total / weight
        expected_s = usual_s + self.source_weights.recent_persistence.slope(0.0, 1.0) * excess * (
            usual_s + ERROR_OFFSET_S
        )
        holding, dwell_s = (link.holding, link.dwell.value) if link is not None else (RegressionSlope(), 0.0)
        noise_s = self.relative_deviation * (usual_s + ERROR_OFFSET_S)
        near, far = (
            holding.significant_slope(pooled.slope(0.0, 1.0), HOLDING_EARLY_S * HOLDING_EARLY_S, noise_s * noise_s)
            for pooled in (self.source_weights.holding_near, self.source_weights.holding_far)
        )
        return ExpectedTraversal(expected_s, usual_s, excess, buses, dwell_s, near, far)

    def slowdown_factor(self, at: float, slowness: float) -> float:
        """How many times longer than expected a bus takes for a link, given its own slowness and the delay of the city.

        The factor applies to the expected seconds plus ERROR_OFFSET_S, as relative errors do.
        """
        persistence = self.source_weights.network_delay_persistence.slope(0.0, 1.0)
        return (1.0 + slowness * self.source_weights.slowness_persistence.slope(0.0, 1.0)) * (
            1.0 + persistence * self.source_weights.network_delay.relative_delay(at)
        )

    def departure_lateness_s(
        self, link_id: str, since_day_start_s: float, least_s: float
    ) -> tuple[float, float, float]:
        """P10, median and P90 of the lateness of a departure along a trip's first link, seconds.

        `least_s`: the lateness it already has for certain.
        """
        link = self.links.get(link_id)
        counts = link.departure_lateness.get(day_part(since_day_start_s)) if link is not None else None
        return terminal_departures.lateness_quantiles_s(counts, self.source_weights.departure_lateness, least_s)

    def last_departure_at(self, link_id: str) -> float | None:
        """When the last bus left the first stop of a link, Unix seconds. None if no traversal is kept."""
        link = self.links.get(link_id)
        if link is None or not link.recent:
            return None
        at, took_s = link.recent[-1]
        return at - took_s

    def mean_dwell_s(self, link_id: str) -> float:
        """Mean dwell at the first stop of a link, seconds. 0 if it was never observed."""
        link = self.links.get(link_id)
        return link.dwell.value if link is not None else 0.0

    def pop_changed_links(self) -> Iterator[tuple[str, LinkHistory]]:
        """Links whose history changed since the last call, by id."""
        names, self._changed_links = self._changed_links, set()
        return ((name, self.links[name]) for name in sorted(names))

    def restore(self, links: Iterable[tuple[str, LinkHistory]], source_weights: SourceWeights | None = None) -> None:
        """Continue from stored histories and weights."""
        for name, link in links:
            self.links[name] = link
            self._mean_cache.pop(name, None)
            self._expected_cache.pop(name, None)
        if source_weights is not None:
            self.source_weights = source_weights
            self._update_blend_variances()

    def _mark_changed(self, link_id: str) -> None:
        self._mean_cache.pop(link_id, None)
        self._expected_cache.pop(link_id, None)
        self._changed_links.add(link_id)

    def _add_holding_sample(self, link: LinkHistory, traversal: LinkTraversal, excess_s: float) -> tuple[float, float]:
        """Learn how much of its lead an early bus waited. Returns what was added to the link's sums."""
        early_s = min(traversal.early_s, MAX_EARLY_S)
        waited_s = max(-early_s, min(excess_s, 1.2 * early_s))
        link.holding.add_sample(early_s, waited_s, MAX_HOLDING_SQUARES)
        pooled = (
            self.source_weights.holding_near
            if traversal.link_start_m < NEAR_START_M
            else self.source_weights.holding_far
        )
        pooled.add_sample(HOLDING_POOL_SHARE * early_s, HOLDING_POOL_SHARE * waited_s, MAX_HOLDING_SQUARES)
        return early_s * early_s, early_s * waited_s

    def _update_source_errors(
        self, link: LinkHistory, traversal: LinkTraversal, took_s: float, expected: ExpectedTraversal
    ) -> None:
        """Learn how large the error of each source was."""
        scale_s, weights = expected.expected_s + ERROR_OFFSET_S, self.source_weights
        timetable_error = (took_s - traversal.scheduled_s) / scale_s
        blend_error = (took_s - expected.expected_s) / scale_s
        weights.timetable_error.add_sample(_clipped_square(timetable_error))
        weights.blend_error.add_sample(_clipped_square(blend_error))
        past = self._time_of_day_mean(
            traversal.link_id, link, bin_of(traversal.at - traversal.service_day_start, traversal.weekday)
        )
        if past.weight > 0.5:
            past_error = (took_s - past.mean_s) / scale_s
            weights.bus_noise.add_sample(_clipped(past_error) * _clipped(timetable_error))
            weights.history_drift.add_sample(
                past.similarity
                * (_clipped_square(past_error) - weights.bus_noise.value * (1.0 + 1.0 / past.effective_count))
            )
        error = _clipped(blend_error)
        weights.slowness_persistence.add_sample(traversal.slowness, error, MAX_PERSISTENCE_SQUARES)
        weights.recent_persistence.add_sample(
            expected.recent_excess, _clipped((took_s - expected.usual_s) / scale_s), MAX_PERSISTENCE_SQUARES
        )
        weights.network_delay_persistence.add_sample(
            weights.network_delay.relative_delay(traversal.at), error, MAX_PERSISTENCE_SQUARES
        )
        weights.network_delay.add_traversal(traversal.at, scale_s, error, past.weight)
        self._update_blend_variances()

    def _update_blend_variances(self) -> None:
        """Compute the weight of the timetable (an inverse variance), the noise of a bus and the drift between days.

        The error that the past and the timetable have in common is the noise of the single bus.
        """
        weights = self.source_weights
        noise = max(weights.bus_noise.value, 1e-4)
        timetable = max(weights.timetable_error.value - noise, 0.3 * noise)
        drift = max(weights.history_drift.value, MIN_DRIFT_SHARE * noise)
        self._blend_variances = (1.0 / timetable, noise, drift)
        self.relative_deviation = sqrt(weights.blend_error.value)

    def _time_of_day_mean(self, link_id: str, link: LinkHistory, bin_: int) -> KernelMean:
        """Mean of the past traversals around a time of day."""
        means = self._mean_cache.setdefault(link_id, {})
        mean = means.get(bin_)
        if mean is None:
            mean = means[bin_] = kernel_mean(link.bins, bin_)
        return mean


def _clipped(error: float) -> float:
    return max(-1.0, min(1.0, error))


def _clipped_square(error: float) -> float:
    return min(1.0, error * error)
