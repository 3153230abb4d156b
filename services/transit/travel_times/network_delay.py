"""How much slower than usual all the buses of a city are now: rain, a strike, a match, the first day of school.

Single links are too noisy to tell, all of them together are not. What each passage took beyond what was expected of its
link flows into one figure, which fades within the hour. Links of which little is known have little to say: there, a
difference tells of the link and not of the day.
"""

from math import exp

from msgspec import Struct

FADE_S = 1_800.0
"""What was seen so long ago speaks e times less of now: a jam outlasts a few buses, not an afternoon."""
PRIOR_S = 4_000.0
"""Half of what is seen is believed after so many seconds of links, some forty of them: the variance of one link is
about forty times that of days."""
HALF_WEIGHT_COUNT = 5.0
"""A link that so many buses taught says half of what a well-known one does."""


class NetworkDelay(Struct):
    """`expected_s`, `over_s`: what links should have taken, and how much more they took, as faded at `at`, Unix
    seconds.
    """

    at: float = 0.0
    expected_s: float = 0.0
    over_s: float = 0.0

    def relative_delay(self, at: float) -> float:
        """How much longer than expected links take at an instant, relative, more than -1; shrunk to 0 the less was seen
        and the longer ago.
        """
        left = exp(min(0.0, self.at - at) / FADE_S)
        return left * self.over_s / (left * self.expected_s + PRIOR_S)

    def add_traversal(self, at: float, expected_s: float, missed: float, mass: float) -> None:
        """One passage more, also a late one. `missed`: how much longer than expected it took, relative, at least -1.
        `mass`: how many buses the expectation rests on.
        """
        left, worth_s = exp(min(0.0, self.at - at) / FADE_S), expected_s * mass / (mass + HALF_WEIGHT_COUNT)
        worth_s *= exp(min(0.0, at - self.at) / FADE_S)
        self.at = max(at, self.at)
        self.expected_s = left * self.expected_s + worth_s
        self.over_s = left * self.over_s + worth_s * missed
