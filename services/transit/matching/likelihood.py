"""How positions, times and habits weigh for or against a journey, in natural logarithms, and why so much."""

from math import exp, hypot, log

from services.transit.matching.spatial_index import XY

LIMIT_M = 60.0
"""How far from a surveyed line a bus is as likely off it as on it: wide avenues, high buildings, rough shapes."""
UNSURVEYED_M = 250.0
"""The same where the line only joins its stops."""
BACK_M = 60.0
"""How far back along its line a position may fall: positions err."""
FASTEST_MS = 30.0
AHEAD_M = 100.0
"""With FASTEST_MS, how far ahead along its line a bus is looked for."""
SLACK = 0.1
"""As much as LIMIT_M aside counts being ten times as far along a line from where it was to be expected."""
MARK_M = 60.0
"""Evidence is weighed each so many metres of displacement: as far as a position may lie from its line."""
OFF = -2.0
"""A mark off every line weighs as much as one LIMIT_M from a line."""
WORST = -8.0
"""No single observation condemns more than this."""
FAINTEST = -9.0
"""Hypotheses this much fainter than the best are dropped."""
LEAVE = log(0.01)
"""From one mark to the next one bus in a hundred leaves its journey."""
ENTER = log(0.05)
"""One in twenty of those that make none begins one."""
SWAP = log(0.01)
"""From one mark to the next one bus in a hundred makes another journey than thought, if that one looks strange."""
STRANGE = -3.0
"""A deviation is strange that is e to this less likely than none."""
EARLY_S, LATE_S = 100.0, 300.0
"""Deviations from plan by which a journey becomes e times less likely: a bus is late three times as easily as early."""
FORGET_S = 1_800.0
"""How long a deviation lasts: after so long a time it counts as evidence anew."""
UNPLANNED = -6.0
"""How likely a line is on which no journey is planned then, beside one that is on time."""
SAME_BLOCK, SAME_ROUTE = 5.0, 1.0
"""How much likelier a vehicle's next journey is of its last one's block (few are swapped), of its last one's line."""
TERMINAL_M = 600.0
"""How far from a terminal buses wait: where there is no room at it, they stand some streets away."""
RESTLESS = -1.0
"""A mark of a bus that waits for its departure: it may look for a place to stand, but it is not driving about."""
STAYS = -2.3
"""How likely the next journey has not begun yet when one has ended."""


def aside(offset_m: float, limit_m: float) -> float:
    """How a mark so far from a line weighs for it."""
    return max(WORST, OFF * (offset_m / limit_m) ** 2)


def around(here: XY, stop: XY) -> float:
    """How a mark near a terminal weighs for a bus that waits there."""
    distance_m = hypot(here[0] - stop[0], here[1] - stop[1])
    return RESTLESS if distance_m <= TERMINAL_M else RESTLESS + aside(distance_m, TERMINAL_M)


def misfit(advanced_m: float, moved_m: float, limit_m: float) -> float:
    """How a mark weighs that advanced less along a line than the bus moved, as it does on a line it only crosses.

    A quarter of the limit is free, for positions err and lines are straighter than streets; a limit more costs OFF.
    """
    return max(2 * OFF, min(0.0, -OFF * (advanced_m - moved_m + limit_m / 4) / limit_m))


def deviating(late_s: float) -> float:
    """How likely a bus is so late (positive) or early."""
    return max(WORST, -late_s / LATE_S if late_s > 0 else late_s / EARLY_S)


def together(weights: list[float]) -> float:
    """The weight of several things that exclude each other. `weights`: at least one."""
    return log(sum(map(exp, weights)))
