"""When a bus comes: link by link from where it is to its last stop, then along the next journeys of its block."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date

from msgspec import Struct
from msgspec.structs import replace

from models.network import Journey, Network, Pattern
from services.transit.model.prediction import Basis, MatchedPosition, Phase, TripPrediction
from services.transit.model.stop_passages import StopPassage, headway_s, journey_has_exact_times
from services.transit.travel_times.link_history import ERROR_OFFSET_S
from services.transit.travel_times.link_times import NEAR_START_M, TravelTimes
from services.transit.travel_times.prediction_intervals import spread_s
from services.transit.travel_times.stalled_vehicles import FIRST_STOP_M, OVERDUE_S, is_parked, is_stalled
from services.transit.travel_times.terminal_departures import MIN_LAYOVER_S

HORIZON_S = 2_700.0
"""Journeys that begin later than this are not spoken of yet."""
MAX_LATER_JOURNEYS = 2
"""How many journeys after the present one."""
STANDING_S = 45.0
"""A bus that has stood this long on a link may still be waiting there; a moving one has mostly done so."""
MOVING_HOLDING_SHARE = 0.7
"""How much of the waiting is still ahead of a moving bus, if all of the link is."""
HOLDING_VARIANCE = 0.1
"""Of the square of a wait: how surely an early bus waits for its time."""
NO_SCHEDULE = float("-inf")


class ArrivalEstimates(Struct, frozen=True, gc=False):
    """A bus's way from now on, before any quantile: for each coming stop its raw arrival and the spread of it."""

    first_position: int
    arrivals: tuple[float, ...]
    departures: tuple[float, ...]
    spreads_s: tuple[float, ...]
    recent_buses: int


class PredictedTrip(Struct, frozen=True, gc=False):
    """What is told of one journey, and the ride behind it, None where it is withdrawn."""

    prediction: TripPrediction
    estimates: ArrivalEstimates | None


class StartingPoint(Struct, frozen=True, gc=False):
    """Where a ride begins: at `position`, of whose link a share is done, at an instant known to within a spread.

    `holding_ahead`: how much of what early buses wait on that link is still ahead. `at_terminal`: it has yet to leave.
    `pace`: how much slower than expected it has been, relative.
    """

    position: int
    link_share: float
    at: float
    spread_s: float = 0.0
    holding_ahead: float = 1.0
    at_terminal: bool = False
    pace: float = 0.0


def journey_of(network: Network, place: MatchedPosition) -> Journey | None:
    """The journey a place speaks of; None where it speaks of none that the timetable knows."""
    if not place.trip_id or not place.service_date:
        return None
    return network.journey(place.trip_id, date.fromisoformat(place.service_date), place.start_s)


def predict_trips(
    network: Network, place: MatchedPosition, history: TravelTimes, now: float, pace: float = 0.0
) -> tuple[PredictedTrip, ...]:
    """The present journey of a bus and those after it; empty where it makes none, or nobody can say which. `pace`: see
    `StartingPoint`.
    """
    journey = journey_of(network, place)
    if journey is None or place.phase not in (Phase.IN_PROGRESS, Phase.LAYOVER, Phase.OFF_ROUTE):
        return ()
    if place.phase is Phase.OFF_ROUTE:
        return (PredictedTrip(withdrawn_trip(journey, "off_route"), None),)
    pattern = network.patterns[journey.trip.pattern]
    if is_parked(network, pattern, place):
        return ()
    if is_stalled(journey, pattern, place, now):
        return (PredictedTrip(withdrawn_trip(journey, "standing"), None),)
    start = replace(starting_point(journey, pattern, place, history, now), pace=pace)
    return predict_trips_from(network, journey, start, history, now)


def predict_trips_from(
    network: Network, journey: Journey, start: StartingPoint, history: TravelTimes, now: float
) -> tuple[PredictedTrip, ...]:
    """A journey from where it stands, and those after it."""
    pattern = network.patterns[journey.trip.pattern]
    present = predicted_trip(journey, estimate_arrivals(journey, pattern, start, history), history, now)
    following = _predict_later(network, journey, present.prediction, history, now)
    return (present, *following) if present.prediction.p50 else tuple(following)


def predicted_trip(journey: Journey, ride: ArrivalEstimates, history: TravelTimes, now: float) -> PredictedTrip:
    """A ride with what is told of it."""
    return PredictedTrip(to_trip_prediction(journey, ride, history, now), ride)


