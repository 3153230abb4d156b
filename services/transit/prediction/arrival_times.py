"""Arrival times of a vehicle: link by link to its last stop, then along the next journeys of its block."""

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
"""Journeys that begin later than this are not predicted yet."""
MAX_LATER_JOURNEYS = 2
"""Predicted journeys of a block after the present one."""
STANDING_S = 45.0
"""A bus that has stood this long on a link may still be holding there; a moving one has mostly done so."""
MOVING_HOLDING_SHARE = 0.7
"""Share of a link's holding that is still ahead of a moving bus at the beginning of the link."""
HOLDING_VARIANCE = 0.1
"""Variance of a holding time, as a share of its square."""
INTERVAL_DEVIATIONS = 2.56
"""Width of P10 to P90 of a normal distribution, in standard deviations."""
NO_SCHEDULE = float("-inf")


class ArrivalEstimates(Struct, frozen=True, gc=False):
    """Estimates for the coming stops of one journey, from which quantiles are made.

    `arrivals`, `departures`: Unix seconds; `spreads_s`: standard deviation of each arrival. All three begin with the
    stop of index `first_position`. `recent_buses`: the number of recent buses behind the estimates.
    """

    first_position: int
    arrivals: tuple[float, ...]
    departures: tuple[float, ...]
    spreads_s: tuple[float, ...]
    recent_buses: int


class PredictedTrip(Struct, frozen=True, gc=False):
    """Prediction of one journey, and the estimates behind it: None where the journey is withdrawn."""

    prediction: TripPrediction
    estimates: ArrivalEstimates | None


class StartingPoint(Struct, frozen=True, gc=False):
    """Where and when the estimates of a journey begin.

    `position`: index of the stop where the present link begins. `link_share`: share of that link already done, 0 to 1.
    `at`: Unix seconds, with a standard deviation of `spread_s`. `holding_ahead`: share of the link's holding that is
    still ahead. `at_terminal`: the bus has yet to leave its first stop. `slowness`: how much slower than expected it
    has been, relative.
    """

    position: int
    link_share: float
    at: float
    spread_s: float = 0.0
    holding_ahead: float = 1.0
    at_terminal: bool = False
    slowness: float = 0.0


def journey_of(network: Network, matched: MatchedPosition) -> Journey | None:
    """The journey of a matched position. None if it has no trip, or one that the timetable does not know."""
    if not matched.trip_id or not matched.service_date:
        return None
    return network.journey(matched.trip_id, date.fromisoformat(matched.service_date), matched.start_s)


def predict_trips(
    network: Network, matched: MatchedPosition, travel_times: TravelTimes, now: float, slowness: float = 0.0
) -> tuple[PredictedTrip, ...]:
    """Predict the present journey of a vehicle and the later ones of its block.

    `now`: Unix seconds. `slowness`: see `StartingPoint`. Returns no prediction if the vehicle makes no journey, or if
    nobody can say which. A vehicle off its route, or stalled, gets its present journey withdrawn.
    """
    journey = journey_of(network, matched)
    if journey is None or matched.phase not in (Phase.IN_PROGRESS, Phase.LAYOVER, Phase.OFF_ROUTE):
        return ()
    if matched.phase is Phase.OFF_ROUTE:
        return (PredictedTrip(withdrawn_trip(journey, "off_route"), None),)
    pattern = network.patterns[journey.trip.pattern]
    if is_parked(network, pattern, matched):
        return ()
    if is_stalled(journey, pattern, matched, now):
        return (PredictedTrip(withdrawn_trip(journey, "standing"), None),)
    start = replace(starting_point(journey, pattern, matched, travel_times, now), slowness=slowness)
    return predict_trips_from(network, journey, start, travel_times, now)


def predict_trips_from(
    network: Network, journey: Journey, start: StartingPoint, travel_times: TravelTimes, now: float
) -> tuple[PredictedTrip, ...]:
    """Predict a journey from a starting point, and the later ones of its block."""
    pattern = network.patterns[journey.trip.pattern]
    present = predicted_trip(journey, estimate_arrivals(journey, pattern, start, travel_times), travel_times, now)
    later = _predict_later(network, journey, present.prediction, travel_times, now)
    return (present, *later) if present.prediction.p50 else tuple(later)


def predicted_trip(
    journey: Journey, estimates: ArrivalEstimates, travel_times: TravelTimes, now: float
) -> PredictedTrip:
    """The prediction of a journey, with its estimates."""
    return PredictedTrip(to_trip_prediction(journey, estimates, travel_times, now), estimates)


