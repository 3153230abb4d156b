"""Arrival elements are consistent for any predictions. Pure."""

from math import isfinite
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geo import point_at_distance
from services.transit.model.prediction import Basis, MatchedPosition, Phase, TripPrediction, VehiclePrediction
from services.transit.serving import departure_board
from services.transit.serving.snapshot import ExpectedJourney, TransitSnapshot, empty_snapshot, with_changes
from services.web.oba.elements.arrival import ArrivalBuilder
from services.web.oba.elements.index import Index
from services.web.oba.elements.references import ReferenceCollector
from tests.services.web.api.transit_town import SEVEN, trip_prediction
from tests.transit_city import network

CITY = network()
INDEX = Index(CITY)
TRIPS = ("10-0640", "10-0700", "10s-0650", "10s-0710", "10b-0640", "10b-0720", "20", "10-2430")
GONE = (Basis.NOT_COMING, Basis.SCHEDULE)


@st.composite
def journeys(draw: st.DrawFn, *, bases: tuple[Basis, ...] = tuple(Basis)) -> TripPrediction:
    """Any prediction of one journey, from any of its stops on."""
    trip_id = draw(st.sampled_from(TRIPS))
    start_s = 6 * 3600 + 600 * draw(st.integers(0, 9)) if trip_id == "20" else None
    last = len(CITY.patterns[CITY.trips[trip_id].pattern].stop_ids) - 1
    late_s, first = draw(st.integers(-300, 3_600)), draw(st.integers(0, last))
    basis, recent_buses = draw(st.sampled_from(bases)), draw(st.integers(0, 3))
    told = trip_prediction(
        CITY, trip_id, first=first, late_s=late_s, basis=basis, start_s=start_s, recent_buses=recent_buses
    )
    if basis is Basis.NOT_COMING and draw(st.booleans()):
        return msgspec.structs.replace(told, p10=(), p50=(), p90=(), rider_times=(), departures=())
    return told


@st.composite
def vehicle_predictions(draw: st.DrawFn) -> VehiclePrediction:
    """A vehicle on one of its journeys, on none, or on one that is not among its predicted trips."""
    made = tuple(draw(st.lists(journeys(), max_size=3)))
    place = draw(st.sampled_from([*made, None])) or draw(st.sampled_from([None, draw(journeys())]))
    along_m = draw(st.floats(-50, 5_000))
    shape = CITY.patterns[place.pattern if place else 0].shape
    return VehiclePrediction(
        draw(st.sampled_from(["one", "two", "three"])),
        draw(st.sampled_from([CITY.version, CITY.version, "another"])),
        MatchedPosition(
            draw(st.sampled_from(Phase)),
            SEVEN - draw(st.integers(-5, 900)),
            *point_at_distance(shape.points, shape.along_m, along_m),
            place.trip_id if place else "",
            place.service_date if place else "",
            place.start_s if place else 0,
            place.pattern if place else -1,
            along_m,
            0.5,
        ),
        made,
        occupancy=draw(st.none() | st.integers(0, 100)),
    )


@st.composite
def snapshots(draw: st.DrawFn) -> TransitSnapshot:
    """A snapshot with some of these."""
    expected = [ExpectedJourney(one, SEVEN + 60) for one in draw(st.lists(journeys(bases=GONE), max_size=3))]
    return with_changes(empty_snapshot(CITY), draw(st.lists(vehicle_predictions(), max_size=4)), expected)


@settings(max_examples=150, deadline=None)
@given(snapshot=snapshots(), stop_id=st.sampled_from(sorted(CITY.stops)))
def test_every_arrival_element_is_consistent(snapshot: TransitSnapshot, stop_id: str) -> None:
    referred = ReferenceCollector(INDEX)
    telling = ArrivalBuilder(INDEX, snapshot, referred, SEVEN)
    found = departure_board.arrivals(snapshot, stop_id, SEVEN, 300, 3_600)
    for one in found:
        told = msgspec.to_builtins(telling.build(one))
        status = told["tripStatus"]
        assert told["predicted"] == status["predicted"] == (told["predictedArrivalTime"] > 0)
        assert told["vehicleId"] == status["vehicleId"] == (f"muni_{one.vehicle}" if one.vehicle else "")
        assert (told["status"] == "CANCELED") == (one.basis is Basis.NOT_COMING) == (status["status"] == "CANCELED")
        assert not (told["predicted"] and told["status"] == "CANCELED")
        assert 0 <= status["distanceAlongTrip"] <= status["totalDistanceAlongTrip"] + 1e-6
        assert 0 <= told["estimate"]["arrivalP10"] <= told["estimate"]["arrivalP50"] <= told["estimate"]["arrivalP90"]
        assert all(isfinite(number) for number in numbers(told))
    assert {INDEX.trip_id(one.journey.trip) for one in found} <= {one.id for one in referred.references().trips}


def numbers(value: Any) -> list[float]:
    """Every number in an element, however deep."""
    match value:
        case dict():
            return [number for one in value.values() for number in numbers(one)]
        case list():
            return [number for one in value for number in numbers(one)]
        case bool() | str() | None:
            return []
    return [value]


def test_a_bus_that_waits_for_its_trip_stands_at_its_first_stop() -> None:
    out, back = trip_prediction(CITY, "10-0640", first=5), trip_prediction(CITY, "10b-0720", late_s=60)
    waiting = VehiclePrediction(
        "bus", CITY.version, MatchedPosition(Phase.LAYOVER, SEVEN - 5, -34.92, -57.95, "", "", 0, -1, 0.0, 0.9), (back,)
    )
    arriving = VehiclePrediction(
        "bus",
        CITY.version,
        MatchedPosition(
            Phase.IN_PROGRESS, SEVEN - 5, -34.92, -57.95, out.trip_id, out.service_date, out.start_s, 0, 1_900, 0.9
        ),
        (out, back),
    )
    for vehicle_prediction, trip, left in ((waiting, "muni_10b-0720", 2), (arriving, "muni_10-0640", 3)):
        snapshot = with_changes(empty_snapshot(CITY), [vehicle_prediction])
        (one,) = (one for one in departure_board.arrivals(snapshot, "R4", SEVEN, 0, 3_600) if one.vehicle)
        told = ArrivalBuilder(INDEX, snapshot, ReferenceCollector(INDEX), SEVEN).build(one)
        assert (told.trip_status.active_trip_id, told.number_of_stops_away) == (trip, left)
        assert told.trip_status.schedule_deviation == (60 if vehicle_prediction is waiting else 0)