def starting_point(
    journey: Journey, pattern: Pattern, place: MatchedPosition, history: TravelTimes, now: float
) -> StartingPoint:
    """From a place on a journey: at the terminal it waits for its departure, elsewhere it is on its way."""
    begin_m = pattern.stop_m[0] + min(FIRST_STOP_M, (pattern.stop_m[1] - pattern.stop_m[0]) / 2)
    if place.distance_m <= begin_m:
        return start_at_terminal(journey, pattern, history, max(now, place.at))
    after = bisect_right(pattern.stop_m, place.distance_m)
    if after == len(pattern.stop_m):
        return StartingPoint(after - 1, 1.0, place.at)
    length_m = pattern.stop_m[after] - pattern.stop_m[after - 1]
    done = (place.distance_m - pattern.stop_m[after - 1]) / length_m if length_m else 0.0
    waiting = 1.0 if place.stationary_s >= STANDING_S else MOVING_HOLDING_SHARE * (1.0 - done)
    return StartingPoint(after - 1, done, place.at, holding_ahead=waiting)


def start_at_stop(pattern: Pattern, crossing: StopPassage, history: TravelTimes) -> StartingPoint:
    """From a stop a bus is known to have reached, or left: then its usual dwell there is done with."""
    if crossing.position == len(pattern.link_ids):
        return StartingPoint(crossing.position, 1.0, crossing.at)
    if not crossing.left_at:
        return StartingPoint(crossing.position, 0.0, crossing.at)
    if crossing.position == 0:
        return StartingPoint(0, 0.0, crossing.left_at, holding_ahead=0.0)
    dwell_s = history.mean_dwell_s(pattern.link_ids[crossing.position])
    return StartingPoint(crossing.position, 0.0, crossing.left_at - dwell_s, holding_ahead=0.0)


def start_at_terminal(journey: Journey, pattern: Pattern, history: TravelTimes, earliest: float) -> StartingPoint:
    """From the terminal, not before an instant: by its plan or, where a headway is promised, after the last bus, though
    no more than half a headway before its nominal time: sooner is another's turn.
    """
    planned = journey.start_at
    if not journey_has_exact_times(journey):
        left_at = history.last_departure_at(pattern.link_ids[0])
        if left_at is not None and left_at <= earliest:
            planned = max(left_at + headway_s(journey), planned - headway_s(journey) / 2)
    low, middle, high = history.departure_lateness_s(pattern.link_ids[0], journey.start_s, earliest - planned)
    return StartingPoint(
        0, 0.0, planned + middle, spread_s=max(high - low, 10.0) / 2.56, holding_ahead=0.0, at_terminal=True
    )


def estimate_arrivals(
    journey: Journey, pattern: Pattern, start: StartingPoint, history: TravelTimes
) -> ArrivalEstimates:
    """Link by link to the last stop. A bus ahead of its plan spends a share of its lead waiting, as each link shows."""
    arrivals_s, departures_s, links = journey.trip.timing.arrivals_s, journey.trip.timing.departures_s, pattern.link_ids
    zero, weekday = journey.start_at - journey.start_s, journey.service_date.weekday()
    near_m = pattern.stop_m[0] + NEAR_START_M
    start_at = journey.start_at if journey_has_exact_times(journey) else NO_SCHEDULE
    slower, deviation = history.slowdown_factor(start.at, start.pace), history.relative_deviation
    clock, variance, deviations_s, buses = start.at, start.spread_s**2, 0.0, 0
    left, waiting = 1.0 - start.link_share, start.holding_ahead
    arrivals, leaves, spreads = [], [], []
    if start.at_terminal:
        arrivals, leaves, spreads = [clock], [clock], [spread_s(variance, 0.0)]
    for position in range(start.position, len(links)):
        planned_s = arrivals_s[position + 1] - arrivals_s[position]
        expected = history.expected_traversal(links[position], planned_s, clock, zero, weekday)
        if leaves and not (start.at_terminal and position == 0):
            leaves[-1] += expected.dwell_s
        early_s = start_at + departures_s[position] - clock
        if early_s > 0.0:
            held_s = (
                (expected.holding_share_near if pattern.stop_m[position] < near_m else expected.holding_share_far)
                * early_s
                * waiting
            )
            clock += held_s
            variance += HOLDING_VARIANCE * held_s * held_s
        took_s = (expected.expected_s * slower + ERROR_OFFSET_S * (slower - 1.0)) * left
        clock += took_s
        deviation_s = (took_s + ERROR_OFFSET_S * left) * deviation
        variance += deviation_s * deviation_s
        deviations_s += deviation_s
        buses = max(buses, expected.recent_buses)
        arrivals.append(clock)
        leaves.append(clock)
        spreads.append(spread_s(variance, deviations_s))
        left = waiting = 1.0
    return ArrivalEstimates(
        len(pattern.stop_ids) - len(arrivals), tuple(arrivals), tuple(leaves), tuple(spreads), buses
    )


