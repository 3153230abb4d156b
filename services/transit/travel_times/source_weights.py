"""What is learnt over all links of a city: how far each source of an estimate can be trusted, and other habits."""

from msgspec import Struct, field

from services.transit.travel_times import terminal_departures
from services.transit.travel_times.network_delay import NetworkDelay
from services.transit.travel_times.prediction_intervals import PredictionIntervals
from services.transit.travel_times.terminal_departures import LatenessCounts

SIGNIFICANT_SQUARE = 4.0
"""Two standard errors, squared."""
MAX_SAMPLES = 3_000
"""After so many observations what is believed goes on moving, but no slower."""


class RunningMean(Struct, array_like=True):
    """A running mean that begins with a guess worth `n` observations and never stops moving."""

    n: float
    value: float

    def add_sample(self, value: float) -> None:
        """One observation more."""
        self.n = min(self.n + 1.0, MAX_SAMPLES)
        self.value += (value - self.value) / self.n


class RegressionSlope(Struct, array_like=True):
    """How much of one thing becomes another, as of its earliness a bus spends waiting: a regression through 0, by the
    sums of the first squared and of both multiplied.
    """

    squares: float = 0.0
    products: float = 0.0

    def slope(self, guess: float, worth: float) -> float:
        """From 0 (none of it) to 1 (all of it), shrunk to a guess worth so many squares."""
        return min(1.0, max(0.0, (self.products + guess * worth) / (self.squares + worth)))

    def significant_slope(self, guess: float, worth: float, variance: float) -> float:
        """The same, but the guess itself unless what was seen lies more than two standard errors from it; beyond, the
        further it lies the less of the guess (the non-negative garrote: Breiman 1995). `variance`: of the other thing
        about its share of the first.
        """
        off = self.products - guess * self.squares
        unsure = SIGNIFICANT_SQUARE * variance * self.squares
        if off * off <= unsure:
            return guess
        return guess + (1.0 - unsure / (off * off)) * (self.slope(guess, worth) - guess)

    def add_sample(self, one: float, other: float, most: float) -> None:
        """One observation more. Once the squares sum up to `most`, older ones fade."""
        if self.squares > most:
            self.squares, self.products = 0.98 * self.squares, 0.98 * self.products
        self.squares += one * one
        self.products += one * other

    def remove_sample(self, squares: float, products: float) -> None:
        """One observation less; what has faded since leaves no more than there is."""
        self.squares -= squares
        self.products -= products
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
        "pace_persistence": "pace",
        "recent_persistence": "recent",
        "network_delay_persistence": "stays",
        "network_delay": "tide",
        "departure_lateness": "lateness",
        "intervals": "spread",
    },
):
    """What is learnt over all links: mean squared relative errors of each source, and how much of them is the noise of
    the single bus, in which they agree; how early buses wait near the start of their journey and further on; how far a
    slow bus stays slow, a link on which the last buses were slow, and (`network_delay_persistence`) a city; how slow
    that is now; how late
    buses leave their terminals; how far estimates were off.

    The guesses are those of a bus line in any large city.
    """

    timetable_error: RunningMean = field(default_factory=lambda: RunningMean(50.0, 0.16))
    history_drift: RunningMean = field(default_factory=lambda: RunningMean(50.0, 0.01))
    bus_noise: RunningMean = field(default_factory=lambda: RunningMean(50.0, 0.065))
    blend_error: RunningMean = field(default_factory=lambda: RunningMean(50.0, 0.08))
    holding_near: RegressionSlope = field(default_factory=lambda: RegressionSlope(1e4, 5e3))
    holding_far: RegressionSlope = field(default_factory=lambda: RegressionSlope(1e4, 0.0))
    pace_persistence: RegressionSlope = field(default_factory=lambda: RegressionSlope(10.0, 1.0))
    recent_persistence: RegressionSlope = field(default_factory=lambda: RegressionSlope(10.0, 1.0))
    network_delay_persistence: RegressionSlope = field(default_factory=lambda: RegressionSlope(1.0, 0.1))
    network_delay: NetworkDelay = field(default_factory=NetworkDelay)
    departure_lateness: LatenessCounts = field(default_factory=terminal_departures.empty_counts)
    intervals: PredictionIntervals = field(default_factory=PredictionIntervals)