def starting_point(
    journey: Journey, pattern: Pattern, matched: MatchedPosition, travel_times: TravelTimes, now: float
) -> StartingPoint:
    """Starting point of a vehicle at a matched position: at its first stop it waits for its departure."""
    begin_m = pattern.stop_m[0] + min(FIRST_STOP_M, (pattern.stop_m[1] - pattern.stop_m[0]) / 2)
    if matched.distance_m <= begin_m:
        return start_at_terminal(journey, pattern, travel_times, max(now, matched.at))
    next_stop = bisect_right(pattern.stop_m, matched.distance_m)
    if next_stop == len(pattern.stop_m):
        return StartingPoint(next_stop - 1, 1.0, matched.at)
    length_m = pattern.stop_m[next_stop] - pattern.stop_m[next_stop - 1]
    link_share = (matched.distance_m - pattern.stop_m[next_stop - 1]) / length_m if length_m else 0.0
    holding_ahead = 1.0 if matched.stationary_s >= STANDING_S else MOVING_HOLDING_SHARE * (1.0 - link_share)
    return StartingPoint(next_stop - 1, link_share, matched.at, holding_ahead=holding_ahead)


def start_at_stop(pattern: Pattern, passage: StopPassage, travel_times: TravelTimes) -> StartingPoint:
    """Starting point at a stop that a vehicle reached or left. Once it has left, the usual dwell there is behind it."""
    if passage.position == len(pattern.link_ids):
        return StartingPoint(passage.position, 1.0, passage.at)
    if not passage.left_at:
        return StartingPoint(passage.position, 0.0, passage.at)
    if passage.position == 0:
        return StartingPoint(0, 0.0, passage.left_at, holding_ahead=0.0)
    dwell_s = travel_times.mean_dwell_s(pattern.link_ids[passage.position])
    return StartingPoint(passage.position, 0.0, passage.left_at - dwell_s, holding_ahead=0.0)


def start_at_terminal(journey: Journey, pattern: Pattern, travel_times: TravelTimes, earliest: float) -> StartingPoint:
    """Starting point at the first stop. The bus leaves by its plan and its terminal's lateness, not before `earliest`.

    Where only a headway is promised, the bus leaves one headway after the last bus, but no more than half a headway
    before its nominal time: a departure before that belongs to another bus.
    """
    planned = journey.start_at
    if not journey_has_exact_times(journey):
        left_at = travel_times.last_departure_at(pattern.link_ids[0])
        if left_at is not None and left_at <= earliest:
            planned = max(left_at + headway_s(journey), planned - headway_s(journey) / 2)
    p10, p50, p90 = travel_times.departure_lateness_s(pattern.link_ids[0], journey.start_s, earliest - planned)
    return StartingPoint(
        0,
        0.0,
        planned + p50,
        spread_s=max(p90 - p10, 10.0) / INTERVAL_DEVIATIONS,
        holding_ahead=0.0,
        at_terminal=True,
    )


def estimate_arrivals(
    journey: Journey, pattern: Pattern, start: StartingPoint, travel_times: TravelTimes
) -> ArrivalEstimates:
    """Estimate arrivals link by link to the last stop. An early bus holds for the share of its lead that each link has
    shown.
    """
    arrivals_s, departures_s, links = journey.trip.timing.arrivals_s, journey.trip.timing.departures_s, pattern.link_ids
    service_day_start, weekday = journey.start_at - journey.start_s, journey.service_date.weekday()
    near_m = pattern.stop_m[0] + NEAR_START_M
    schedule_start = journey.start_at if journey_has_exact_times(journey) else NO_SCHEDULE
    slowdown = travel_times.slowdown_factor(start.at, start.slowness)
    relative_deviation = travel_times.relative_deviation
    clock, variance, deviations_s, recent_buses = start.at, start.spread_s**2, 0.0, 0
    share_ahead, holding_ahead = 1.0 - start.link_share, start.holding_ahead
    arrivals, departures, spreads_s = [], [], []
    if start.at_terminal:
        arrivals, departures, spreads_s = [clock], [clock], [spread_s(variance, 0.0)]
    for position in range(start.position, len(links)):
        scheduled_s = arrivals_s[position + 1] - arrivals_s[position]
        expected = travel_times.expected_traversal(links[position], scheduled_s, clock, service_day_start, weekday)
        if departures and not (start.at_terminal and position == 0):
            departures[-1] += expected.dwell_s
        early_s = schedule_start + departures_s[position] - clock
        if early_s > 0.0:
            holding_share = (
                expected.holding_share_near if pattern.stop_m[position] < near_m else expected.holding_share_far
            )
            holding_s = holding_share * early_s * holding_ahead
            clock += holding_s
            variance += HOLDING_VARIANCE * holding_s * holding_s
        travel_s = (expected.expected_s * slowdown + ERROR_OFFSET_S * (slowdown - 1.0)) * share_ahead
        clock += travel_s
        deviation_s = (travel_s + ERROR_OFFSET_S * share_ahead) * relative_deviation
        variance += deviation_s * deviation_s
        deviations_s += deviation_s
        recent_buses = max(recent_buses, expected.recent_buses)
        arrivals.append(clock)
        departures.append(clock)
        spreads_s.append(spread_s(variance, deviations_s))
        share_ahead = holding_ahead = 1.0
    return ArrivalEstimates(
        len(pattern.stop_ids) - len(arrivals), tuple(arrivals), tuple(departures), tuple(spreads_s), recent_buses
    )