def to_trip_prediction(journey: Journey, ride: ArrivalEstimates, history: TravelTimes, now: float) -> TripPrediction:
    """A ride as quantiles, none of them falling along the way nor lying in the past."""
    p10: list[float] = []
    p50: list[float] = []
    p90: list[float] = []
    rider: list[float] = []
    leaves: list[float] = []
    low = early = middle = high = left = now
    quantiles = history.source_weights.intervals.quantiles_along(ride.arrivals, now)
    for at, leaves_at, width_s, (q10, q20, q50, q90) in zip(
        ride.arrivals, ride.departures, ride.spreads_s, quantiles, strict=True
    ):
        # The maximum so far of each, without the cost of calling `max`: this runs for each stop ahead at each report.
        low = at10 if (at10 := at + q10 * width_s) > low else low
        early = at20 if (at20 := at + q20 * width_s) > early else early
        middle = at50 if (at50 := at + q50 * width_s) > middle else middle
        high = at90 if (at90 := at + q90 * width_s) > high else high
        left = left50 if (left50 := leaves_at + q50 * width_s) > left else left
        p10.append(low)
        rider.append(early)
        p50.append(middle)
        p90.append(high)
        leaves.append(left)
    basis = Basis.RECENT if ride.recent_buses else Basis.LIVE
    quantities = (tuple(p10), tuple(p50), tuple(p90), tuple(rider), tuple(leaves))
    return TripPrediction(
        *journey.key, journey.trip.pattern, ride.first_position, *quantities, basis, ride.recent_buses
    )


def withdrawn_trip(journey: Journey, reason: str) -> TripPrediction:
    """A journey of which nothing is promised any more."""
    return TripPrediction(*journey.key, journey.trip.pattern, 0, (), (), (), (), (), Basis.NOT_COMING, 0, reason)


def later_in_block(network: Network, journey: Journey) -> Iterator[Journey]:
    """The journeys its block plans after it on the same service date."""
    if not journey.trip.block_id:
        return
    zero, running = network.service_day(journey.service_date)
    for trip in network.trips_by_block[journey.trip.block_id]:
        if trip.start_s > journey.start_s and trip.service_id in running and not trip.frequencies:
            yield Journey(trip, journey.service_date, trip.start_s, zero + trip.start_s)


def _predict_later(
    network: Network, journey: Journey, present: TripPrediction, history: TravelTimes, now: float
) -> Iterator[PredictedTrip]:
    """Each next journey leaves at its time, or when the one before it has arrived and turned round."""
    free_at, free_spread_s = (present.p50[-1], (present.p90[-1] - present.p10[-1]) / 2.56) if present.p50 else (now, 0)
    for count, after in enumerate(later_in_block(network, journey)):
        if count == MAX_LATER_JOURNEYS or max(after.start_at, free_at) > now + HORIZON_S:
            return
        if not present.p50 and now - after.start_at >= OVERDUE_S:
            return  # it is at its end, and should long have left again
        pattern = network.patterns[after.trip.pattern]
        start = start_at_terminal(after, pattern, history, free_at + MIN_LAYOVER_S)
        late = after.start_at < free_at + MIN_LAYOVER_S
        start = StartingPoint(
            0, 0.0, start.at, (start.spread_s**2 + (free_spread_s**2 if late else 0.0)) ** 0.5, 0.0, at_terminal=True
        )
        one = predicted_trip(after, estimate_arrivals(after, pattern, start, history), history, now)
        yield one
        coming = one.prediction
        free_at, free_spread_s = coming.p50[-1], (coming.p90[-1] - coming.p10[-1]) / 2.56
