"""Journeys that no vehicle makes: told by the timetable and how it is usually kept, or withdrawn."""

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

ROUTE_HEARD_S = 1_800.0
"""A line whose buses were heard within this time is one that reports: a journey without a bus is then a bus missing."""
MAX_UNSEEN_JOURNEYS, ROUTE_SILENT_S = 3, 43_200.0
"""So is a line of whose journeys no more were to begin since, within so long: at night they are an hour apart."""
AGENCY_SILENT_S = 300.0
"""A company of whose buses on their way none was heard for longer may have fallen silent as a whole."""
MIN_OVERDUE_S, MAX_OVERDUE_S = 180.0, 600.0
"""How long past its departure a journey without a bus is still told: the P90 of lateness, within these bounds."""
MIN_LATENESS_S = -300.0
FAR_AHEAD_S = 600.0
"""Of a journey that leaves later than this, little changes from one moment to the next."""
REUSE_S = 60.0
"""What was said of such a journey holds for so long, and up to as much again, so that not all are due at once."""


class TripAssignments(NamedTuple):
    """What a city's vehicles make of its journeys at one moment.

    `assigned`: those some vehicle makes or is to make, or made when its whole company fell silent: of these nobody
    else is
    to be told. `ended`: those a vehicle ended, or makes no more though its company is heard. `route_heard_at`,
    `agency_heard_at`: when
    the buses of a route, of an agency, were last heard, Unix seconds. `active_agencies`: agencies with a bus on its
    way, that
    would be heard if any was.
    """

    assigned: Collection[Key]
    ended: Collection[Key]
    route_heard_at: Mapping[str, float]
    agency_heard_at: Mapping[str, float]
    active_agencies: Collection[str]


class UnassignedTrips:
    """The journeys of one network, as long as nobody makes them."""

    def __init__(self, network: Network, planned: JourneySearch, history: TravelTimes) -> None:
        self._network = network
        self._search = planned
        self._travel_times = history
        self._published: dict[Key, tuple[TripPrediction, float]] = {}

    def restore(self, said: Iterable[TripPrediction]) -> None:
        """Go on from what was said before a restart, or on another timetable: what was withdrawn stays so."""
        for one in said:
            journey = self._network.journey(one.trip_id, date.fromisoformat(one.service_date), one.start_s)
            if journey is not None and one.basis is Basis.NOT_COMING:
                self._published[journey.key] = (withdrawn_trip(journey, one.reason), 0.0)

    def predictions(self, making: TripAssignments, now: float) -> tuple[TripPrediction, ...]:
        """What is said of journeys on the road or due within HORIZON_S that no vehicle makes."""
        said: dict[Key, tuple[TripPrediction, float]] = {}
        for journey in self._current_journeys(now):
            key = journey.key
            if key in making.assigned or (now > journey.start_at and not journey_has_exact_times(journey)):
                continue  # where a headway is promised, no bus is missing for a minute's sake
            before = self._published.get(key)
            if before is not None and before[0].basis is Basis.NOT_COMING:
                pass  # it stays withdrawn, though the other buses of its line fall silent too at night
            elif before is None or before[1] <= now or key in making.ended:
                far = journey.start_at - now > FAR_AHEAD_S
                until = now + REUSE_S + journey.start_s % REUSE_S if far else now
                before = (self._predict(journey, making, now), until)
            said[key] = before
        self._published = said
        return tuple(coming for coming, _ in said.values())

    def _current_journeys(self, now: float) -> Iterator[Journey]:
        for index, trips in enumerate(self._network.trips_by_pattern):
            longest_s = max((trip.duration_s for trip in trips), default=0)
            for journey in self._search.starting_between(index, now - longest_s - MAX_OVERDUE_S, now + HORIZON_S):
                if journey.end_at + MAX_OVERDUE_S >= now:
                    yield journey

    def _predict(self, journey: Journey, making: TripAssignments, now: float) -> TripPrediction:
        if journey.key in making.ended:
            return withdrawn_trip(journey, "silent")
        pattern, history = self._network.patterns[journey.trip.pattern], self._travel_times
        _, _, high_s = history.departure_lateness_s(pattern.link_ids[0], journey.start_s, MIN_LATENESS_S)
        patience_s = min(MAX_OVERDUE_S, max(MIN_OVERDUE_S, high_s))
        overdue_at = journey.start_at + patience_s
        since = overdue_at if now > overdue_at else now - AGENCY_SILENT_S
        reports = self._would_be_heard(pattern.route_id, making, since, now)
        if reports and now > overdue_at:
            return withdrawn_trip(journey, "no_vehicle")
        start = start_at_terminal(journey, pattern, history, now if reports else min(now, journey.start_at))
        coming = predicted_trip(journey, estimate_arrivals(journey, pattern, start, history), history, now).prediction
        return replace(coming, basis=Basis.SCHEDULE, recent_buses=0)

    def _would_be_heard(self, route_id: str, making: TripAssignments, since: float, now: float) -> bool:
        """Whether a bus of the line would have been heard since an instant if there was one: the line is one that
        reports, and its company was heard since, unless none of its buses was on its way.
        """
        agency_id = self._network.routes[route_id].agency_id
        works = making.agency_heard_at.get(agency_id, 0.0) >= since or agency_id not in making.active_agencies
        return works and self._route_reports(route_id, making.route_heard_at.get(route_id, 0.0), now)

    def _route_reports(self, route_id: str, heard_at: float, now: float) -> bool:
        if now - heard_at <= ROUTE_HEARD_S:
            return True
        if now - heard_at > ROUTE_SILENT_S:
            return False  # nor was it ever heard, where that is 0
        indices = self._network.patterns_by_route.get(route_id, ())
        begun = (journey for index in indices for journey in self._search.starting_between(index, heard_at, now))
        return next(islice(begun, MAX_UNSEEN_JOURNEYS, None), None) is None