def to_trip_prediction(
    journey: Journey, estimates: ArrivalEstimates, travel_times: TravelTimes, now: float
) -> TripPrediction:
    """Quantiles of the estimates. None of them falls along the trip, and none lies before `now`."""
    p10: list[float] = []
    p50: list[float] = []
    p90: list[float] = []
    rider_times: list[float] = []
    departures: list[float] = []
    latest_p10 = latest_rider = latest_p50 = latest_p90 = latest_departure = now
    quantiles = travel_times.source_weights.intervals.quantiles_along(estimates.arrivals, now)
    for arrival, departure, width_s, (q10, q20, q50, q90) in zip(
        estimates.arrivals, estimates.departures, estimates.spreads_s, quantiles, strict=True
    ):
        # The maximum so far of each, without the cost of calling `max`: this runs for each stop ahead at each report.
        latest_p10 = at10 if (at10 := arrival + q10 * width_s) > latest_p10 else latest_p10
        latest_rider = at20 if (at20 := arrival + q20 * width_s) > latest_rider else latest_rider
        latest_p50 = at50 if (at50 := arrival + q50 * width_s) > latest_p50 else latest_p50
        latest_p90 = at90 if (at90 := arrival + q90 * width_s) > latest_p90 else latest_p90
        latest_departure = left50 if (left50 := departure + q50 * width_s) > latest_departure else latest_departure
        p10.append(latest_p10)
        rider_times.append(latest_rider)
        p50.append(latest_p50)
        p90.append(latest_p90)
        departures.append(latest_departure)
    basis = Basis.RECENT if estimates.recent_buses else Basis.LIVE
    times = (tuple(p10), tuple(p50), tuple(p90), tuple(rider_times), tuple(departures))
    return TripPrediction(
        *journey.key, journey.trip.pattern, estimates.first_position, *times, basis, estimates.recent_buses
    )


def withdrawn_trip(journey: Journey, reason: str) -> TripPrediction:
    """Prediction of a journey that will not come: no arrivals, and the reason. Reasons: see `TripPrediction`."""
    return TripPrediction(*journey.key, journey.trip.pattern, 0, (), (), (), (), (), Basis.NOT_COMING, 0, reason)


def later_in_block(network: Network, journey: Journey) -> Iterator[Journey]:
    """The journeys after this one in its block, of the same service date."""
    if not journey.trip.block_id:
        return
    service_day_start, running_services = network.service_day(journey.service_date)
    for trip in network.trips_by_block[journey.trip.block_id]:
        if trip.start_s > journey.start_s and trip.service_id in running_services and not trip.frequencies:
            yield Journey(trip, journey.service_date, trip.start_s, service_day_start + trip.start_s)


def _predict_later(
    network: Network, journey: Journey, present: TripPrediction, travel_times: TravelTimes, now: float
) -> Iterator[PredictedTrip]:
    """Predict the later journeys of the block: each leaves at its time, or once the bus has arrived and turned round.

    `present`: prediction of `journey`, without arrivals if the bus stands at the last stop.
    """
    free_at, free_spread_s = (
        (present.p50[-1], (present.p90[-1] - present.p10[-1]) / INTERVAL_DEVIATIONS) if present.p50 else (now, 0)
    )
    for count, later in enumerate(later_in_block(network, journey)):
        if count == MAX_LATER_JOURNEYS or max(later.start_at, free_at) > now + HORIZON_S:
            return
        if not present.p50 and now - later.start_at >= OVERDUE_S:
            return  # the bus stands at its last stop and should long have left again
        pattern = network.patterns[later.trip.pattern]
        start = start_at_terminal(later, pattern, travel_times, free_at + MIN_LAYOVER_S)
        late = later.start_at < free_at + MIN_LAYOVER_S
        start = StartingPoint(
            0, 0.0, start.at, (start.spread_s**2 + (free_spread_s**2 if late else 0.0)) ** 0.5, 0.0, at_terminal=True
        )
        predicted = predicted_trip(later, estimate_arrivals(later, pattern, start, travel_times), travel_times, now)
        yield predicted
        prediction = predicted.prediction
        free_at = prediction.p50[-1]
        free_spread_s = (prediction.p90[-1] - prediction.p10[-1]) / INTERVAL_DEVIATIONS
