"""Log-likelihoods of the matcher: how positions, times and habits weigh for or against a journey, and why so much.

All weights are natural logarithms. Two weights apart by 1 mean that one is e times as likely as the other.
"""

from math import exp, hypot, log

from services.transit.matching.spatial_index import XY

OFFSET_LIMIT_M = 60.0
"""At this distance from a surveyed shape a bus is as likely off the route as on it: wide avenues, high buildings, rough
shapes."""
UNSURVEYED_OFFSET_LIMIT_M = 250.0
"""The same where the shape only joins the stops."""
SEARCH_BACK_M = 60.0
"""How far behind its last distance along the shape a bus is searched: positions err."""
MAX_SPEED_MS = 30.0
SEARCH_AHEAD_M = 100.0
"""With MAX_SPEED_MS, how far ahead along the shape a bus is searched."""
ALONG_PENALTY = 0.1
"""OFFSET_LIMIT_M beside the shape costs as much as ten times that distance along it from the expected place."""
ANCHOR_SPACING_M = 60.0
"""Displacement between two anchors, at which evidence is weighed: as far as a position may lie from its shape."""
NO_TRIP_ANCHOR = -2.0
"""Weight of an anchor for making no trip: the same as one OFFSET_LIMIT_M from a shape."""
MIN_WEIGHT = -8.0
"""No single observation weighs less than this."""
PRUNE_BELOW = -9.0
"""Hypotheses this much below the best are dropped."""
LEAVE_TRIP = log(0.01)
"""From one anchor to the next one bus in a hundred leaves its journey."""
ENTER_TRIP = log(0.05)
"""One in twenty of those that make no journey begins one."""
SWITCH_TRIP = log(0.01)
"""From one anchor to the next one bus in a hundred makes another journey than believed, if that one looks unlikely."""
UNLIKELY_DEVIATION = -3.0
"""A schedule deviation of this weight or less is unlikely enough to try other journeys."""
EARLY_SCALE_S, LATE_SCALE_S = 100.0, 300.0
"""Schedule deviations that make a journey e times less likely: a bus is late three times as easily as early."""
DEVIATION_MEMORY_S = 1_800.0
"""How long a deviation lasts: after this time it counts as new evidence."""
UNSCHEDULED = -6.0
"""Weight of a pattern on which no journey is scheduled then, beside one that is on time."""
SAME_BLOCK, SAME_ROUTE = 5.0, 1.0
"""How much likelier a vehicle's next journey is of its last one's block (few are swapped), or of its route."""
TERMINAL_RADIUS_M = 600.0
"""How far from a terminal buses wait: where there is no room at it, they stand some streets away."""
AT_TERMINAL = -1.0
"""Weight of an anchor for a bus that waits for its departure: it may look for a place to stand, but rarely moves."""
NEXT_NOT_BEGUN = -2.3
"""Weight of the next journey not having begun yet when one has ended."""


def offset_weight(offset_m: float, limit_m: float) -> float:
    """Weight of an anchor at this distance from a shape. `limit_m`: see OFFSET_LIMIT_M."""
    return max(MIN_WEIGHT, NO_TRIP_ANCHOR * (offset_m / limit_m) ** 2)


def terminal_weight(xy: XY, terminal: XY) -> float:
    """Weight of an anchor for a bus that waits at a terminal."""
    distance_m = hypot(xy[0] - terminal[0], xy[1] - terminal[1])
    return (
        AT_TERMINAL if distance_m <= TERMINAL_RADIUS_M else AT_TERMINAL + offset_weight(distance_m, TERMINAL_RADIUS_M)
    )


def progress_weight(advanced_m: float, moved_m: float, limit_m: float) -> float:
    """Weight of advancing less along a shape than the bus moved, as it does on a shape that it only crosses.

    A quarter of the limit is free, since positions err and shapes are straighter than streets; one limit more costs
    NO_TRIP_ANCHOR.
    """
    return max(2 * NO_TRIP_ANCHOR, min(0.0, -NO_TRIP_ANCHOR * (advanced_m - moved_m + limit_m / 4) / limit_m))


def deviation_weight(late_s: float) -> float:
    """Weight of a schedule deviation: seconds late, negative when early."""
    return max(MIN_WEIGHT, -late_s / LATE_SCALE_S if late_s > 0 else late_s / EARLY_SCALE_S)


def log_sum(weights: list[float]) -> float:
    """Logarithm of the summed likelihoods of exclusive alternatives. `weights`: at least one."""
    return log(sum(map(exp, weights)))
