"""OneBusAway elements: polylines, ids, times, directions, and scheduled positions. Pure."""

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.geo import Point, cumulative_distances_m
from models.network import Agency, Shape, service_day_start
from services.web.oba.elements.headings import compass_point, orientation_deg
from services.web.oba.elements.index import Index, box_around
from services.web.oba.elements.polyline import encode
from services.web.oba.elements.references import ReferenceCollector
from services.web.oba.elements.trip_status import occupancy_status, scheduled_distance_m, scheduled_next_position
from services.web.oba.requests import BadParameter, parse_service_day, requested_day, requested_time
from services.web.oba.routers.stops import distinct_polylines, merge_stop_order
from tests.transit_city import MONDAY, OUT, at, network

CITY = network()
NOON = datetime(2026, 3, 2, 15, tzinfo=UTC)
SANTIAGO = ZoneInfo("America/Santiago")


def decoded(text: str) -> list[Point]:
    """The points of an encoded polyline, by its definition."""
    numbers, value, shift = [], 0, 0
    for sign in text:
        bits = ord(sign) - 63
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits < 0x20:
            numbers.append(~(value >> 1) if value & 1 else value >> 1)
            value, shift = 0, 0
    lat, lon, points = 0, 0, []
    for up, right in zip(numbers[::2], numbers[1::2], strict=True):
        lat, lon = lat + up, lon + right
        points.append((lat / 1e5, lon / 1e5))
    return points


def test_a_line_is_written_as_its_definition_does() -> None:
    assert encode([(38.5, -120.2), (40.7, -120.95), (43.252, -126.453)]) == "_p~iF~ps|U_ulLnnqC_mqNvxq`@"
    assert encode([]) == ""


@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), max_size=30))
def test_a_line_read_back_is_within_a_metre(points: list[Point]) -> None:
    read = decoded(encode(points))
    assert len(read) == len(points)
    for here, there in zip(points, read, strict=True):
        assert here == pytest.approx(there, abs=0.51e-5)


def test_ids_are_found_behind_any_agency_even_where_names_hold_underscores() -> None:
    agencies = {"a": Agency("a", "A"), "a_b": Agency("a_b", "A B"), **CITY.agencies}
    stops = {**CITY.stops, "b_T1": replace(CITY.stops["T1"], id="b_T1")}
    index = Index(replace(CITY, agencies=agencies, stops=stops))
    assert index.stop_id("T1") == "muni_T1"
    for asked, found in (("muni_T1", "T1"), ("a_T1", "T1"), ("a_b_T1", "b_T1"), ("muni_b_T1", "b_T1")):
        stop = index.find_stop(asked)
        assert stop is not None
        assert stop.id == found
    for asked in ("T1", "", "_", "nobody_T1", "muni_", "muni", "muni_T1 "):
        assert index.find_stop(asked) is None


def test_an_agency_without_an_id_gets_one() -> None:
    nameless = replace(
        CITY,
        agencies={"": Agency("", "Municipalidad")},
        routes={name: replace(route, agency_id="") for name, route in CITY.routes.items()},
    )
    index = Index(nameless)
    assert index.stop_id("T1") == "1_T1"
    assert index.find_route("1_10") == "10"
    assert index.find_agency("1") == ""
    assert index.stops_by_agency.keys() == index.coverage_by_agency.keys() == {"1"}


def test_a_stop_in_a_station_names_it_and_the_station_has_its_lines() -> None:
    station = replace(CITY.stops["T1"], id="station", parent="", location_type=1)
    stops = {**CITY.stops, "station": station, "T1": replace(CITY.stops["T1"], parent="station")}
    index = Index(replace(CITY, stops=stops))
    assert index.routes_by_stop["station"] == index.routes_by_stop["T1"] == ("10", "20")
    referred = ReferenceCollector(index)
    referred.add_stop("T1")
    told = referred.references()
    assert {(one.id, one.parent) for one in told.stops} == {("muni_T1", "muni_station"), ("muni_station", "")}
    near = index.stops_within(box_around(station.point, 100), station.point, 100)
    assert [stop.id for _, stop in near] == ["T1", "R1"]


