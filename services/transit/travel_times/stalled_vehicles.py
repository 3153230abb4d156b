"""Until when a bus is told that gets nowhere: it stands, is not heard, or the one after the other. Nobody is to wait
for a bus that is not there: past these bounds the timetable speaks, or the journey is withdrawn.
"""

from bisect import bisect_right

from models.geo import distance_m
from models.network import Journey, Network, Pattern
from services.transit.model.journey_search import MAX_EARLY_S
from services.transit.model.prediction import MatchedPosition, Phase
from services.transit.model.stop_passages import journey_has_exact_times

FIRST_STOP_M = 30.0
STALLED_S = 480.0
"""Of a bus that got nowhere on its way for this long nobody can say when it comes, if at all."""
OVERDUE_S = 1_200.0
"""Nor of one that stands at its first stop so long after it was to leave."""
UNMOVED_VALID_S = 480.0
"""What was last said of a bus on its way holds for so long after it was last seen to make way, heard or not."""
WAITING_VALID_S = 300.0
"""The same of one that waits, after it was last heard: many switch off where they are parked."""
MIN_PROBABILITY, TERMINAL_M = 0.8, 150.0
"""A bus that stands long waits for a journey that is so likely its own, if it stands so near its terminal."""
MIN_PROBABILITY_ASIDE, ASIDE_S = 0.95, 240.0
"""One that stands so long farther from it may wait for nothing, unless it says itself for what: else none is so likely.
"""


def is_at_first_stop(pattern: Pattern, place: MatchedPosition) -> bool:
    """Whether it has yet to leave its first stop."""
    return place.distance_m <= pattern.stop_m[0] + FIRST_STOP_M


def is_parked(network: Network, pattern: Pattern, place: MatchedPosition) -> bool:
    """Whether it stands so long, between two journeys, that nobody can say whether it will make the next: it may make
    several, or stands some streets from where it would begin.
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
    """Whether it got nowhere on its way for so long, or has not left though it was long to, that it may never come."""
    if place.no_progress_s < STALLED_S:
        return False
    if is_at_first_stop(pattern, place):
        return now - journey.start_at >= OVERDUE_S
    after = bisect_right(pattern.stop_m, place.distance_m)
    if after == len(pattern.stop_m):
        return False
    # One ahead of its plan waits for its time; one too far ahead of it makes another journey, or none.
    return not (journey_has_exact_times(journey) and 0.0 < journey.arrival_at(after) - now <= MAX_EARLY_S)


def is_expired(place: MatchedPosition, now: float) -> bool:
    """Whether what was said of a bus at its last report holds no more, though it may be heard again."""
    silent_s = now - place.at
    if place.phase is Phase.LAYOVER or place.no_progress_s >= STALLED_S:
        return silent_s > WAITING_VALID_S
    return place.no_progress_s + silent_s > UNMOVED_VALID_S
