"""Network-wide delay: how much slower than usual all buses of a city run now, for example in rain or during a strike.

A single link is too noisy to show it; all links together do. What each traversal took beyond its expected time flows
into one figure, which fades within the hour. A link with little history counts little: there, a difference says more
of the link than of the day.
"""

from math import exp

from msgspec import Struct

FADE_S = 1_800.0
"""After this time an observation weighs e times less: a jam outlasts a few buses, not an afternoon."""
PRIOR_S = 4_000.0
"""Half of the observed delay is believed after this many expected seconds of links, some forty links: the variance of
one link is about forty times that of days."""
HALF_WEIGHT_COUNT = 5.0
"""A link with this many past traversals weighs half of a link with very many."""


class NetworkDelay(Struct):
    """Delay of the network, as stored in `transit_trust`.

    `at`: latest observation, Unix seconds. `expected_s`, `over_s`: sums of the links' expected seconds and of the
    seconds they took beyond that, both faded to `at`.
    """

    at: float = 0.0
    expected_s: float = 0.0
    over_s: float = 0.0

    def relative_delay(self, at: float) -> float:
        """How much longer than expected links take at an instant, relative, more than -1.

        It is shrunk towards 0 where little was observed, or long ago.
        """
        faded = exp(min(0.0, self.at - at) / FADE_S)
        return faded * self.over_s / (faded * self.expected_s + PRIOR_S)

    def add_traversal(self, at: float, expected_s: float, excess: float, history_weight: float) -> None:
        """Add one traversal; it may be older than `self.at`.

        `excess`: how much longer than expected it took, relative, at least -1. `history_weight`: the number of past
        traversals behind the expected time.
        """
        faded = exp(min(0.0, self.at - at) / FADE_S)
        weight_s = expected_s * history_weight / (history_weight + HALF_WEIGHT_COUNT)
        weight_s *= exp(min(0.0, at - self.at) / FADE_S)
        self.at = max(at, self.at)
        self.expected_s = faded * self.expected_s + weight_s
        self.over_s = faded * self.over_s + weight_s * excess
