"""How positions, times and habits weigh for or against a journey, in natural logarithms, and why so much."""

from math import exp, hypot, log

from services.transit.matching.spatial_index import XY

OFFSET_LIMIT_M = 60.0
"""How far from a surveyed line a bus is as likely off it as on it: wide avenues, high buildings, rough shapes."""
UNSURVEYED_OFFSET_LIMIT_M = 250.0
"""The same where the line only joins its stops."""
SEARCH_BACK_M = 60.0
"""How far back along its line a position may fall: positions err."""
MAX_SPEED_MS = 30.0
SEARCH_AHEAD_M = 100.0
"""With FASTEST_MS, how far ahead along its line a bus is looked for."""
ALONG_PENALTY = 0.1
"""As much as LIMIT_M aside counts being ten times as far along a line from where it was to be expected."""
ANCHOR_SPACING_M = 60.0
"""Evidence is weighed each so many metres of displacement: as far as a position may lie from its line."""
NO_TRIP_ANCHOR = -2.0
"""A mark off every line weighs as much as one LIMIT_M from a line."""
MIN_WEIGHT = -8.0
"""No single observation condemns more than this."""
PRUNE_BELOW = -9.0
"""Hypotheses this much fainter than the best are dropped."""
LEAVE_TRIP = log(0.01)
"""From one mark to the next one bus in a hundred leaves its journey."""
ENTER_TRIP = log(0.05)
"""One in twenty of those that make none begins one."""
SWITCH_TRIP = log(0.01)
"""From one mark to the next one bus in a hundred makes another journey than thought, if that one looks strange."""
UNLIKELY_DEVIATION = -3.0
"""A deviation is strange that is e to this less likely than none."""
EARLY_SCALE_S, LATE_SCALE_S = 100.0, 300.0
"""Deviations from plan by which a journey becomes e times less likely: a bus is late three times as easily as early."""
DEVIATION_MEMORY_S = 1_800.0
"""How long a deviation lasts: after so long a time it counts as evidence anew."""
UNSCHEDULED = -6.0
"""How likely a line is on which no journey is planned then, beside one that is on time."""
SAME_BLOCK, SAME_ROUTE = 5.0, 1.0
"""How much likelier a vehicle's next journey is of its last one's block (few are swapped), of its last one's line."""
TERMINAL_RADIUS_M = 600.0
"""How far from a terminal buses wait: where there is no room at it, they stand some streets away."""
AT_TERMINAL = -1.0
"""A mark of a bus that waits for its departure: it may look for a place to stand, but it is not driving about."""
NEXT_NOT_BEGUN = -2.3
"""How likely the next journey has not begun yet when one has ended."""


def offset_weight(offset_m: float, limit_m: float) -> float:
    """How a mark so far from a line weighs for it."""
    return max(MIN_WEIGHT, NO_TRIP_ANCHOR * (offset_m / limit_m) ** 2)


def terminal_weight(here: XY, stop: XY) -> float:
    """How a mark near a terminal weighs for a bus that waits there."""
    distance_m = hypot(here[0] - stop[0], here[1] - stop[1])
    return (
        AT_TERMINAL if distance_m <= TERMINAL_RADIUS_M else AT_TERMINAL + offset_weight(distance_m, TERMINAL_RADIUS_M)
    )


def progress_weight(advanced_m: float, moved_m: float, limit_m: float) -> float:
    """How a mark weighs that advanced less along a line than the bus moved, as it does on a line it only crosses.

    A quarter of the limit is free, for positions err and lines are straighter than streets; a limit more costs OFF.
    """
    return max(2 * NO_TRIP_ANCHOR, min(0.0, -NO_TRIP_ANCHOR * (advanced_m - moved_m + limit_m / 4) / limit_m))


def deviation_weight(late_s: float) -> float:
    """How likely a bus is so late (positive) or early."""
    return max(MIN_WEIGHT, -late_s / LATE_SCALE_S if late_s > 0 else late_s / EARLY_SCALE_S)


def log_sum(weights: list[float]) -> float:
    """The weight of several things that exclude each other. `weights`: at least one."""
    return log(sum(map(exp, weights)))
