"""Figures learnt over all links of a city: the error of each source of a travel time, and other habits of its buses."""

from msgspec import Struct, field

from services.transit.travel_times import terminal_departures
from services.transit.travel_times.network_delay import NetworkDelay
from services.transit.travel_times.prediction_intervals import PredictionIntervals
from services.transit.travel_times.terminal_departures import LatenessCounts

SIGNIFICANT_SQUARE = 4.0
"""Two standard errors, squared."""
MAX_SAMPLES = 3_000
"""A running mean weighs a new sample as if it had seen no more than this many, so it never stops moving."""


class RunningMean(Struct, array_like=True):
    """Running mean. `n`: number of samples, to begin with the number that the first guess counts for."""

    n: float
    value: float

    def add_sample(self, value: float) -> None:
        """Add one sample."""
        self.n = min(self.n + 1.0, MAX_SAMPLES)
        self.value += (value - self.value) / self.n


class RegressionSlope(Struct, array_like=True):
    """Slope of a regression through 0: which share of x appears in y, as of a bus's lead in its waiting time.

    `squares`: sum of x * x. `products`: sum of x * y.
    """

    squares: float = 0.0
    products: float = 0.0

    def slope(self, prior: float, prior_squares: float) -> float:
        """The slope, within 0 and 1, shrunk towards a prior that counts for `prior_squares`."""
        return min(1.0, max(0.0, (self.products + prior * prior_squares) / (self.squares + prior_squares)))

    def significant_slope(self, prior: float, prior_squares: float, variance: float) -> float:
        """The slope, but the prior itself if the samples lie within two standard errors of it.

        Beyond two standard errors the prior counts the less, the further the samples lie from it (non-negative garrote:
        Breiman 1995). `variance`: of y about slope * x.
        """
        distance = self.products - prior * self.squares
        threshold = SIGNIFICANT_SQUARE * variance * self.squares
        if distance * distance <= threshold:
            return prior
        return prior + (1.0 - threshold / (distance * distance)) * (self.slope(prior, prior_squares) - prior)

    def add_sample(self, x: float, y: float, max_squares: float) -> None:
        """Add one sample. Once the squares exceed `max_squares`, older samples fade."""
        if self.squares > max_squares:
            self.squares, self.products = 0.98 * self.squares, 0.98 * self.products
        self.squares += x * x
        self.products += x * y

    def remove_sample(self, square: float, product: float) -> None:
        """Remove one sample. If it has faded since, no more is removed than there is."""
        self.squares -= square
        self.products -= product
        if self.squares <= 0.0:
            self.squares = self.products = 0.0


class SourceWeights(
    Struct,
    rename={
        "timetable_error": "planned",
        "history_drift": "drift",
        "bus_noise": "noise",
        "blend_error": "blend",
        "holding_near": "near",
        "holding_far": "far",
        "slowness_persistence": "pace",
        "recent_persistence": "recent",
        "network_delay_persistence": "stays",
        "network_delay": "tide",
        "departure_lateness": "lateness",
        "intervals": "spread",
    },
):
    """Figures learnt over all links, as stored in `transit_trust`. The first values are those of a large city's lines.

    `timetable_error`, `blend_error`: mean squared relative error of the timetable, and of the expected time.
    `bus_noise`: the part of it that timetable and history share, that is, the noise of the single bus.
    `history_drift`: variance of a link's time from day to day.
    `holding_near`, `holding_far`: share of its lead that an early bus waits, near the first stop and further on.
    `slowness_persistence`, `recent_persistence`, `network_delay_persistence`: how much of the slowness of a bus, of a
    link and of the network holds for the next link.
    `network_delay`: present delay of the network. `departure_lateness`: lateness of departures from any terminal.
    `intervals`: quantiles of past prediction errors.
    """

    timetable_error: RunningMean = field(default_factory=lambda: RunningMean(50.0, 0.16))
    history_drift: RunningMean = field(default_factory=lambda: RunningMean(50.0, 0.01))
    bus_noise: RunningMean = field(default_factory=lambda: RunningMean(50.0, 0.065))
    blend_error: RunningMean = field(default_factory=lambda: RunningMean(50.0, 0.08))
    holding_near: RegressionSlope = field(default_factory=lambda: RegressionSlope(1e4, 5e3))
    holding_far: RegressionSlope = field(default_factory=lambda: RegressionSlope(1e4, 0.0))
    slowness_persistence: RegressionSlope = field(default_factory=lambda: RegressionSlope(10.0, 1.0))
    recent_persistence: RegressionSlope = field(default_factory=lambda: RegressionSlope(10.0, 1.0))
    network_delay_persistence: RegressionSlope = field(default_factory=lambda: RegressionSlope(1.0, 0.1))
    network_delay: NetworkDelay = field(default_factory=NetworkDelay)
    departure_lateness: LatenessCounts = field(default_factory=terminal_departures.empty_counts)
    intervals: PredictionIntervals = field(default_factory=PredictionIntervals)
