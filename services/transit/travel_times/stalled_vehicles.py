"""Decide how long predictions for a stalled or silent vehicle stay published.

Nobody should wait for a bus that is not there. Past the bounds of this module the timetable is shown instead, or the
trip is withdrawn.
"""

from bisect import bisect_right

from models.geo import distance_m
from models.network import Journey, Network, Pattern
from services.transit.model.journey_search import MAX_EARLY_S
from services.transit.model.prediction import MatchedPosition, Phase
from services.transit.model.stop_passages import journey_has_exact_times

FIRST_STOP_M = 30.0
"""Within this distance of its first stop a bus has not left it."""
STALLED_S = 480.0
"""A bus on its way that made no progress for this long may come late or never: nobody can say."""
OVERDUE_S = 1_200.0
"""The same holds for a bus that is still at its first stop this long after its departure."""
UNMOVED_VALID_S = 480.0
"""A prediction for a bus on its way expires this long after its last progress, whether it reports or not."""
WAITING_VALID_S = 300.0
"""A prediction for a waiting bus expires this long after its last report: many are switched off where they park."""
MIN_PROBABILITY, TERMINAL_M = 0.8, 150.0
"""A bus that stands for STALLED_S within this distance of its terminal needs a trip of at least this probability."""
MIN_PROBABILITY_ASIDE, ASIDE_S = 0.95, 240.0
"""A bus that stands for ASIDE_S further from its terminal needs this probability: only a trip that it reports itself
is so likely.
"""


def is_at_first_stop(pattern: Pattern, place: MatchedPosition) -> bool:
    """Whether the bus has yet to leave its first stop."""
    return place.distance_m <= pattern.stop_m[0] + FIRST_STOP_M


def is_parked(network: Network, pattern: Pattern, place: MatchedPosition) -> bool:
    """Whether a bus stands between two trips so long that nobody can say whether it makes the next one.

    It may make one of several trips, or it stands some streets from where the trip begins.
    """
    if place.no_progress_s < ASIDE_S or not (
        is_at_first_stop(pattern, place) or place.distance_m >= pattern.stop_m[-1]
    ):
        return False
    terminal = network.stops[pattern.stop_ids[0 if is_at_first_stop(pattern, place) else -1]]
    if distance_m((place.latitude, place.longitude), terminal.point) > TERMINAL_M:
        return place.probability < MIN_PROBABILITY_ASIDE
    return place.no_progress_s >= STALLED_S and place.probability < MIN_PROBABILITY


def is_stalled(journey: Journey, pattern: Pattern, place: MatchedPosition, now: float) -> bool:
    """Whether a bus may never come: no progress on its way for STALLED_S, or not departed OVERDUE_S after its time.

    A bus at its last stop is not stalled.
    """
    if place.no_progress_s < STALLED_S:
        return False
    if is_at_first_stop(pattern, place):
        return now - journey.start_at >= OVERDUE_S
    next_stop = bisect_right(pattern.stop_m, place.distance_m)
    if next_stop == len(pattern.stop_m):
        return False
    # A bus ahead of its plan waits for its time. One too far ahead of it makes another trip, or none.
    return not (journey_has_exact_times(journey) and 0.0 < journey.arrival_at(next_stop) - now <= MAX_EARLY_S)


def is_expired(place: MatchedPosition, now: float) -> bool:
    """Whether the prediction made at a bus's last report is no longer valid. A new report may make it valid again."""
    silent_s = now - place.at
    if place.phase is Phase.LAYOVER or place.no_progress_s >= STALLED_S:
        return silent_s > WAITING_VALID_S
    return place.no_progress_s + silent_s > UNMOVED_VALID_S