def test_buses_leave_towards_a_quarter_of_the_sky_or_do_not_agree() -> None:
    index = Index(CITY)
    assert [index.departure_direction(stop) for stop in ("T3", "N5", "R4", "N6")] == ["E", "N", "W", ""]
    assert index.departure_direction("T1") == ""  # line 10 leaves eastwards, line 20 southwards
    assert [compass_point([step]) for step in ((1, 0), (1, 1), (-1, 0.1), (0, -1), (0, 0))] == ["E", "NE", "W", "S", ""]
    shape = CITY.patterns[OUT].shape
    assert orientation_deg(shape, 0) == pytest.approx(0, abs=0.1)
    assert orientation_deg(shape, shape.length_m) == pytest.approx(90)


@pytest.mark.parametrize(
    "written", ["1772445600000", "2026-03-02T07:00:00-03:00", "2026-03-02T10:00:00Z", "2026-03-02T07:00:00.000 03:00"]
)
def test_a_moment_is_read_in_any_way_clients_write_it(written: str) -> None:
    expected = 1772445600 - (6 * 3600 if " " in written else 0)
    assert requested_time(written, NOON.timestamp()) == expected


@pytest.mark.parametrize("written", ["soon", "1e999", "-1", "9" * 40, "٣", "2026-13-01", "1969-01-01", "NaN"])
def test_what_is_no_moment_is_refused_by_name(written: str) -> None:
    with pytest.raises(BadParameter, match=r"^time: "):
        requested_time(written, NOON.timestamp())


def test_a_day_is_meant_by_its_date_or_by_any_moment_of_it() -> None:
    zero = int(service_day_start(MONDAY, CITY.zone) * 1000)
    assert (
        requested_day(None, CITY, NOON)
        == requested_day("2026-03-02", CITY, NOON)
        == requested_day(str(zero), CITY, NOON)
        == MONDAY
    )
    with pytest.raises(BadParameter):
        requested_day("02/03/2026", CITY, NOON)
    with pytest.raises(BadParameter, match="400 days"):
        requested_day("2031-03-02", CITY, NOON)


@pytest.mark.parametrize("day", [date(2026, 4, 5), date(2026, 9, 6), date(2026, 9, 7)])
def test_a_service_date_comes_back_even_when_the_clocks_change(day: date) -> None:
    abroad = replace(CITY, zone=SANTIAGO)
    assert parse_service_day(str(int(service_day_start(day, SANTIAGO) * 1000)), abroad, NOON.timestamp()) == day


def test_all_stops_of_a_line_stand_in_order() -> None:
    assert merge_stop_order([("T1", "T2", "T4"), ("T1", "T2", "T3", "T4", "N5"), ("X", "T2")]) == [
        *("X", "T1", "T2", "T3", "T4", "N5"),
    ]
    assert merge_stop_order([("T1", "L2", "T1")]) == ["T1", "L2"]


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=8).map(tuple), max_size=5))
def test_no_stop_is_lost_or_repeated(lists: list[tuple[str, ...]]) -> None:
    order = merge_stop_order(lists)
    assert sorted(order) == sorted({stop for one in lists for stop in one})


@given(st.lists(st.lists(st.integers(0, 5), min_size=2, max_size=8), max_size=4))
def test_ways_draw_every_stretch_once(courses: list[list[int]]) -> None:
    shapes = []
    for number, course in enumerate(courses):
        points = tuple(at(100 * place, 50 * place) for place in course)
        shapes.append(Shape(str(number), points, cumulative_distances_m(points)))
    drawn = [step for way in distinct_polylines(shapes) for step in pairwise(decoded(way.points))]
    assert len(drawn) == len({step for course in courses for step in pairwise(course)})


def test_the_timetable_has_a_bus_between_stops_and_waiting() -> None:
    journey = CITY.journey("10-0640", MONDAY)
    assert journey is not None
    pattern, start = CITY.patterns[OUT], journey.start_at
    told = [
        round(scheduled_distance_m(journey, pattern, start + after_s))
        for after_s in (-60, 0, 37.5, 75, 225, 235, 9_999)
    ]
    assert told == [0, 0, 200, 400, 1200, 1200, 2000]
    assert [scheduled_next_position(journey, start + after_s) for after_s in (-60, 0, 1, 76, 230, 9_999)] == [
        0,
        0,
        1,
        2,
        3,
        5,
    ]


def test_how_full_a_bus_is_in_words() -> None:
    told = [occupancy_status(percent) for percent in (None, 0, 40, 80, 95, 100)]
    assert told == ["", "EMPTY", "MANY_SEATS_AVAILABLE", "FEW_SEATS_AVAILABLE", "STANDING_ROOM_ONLY", "FULL"]
