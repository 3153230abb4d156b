"""Trips without a vehicle: predicted by the timetable and how it is usually kept, or withdrawn.

A trip on one service date, with its start, is a journey.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from models.network import Journey, Network
from services.transit.model.journey_search import JourneySearch
from services.transit.model.prediction import Basis, TripPrediction
from services.transit.model.stop_passages import journey_has_exact_times
from services.transit.prediction.arrival_times import (
    HORIZON_S,
    estimate_arrivals,
    predicted_trip,
    start_at_terminal,
    withdrawn_trip,
)
from services.transit.travel_times.link_times import TravelTimes

Key = tuple[str, str, int]
"""Key of a journey: trip, service date as YYYYMMDD, start."""

ROUTE_HEARD_S = 1_800.0
"""A route reports if one of its buses was heard within this time. A journey without a bus is then a missing bus."""
MAX_UNSEEN_JOURNEYS, ROUTE_SILENT_S = 3, 43_200.0
"""A route also reports if, since one of its buses was heard, no more than this many of its journeys were to begin, and
the bus was heard within this time: at night journeys are an hour apart.
"""
AGENCY_SILENT_S = 300.0
"""An agency with buses on their way of which none was heard for longer may have fallen silent as a whole."""
MIN_OVERDUE_S, MAX_OVERDUE_S = 180.0, 600.0
"""A journey without a bus is withdrawn once it is later than the P90 of lateness at its terminal, within these bounds.
"""
MIN_LATENESS_S = -300.0
FAR_AHEAD_S = 600.0
"""The prediction of a journey that leaves later than this changes little from one moment to the next."""
REUSE_S = 60.0
"""Such a prediction is reused for this long, and up to as much again, so that not all are computed at once."""


class TripAssignments(NamedTuple):
    """Which journeys of a city have a vehicle at one moment, and which routes and agencies report.

    `assigned`: journeys that a vehicle makes or will make, or made when its whole agency fell silent; no prediction
    without a vehicle is published for them. `ended`: journeys that a vehicle has ended, or that it makes no more
    although its agency is heard. `route_heard_at`, `agency_heard_at`: last report of any bus of the route or agency,
    Unix seconds. `active_agencies`: agencies with a bus on its way, which would be heard if any bus was.
    """

    assigned: Collection[Key]
    ended: Collection[Key]
    route_heard_at: Mapping[str, float]
    agency_heard_at: Mapping[str, float]
    active_agencies: Collection[str]


class UnassignedTrips:
    """Predictions of the journeys of one network that have no vehicle."""

    def __init__(self, network: Network, search: JourneySearch, travel_times: TravelTimes) -> None:
        self._network = network
        self._search = search
        self._travel_times = travel_times
        self._published: dict[Key, tuple[TripPrediction, float]] = {}

    def restore(self, published: Iterable[TripPrediction]) -> None:
        """Continue from the predictions published before a restart or by another timetable.

        A withdrawn journey stays withdrawn.
        """
        for prediction in published:
            journey = self._network.journey(
                prediction.trip_id, date.fromisoformat(prediction.service_date), prediction.start_s
            )
            if journey is not None and prediction.basis is Basis.NOT_COMING:
                self._published[journey.key] = (withdrawn_trip(journey, prediction.reason), 0.0)

    def predictions(self, assignments: TripAssignments, now: float) -> tuple[TripPrediction, ...]:
        """Predictions of all journeys on their way, or due within HORIZON_S, that have no vehicle."""
        published: dict[Key, tuple[TripPrediction, float]] = {}
        for journey in self._current_journeys(now):
            key = journey.key
            if key in assignments.assigned or (now > journey.start_at and not journey_has_exact_times(journey)):
                continue  # where only a headway is promised, no bus is missing because of a minute
            entry = self._published.get(key)
            if entry is not None and entry[0].basis is Basis.NOT_COMING:
                pass  # it stays withdrawn, even when the other buses of its route fall silent at night
            elif entry is None or entry[1] <= now or key in assignments.ended:
                far = journey.start_at - now > FAR_AHEAD_S
                reuse_until = now + REUSE_S + journey.start_s % REUSE_S if far else now
                entry = (self._predict(journey, assignments, now), reuse_until)
            published[key] = entry
        self._published = published
        return tuple(prediction for prediction, _ in published.values())

    def _current_journeys(self, now: float) -> Iterator[Journey]:
        for index, trips in enumerate(self._network.trips_by_pattern):
            longest_s = max((trip.duration_s for trip in trips), default=0)
            for journey in self._search.starting_between(index, now - longest_s - MAX_OVERDUE_S, now + HORIZON_S):
                if journey.end_at + MAX_OVERDUE_S >= now:
                    yield journey

    def _predict(self, journey: Journey, assignments: TripAssignments, now: float) -> TripPrediction:
        if journey.key in assignments.ended:
            return withdrawn_trip(journey, "silent")
        pattern, travel_times = self._network.patterns[journey.trip.pattern], self._travel_times
        _, _, p90_s = travel_times.departure_lateness_s(pattern.link_ids[0], journey.start_s, MIN_LATENESS_S)
        allowed_s = min(MAX_OVERDUE_S, max(MIN_OVERDUE_S, p90_s))
        overdue_at = journey.start_at + allowed_s
        since = overdue_at if now > overdue_at else now - AGENCY_SILENT_S
        would_be_heard = self._would_be_heard(pattern.route_id, assignments, since, now)
        if would_be_heard and now > overdue_at:
            return withdrawn_trip(journey, "no_vehicle")
        start = start_at_terminal(journey, pattern, travel_times, now if would_be_heard else min(now, journey.start_at))
        estimates = estimate_arrivals(journey, pattern, start, travel_times)
        prediction = predicted_trip(journey, estimates, travel_times, now).prediction
        return replace(prediction, basis=Basis.SCHEDULE, recent_buses=0)

    def _would_be_heard(self, route_id: str, assignments: TripAssignments, since: float, now: float) -> bool:
        """Whether a bus of the route would have been heard since an instant, if there was one.

        That is so if the route reports, and its agency was heard since, or had no bus on its way.
        """
        agency_id = self._network.routes[route_id].agency_id
        agency_heard = (
            assignments.agency_heard_at.get(agency_id, 0.0) >= since or agency_id not in assignments.active_agencies
        )
        return agency_heard and self._route_reports(route_id, assignments.route_heard_at.get(route_id, 0.0), now)

    def _route_reports(self, route_id: str, heard_at: float, now: float) -> bool:
        if now - heard_at <= ROUTE_HEARD_S:
            return True
        if now - heard_at > ROUTE_SILENT_S:
            return False  # also if it was never heard: then `heard_at` is 0
        indices = self._network.patterns_by_route.get(route_id, ())
        begun = (journey for index in indices for journey in self._search.starting_between(index, heard_at, now))
        return next(islice(begun, MAX_UNSEEN_JOURNEYS, None), None) is None
