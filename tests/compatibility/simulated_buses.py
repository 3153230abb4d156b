"""An hour of simulated buses on two lines, chosen so that every stored field of the bus tables gets a value."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from models.geo import METRES_PER_DEGREE, Point, point_at_distance
from models.network import Journey, Network, Pattern, Service, Stop, Timing, Trip
from models.reading import Message
from simulators.lines import schematic_network

DAY = date(2026, 3, 2)
"""A working day."""
ENDS = datetime(2026, 3, 2, 11, tzinfo=UTC)
"""Eight in the morning in La Plata."""
ENDS_S = 8 * 3_600
PERIOD_S = 30
OUT, BACK, HEADWAY_OUT, HEADWAY_BACK = range(4)
"""Indices of the patterns: a short branch of line 307 in both directions, and line Oeste, which promises a headway."""
FIRST_TRIP_S, LAST_TRIP_S = 6 * 3_600, 10 * 3_600
DWELL_POSITION, DWELL_S = 8, 200
"""Trips of line 307 have a scheduled dwell of this length at this position of their pattern."""
TRIP_WITHOUT_BLOCK = "307-2-vuelta-habil-0742"
"""When its bus falls silent, no other bus of its block is on its way to make it."""
TOPIC = "vigia/v1/laplata/bus/{}"


def timetable() -> Network:
    """Part of the simulated timetable, small enough for text files, with every column used."""
    whole = schematic_network(("307", "Oeste"))
    kept = {pattern.index: index for index, pattern in enumerate(whole.patterns[2:])}
    patterns = [replace(whole.patterns[before], index=after) for before, after in kept.items()]
    patterns[OUT] = _alighting_only_at_the_end(patterns[OUT])
    trips = (replace(trip, pattern=kept[trip.pattern]) for trip in whole.trips.values() if trip.pattern in kept)
    stops = {stop_id: whole.stops[stop_id] for pattern in patterns for stop_id in pattern.stop_ids}
    return replace(
        whole,
        stops={stop.id: stop for stop in _with_all_columns(list(stops.values()))},
        routes={route.id: replace(route, url=f"https://example.org/{route.id}") for route in whole.routes.values()},
        agencies={agency.id: replace(agency, phone="0221 555-0100") for agency in whole.agencies.values()},
        patterns=tuple(patterns),
        trips={trip.id: _with_scheduled_dwell(trip) for trip in trips if _is_kept(trip)},
        services={service.id: _within_year(service) for service in whole.services.values()},
    )


def _is_kept(trip: Trip) -> bool:
    return trip.service_id == "habil" and (bool(trip.frequencies) or FIRST_TRIP_S <= trip.start_s < LAST_TRIP_S)


def _within_year(service: Service) -> Service:
    years = {DAY.year}
    added, removed = (frozenset(day for day in days if day.year in years) for days in (service.added, service.removed))
    return replace(service, start=date(DAY.year, 1, 1), end=date(DAY.year, 12, 31), added=added, removed=removed)


def _alighting_only_at_the_end(pattern: Pattern) -> Pattern:
    last = len(pattern.stop_ids) - 1
    return replace(pattern, pickup=(*(0,) * last, 1), drop_off=(1, *(0,) * last))


def _with_all_columns(stops: list[Stop]) -> Iterator[Stop]:
    station, first, *others = stops
    yield replace(station, location_type=1, wheelchair=2)
    yield replace(first, parent=station.id, wheelchair=1)
    yield from others


def _with_scheduled_dwell(trip: Trip) -> Trip:
    if trip.frequencies:
        return replace(trip, short_name="Oeste", wheelchair=1)
    timing, count = trip.timing, len(trip.timing.arrivals_s)
    after = (DWELL_S if position > DWELL_POSITION else 0 for position in range(count))
    arrivals = tuple(at + more for at, more in zip(timing.arrivals_s, after, strict=True))
    departures = tuple(at + (DWELL_S if position == DWELL_POSITION else 0) for position, at in enumerate(arrivals))
    stop_sequences = tuple(range(10, 10 * count + 1, 10))
    block_id = "" if trip.id == TRIP_WITHOUT_BLOCK else trip.block_id
    return replace(
        trip, timing=Timing(arrivals, departures, timing.timepoint), stop_sequences=stop_sequences, block_id=block_id
    )


@dataclass(frozen=True, slots=True)
class Bus:
    """A simulated bus on a journey, `late_s` behind the timetable. `reported`: the other fields of its messages."""

    network: Network
    name: str
    journey: Journey
    late_s: float
    reported: dict[str, object]

    def message(self, at: float, point: Point, **more: object) -> Message:
        """The message of a position, received a second later."""
        payload = {"observed_at": at, "lat": round(point[0], 6), "lon": round(point[1], 6), **self.reported, **more}
        return Message(TOPIC.format(self.name), json.dumps(payload).encode(), datetime.fromtimestamp(at + 1, UTC))

    def drive(self, begin_at: float, end_at: float) -> Iterator[Message]:
        """A position each PERIOD_S from `begin_at` up to `end_at`, Unix seconds."""
        at = begin_at
        while at < end_at:
            yield self.message(at, self.point(at))
            at += PERIOD_S

    def point(self, at: float) -> Point:
        """The position of the bus at an instant."""
        return self.along(at - self.journey.start_at - self.late_s)

    def along(self, since_s: float) -> Point:
        """The position of a bus on time, `since_s` after its start."""
        pattern, timing = self.network.patterns[self.journey.trip.pattern], self.journey.trip.timing
        metres = pattern.stop_m[-1]
        for position in range(1, len(pattern.stop_m)):
            left, arrived = timing.departures_s[position - 1], timing.arrivals_s[position]
            if since_s <= arrived:
                share = max(0.0, since_s - left) / (arrived - left)
                metres = pattern.stop_m[position - 1] + share * (
                    pattern.stop_m[position] - pattern.stop_m[position - 1]
                )
                break
        return point_at_distance(pattern.shape.points, pattern.shape.along_m, metres)


def messages(city: Network) -> list[Message]:
    """All messages until ENDS, in the order of receipt."""
    sent = [message for scenario in (_in_service, _irregular, _off_route, _unknown_line) for message in scenario(city)]
    return sorted(
        (message for message in sent if message.received_at <= ENDS),
        key=lambda message: (message.received_at, message.topic),
    )


def _in_service(city: Network) -> Iterator[Message]:
    """One early, to the end of its trip and on; one in a scheduled dwell; three that report only their line."""
    early = _bus(city, "interno-1", _next_journey(city, OUT, 6.8), -60, trip_id=True, occupancy=40, in_service=True)
    yield from early.drive(early.journey.start_at - 150, early.journey.end_at + 240)
    dwelling = _bus(city, "interno-2", _next_journey(city, BACK, 7.3), 0, trip_id=True, delay_s=180, speed_ms=6.5)
    arrives_at = dwelling.journey.arrival_at(DWELL_POSITION)
    late = replace(dwelling, late_s=ENDS.timestamp() - 170 - arrives_at)
    yield from late.drive(late.journey.start_at - 60, ENDS.timestamp())
    for number, (name, late_s) in enumerate((("interno-9", 0), ("interno-10", 400), ("interno-11", 40))):
        pattern = HEADWAY_BACK if name == "interno-11" else HEADWAY_OUT
        reported: dict[str, object] = {"route_id": "oeste", "direction_id": number // 2, "start_time": "07:13:00"}
        bus = _bus(city, name, _next_journey(city, pattern, 7.2), late_s, **reported)
        yield from bus.drive(bus.journey.start_at + late_s, ENDS.timestamp())


def _irregular(city: Network) -> Iterator[Message]:
    """One that falls silent; one that stands between stops; one with an outlier at the end."""
    silent = _bus(city, "interno-8", _next_journey(city, BACK, 7.55), 20, trip_id=True)
    yield from silent.drive(silent.journey.start_at, silent.journey.start_at + 330)
    standing = _bus(city, "interno-3", _next_journey(city, BACK, 7.0), 0, trip_id=True)
    stops_at = standing.journey.start_at + 300
    yield from standing.drive(standing.journey.start_at, stops_at)
    for at in range(int(stops_at), int(ENDS.timestamp()), 4 * PERIOD_S):
        yield standing.message(at, standing.point(stops_at))
    jumping = _bus(city, "interno-7", _next_journey(city, OUT, 7.2), 1_500, trip_id=True, bearing_deg=140.0)
    yield from jumping.drive(jumping.journey.start_at + 1_200, ENDS.timestamp() - 40)
    yield jumping.message(ENDS.timestamp() - 20, _moved(jumping.point(ENDS.timestamp()), 20_000, 20_000))


def _off_route(city: Network) -> Iterator[Message]:
    """One that leaves its route; one that is parked."""
    leaving = _bus(city, "interno-4", _next_journey(city, OUT, 7.55), 0, trip_id=True)
    leaves_at = leaving.journey.start_at + 330
    yield from leaving.drive(leaving.journey.start_at, leaves_at)
    for count in range(1, 21):
        yield leaving.message(leaves_at + PERIOD_S * count, _moved(leaving.point(leaves_at), 150.0 * count, 0))
    parked = _bus(city, "interno-5", _next_journey(city, OUT, 7.0), 0, in_service=False)
    yard = _moved(parked.along(0), -2_500, -2_500)
    for count in range(8):
        yield parked.message(ENDS.timestamp() - 1_500 + 30 * count, _moved(yard, 0, 100.0 * (8 - count)))
    for count in range(10):
        yield parked.message(ENDS.timestamp() - 1_200 + 120 * count, yard)


def _unknown_line(city: Network) -> Iterator[Message]:
    """One that reports a line which the timetable does not have."""
    other = _bus(
        city, "interno-6", _next_journey(city, HEADWAY_OUT, 7.4), 300, route_id="999", line="999", sign="Cementerio"
    )
    yield from other.drive(ENDS.timestamp() - 600, ENDS.timestamp())


def _bus(city: Network, name: str, journey: Journey, late_s: float, **reported: object) -> Bus:
    if reported.pop("trip_id", False):
        reported |= {
            "trip_id": journey.trip.id,
            "start_date": f"{DAY:%Y%m%d}",
            "block_id": journey.trip.block_id or None,
        }
    return Bus(city, name, journey, late_s, reported)


def _next_journey(city: Network, pattern: int, hour: float) -> Journey:
    """The first journey along a pattern that starts at this hour of the day or later."""
    zero, _ = city.service_day(DAY)
    begin_at = zero + hour * 3_600
    return next(
        journey
        for journey in city.journeys_between(pattern, begin_at, begin_at + 7_200)
        if journey.start_at >= begin_at
    )


def _moved(point: Point, east_m: float, north_m: float) -> Point:
    return (point[0] + north_m / METRES_PER_DEGREE, point[1] + east_m / (0.82 * METRES_PER_DEGREE))
