"""Build OneBusAway arrival elements."""

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
    """Builds the elements of arrivals at one moment and collects what they refer to."""

    def __init__(self, index: Index, snapshot: TransitSnapshot, collector: ReferenceCollector, now: float) -> None:
        self._index, self._snapshot, self._collector, self._now = index, snapshot, collector, now

    def build(self, arrival: Arrival) -> ArrivalAndDeparture:
        """The element of one arrival."""
        index, trip, predicted = (
            self._index,
            arrival.journey.trip,
            is_predicted(arrival.basis) and arrival.estimate is not None,
        )
        route = index.network.routes[arrival.pattern.route_id]
        status = self._journey_status(arrival)
        active_trip = locate_active_trip(self._snapshot, status, self._now)
        self._collect(arrival, active_trip)
        situations = self._collector.add_alerts(
            departure_board.alerts_for(self._snapshot, self._now, stop_id=arrival.stop_id, route_ids=(route.id,))
        )
        status_element = trip_status_element(
            index, status, active_trip, self._now, predicted=predicted, situations=situations
        )
        return ArrivalAndDeparture(
            stop_id=index.stop_id(arrival.stop_id),
            trip_id=index.trip_id(trip),
            service_date=index.service_date_ms(arrival.journey),
            route_id=index.route_id(route.id),
            route_short_name=route.short_name,
            route_long_name=route.long_name,
            trip_headsign=trip.headsign,
            vehicle_id=status_element.vehicle_id,
            stop_sequence=arrival.position,
            total_stops_in_trip=len(arrival.pattern.stop_ids),
            block_trip_sequence=index.block_sequence(arrival.journey),
            arrival_enabled=allows_alighting(arrival.position, arrival.pattern.drop_off),
            departure_enabled=arrival.allows_boarding,
            scheduled_arrival_time=ms(arrival.scheduled_arrival),
            scheduled_departure_time=ms(arrival.scheduled_departure),
            predicted_arrival_time=ms(arrival.estimate.p50) if predicted and arrival.estimate else 0,
            predicted_departure_time=ms(arrival.estimate.departs_at) if predicted and arrival.estimate else 0,
            scheduled_arrival_interval=None,
            scheduled_departure_interval=None,
            predicted_arrival_interval=None,
            predicted_departure_interval=None,
            predicted=predicted,
            last_update_time=status_element.last_update_time,
            number_of_stops_away=_stops_away(arrival, active_trip),
            distance_from_stop=_distance_m(arrival, active_trip),
            frequency=None,
            headway_seconds=headway_s(arrival.journey),
            status=status_word(arrival.basis),
            scheduled_track="",
            actual_track="",
            historical_occupancy="",
            predicted_occupancy="",
            occupancy_status=status_element.occupancy_status,
            situation_ids=situations,
            trip_status=status_element,
            estimate=estimate_element(arrival),
        )

    def _journey_status(self, arrival: Arrival) -> JourneyStatus:
        known = departure_board.journey_status(self._snapshot, arrival.key, self._now)
        return known or JourneyStatus(arrival.key, arrival.journey, arrival.pattern, arrival.basis)

    def _collect(self, arrival: Arrival, active_trip: ActiveTrip) -> None:
        self._collector.add_stop(arrival.stop_id)
        self._collector.add_trip(arrival.journey.trip)
        self._collector.add_active_trip(active_trip)


def estimate_element(arrival: Arrival) -> Estimate:
    """The quantiles of an arrival and their basis."""
    estimate = arrival.estimate
    return Estimate(
        basis=arrival.basis.value,
        reason=arrival.reason,
        buses=arrival.recent_buses,
        arrival_p10=ms(estimate.p10) if estimate else 0,
        arrival_p50=ms(estimate.p50) if estimate else 0,
        arrival_p90=ms(estimate.p90) if estimate else 0,
        rider=ms(estimate.rider_time) if estimate else 0,
    )


def allows_alighting(position: int, drop_off: tuple[int, ...]) -> bool:
    """Whether riders may get off at a position."""
    return position > 0 and not (drop_off and drop_off[position] == NO_DROP_OFF)


def allows_boarding(position: int, pickup: tuple[int, ...], stops: int) -> bool:
    """Whether riders may get on at a position of a pattern with so many stops."""
    return position + 1 < stops and not (pickup and pickup[position] == NO_PICKUP)


def _stops_away(arrival: Arrival, active_trip: ActiveTrip) -> int:
    """Stops between bus and stop; the stops left on an earlier trip of the block are included."""
    if active_trip.status.key == arrival.key:
        return arrival.position - active_trip.next_position
    return len(active_trip.status.pattern.stop_ids) - active_trip.next_position + arrival.position


def _distance_m(arrival: Arrival, active_trip: ActiveTrip) -> float:
    if active_trip.status.key == arrival.key:
        return arrival.pattern.stop_m[arrival.position] - active_trip.distance_m
    left_m = active_trip.status.pattern.stop_m[-1] - active_trip.distance_m
    return left_m + arrival.pattern.stop_m[arrival.position] - arrival.pattern.stop_m[0]
