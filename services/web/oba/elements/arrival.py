"""An arrival as OneBusAway tells it."""

from services.transit.serving import departure_board
from services.transit.serving.departure_board import Arrival, JourneyStatus
from services.transit.serving.snapshot import TransitSnapshot
from services.web.oba.elements.index import Index
from services.web.oba.elements.references import ReferenceCollector
from services.web.oba.elements.trip_status import (
    ActiveTrip,
    headway_s,
    is_predicted,
    locate_active_trip,
    ms,
    status_word,
    trip_status_element,
)
from services.web.oba.elements.vehicles import ArrivalAndDeparture, Estimate

NO_PICKUP = NO_DROP_OFF = 1


class ArrivalBuilder:
    """Tells arrivals at one moment, and gathers what they refer to."""

    def __init__(self, index: Index, snapshot: TransitSnapshot, referred: ReferenceCollector, now: float) -> None:
        self._index, self._view, self._referred, self._now = index, snapshot, referred, now

    def build(self, one: Arrival) -> ArrivalAndDeparture:
        """One arrival."""
        index, trip, predicted = self._index, one.journey.trip, is_predicted(one.basis) and one.estimate is not None
        route = index.network.routes[one.pattern.route_id]
        status = self._journey_status(one)
        there = locate_active_trip(self._view, status, self._now)
        self._collect(one, there)
        situations = self._referred.add_alerts(
            departure_board.alerts_for(self._view, self._now, stop_id=one.stop_id, route_ids=(route.id,))
        )
        told = trip_status_element(index, status, there, self._now, predicted=predicted, situations=situations)
        return ArrivalAndDeparture(
            stop_id=index.stop_id(one.stop_id),
            trip_id=index.trip_id(trip),
            service_date=index.service_date_ms(one.journey),
            route_id=index.route_id(route.id),
            route_short_name=route.short_name,
            route_long_name=route.long_name,
            trip_headsign=trip.headsign,
            vehicle_id=told.vehicle_id,
            stop_sequence=one.position,
            total_stops_in_trip=len(one.pattern.stop_ids),
            block_trip_sequence=index.block_sequence(one.journey),
            arrival_enabled=allows_alighting(one.position, one.pattern.drop_off),
            departure_enabled=one.allows_boarding,
            scheduled_arrival_time=ms(one.scheduled_arrival),
            scheduled_departure_time=ms(one.scheduled_departure),
            predicted_arrival_time=ms(one.estimate.p50) if predicted and one.estimate else 0,
            predicted_departure_time=ms(one.estimate.departs_at) if predicted and one.estimate else 0,
            scheduled_arrival_interval=None,
            scheduled_departure_interval=None,
            predicted_arrival_interval=None,
            predicted_departure_interval=None,
            predicted=predicted,
            last_update_time=told.last_update_time,
            number_of_stops_away=_stops_away(one, there),
            distance_from_stop=_distance_m(one, there),
            frequency=None,
            headway_seconds=headway_s(one.journey),
            status=status_word(one.basis),
            scheduled_track="",
            actual_track="",
            historical_occupancy="",
            predicted_occupancy="",
            occupancy_status=told.occupancy_status,
            situation_ids=situations,
            trip_status=told,
            estimate=estimate_element(one),
        )

    def _journey_status(self, one: Arrival) -> JourneyStatus:
        known = departure_board.journey_status(self._view, one.key, self._now)
        return known or JourneyStatus(one.key, one.journey, one.pattern, one.basis)

    def _collect(self, one: Arrival, there: ActiveTrip) -> None:
        self._referred.add_stop(one.stop_id)
        self._referred.add_trip(one.journey.trip)
        self._referred.add_active_trip(there)


def estimate_element(one: Arrival) -> Estimate:
    """How sure we are, and why."""
    known = one.estimate
    return Estimate(
        basis=one.basis.value,
        reason=one.reason,
        buses=one.recent_buses,
        arrival_p10=ms(known.p10) if known else 0,
        arrival_p50=ms(known.p50) if known else 0,
        arrival_p90=ms(known.p90) if known else 0,
        rider=ms(known.rider_time) if known else 0,
    )


def allows_alighting(position: int, drop_off: tuple[int, ...]) -> bool:
    """Whether riders may get off at a position."""
    return position > 0 and not (drop_off and drop_off[position] == NO_DROP_OFF)


def allows_boarding(position: int, pickup: tuple[int, ...], stops: int) -> bool:
    """Whether riders may get on at a position of a pattern of so many stops."""
    return position + 1 < stops and not (pickup and pickup[position] == NO_PICKUP)


def _stops_away(one: Arrival, there: ActiveTrip) -> int:
    """Stops between bus and stop; those left of an earlier trip of the block count too."""
    if there.status.key == one.key:
        return one.position - there.next_position
    return len(there.status.pattern.stop_ids) - there.next_position + one.position


def _distance_m(one: Arrival, there: ActiveTrip) -> float:
    if there.status.key == one.key:
        return one.pattern.stop_m[one.position] - there.distance_m
    left_m = there.status.pattern.stop_m[-1] - there.distance_m
    return left_m + one.pattern.stop_m[one.position] - one.pattern.stop_m[0]
