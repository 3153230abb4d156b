"""The transit API over HTTP: stops, lines, vehicles, arrivals, a trip, and service alerts."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import Engine, text

from services.transit.model.prediction import Basis
from services.transit.model.service_alert import Cause
from services.transit.model.stop_index import StopIndex
from services.transit.serving.service_alert_queries import alerts_in_force
from services.web.api.transit.arrivals import StopArrivals, TripProgress
from services.web.api.transit.stops_and_vehicles import Vehicles
from tests.services.web.api.conftest import RIVER, City
from tests.services.web.api.transit_town import SEVEN, Town, moment, town_on, trip_prediction, vehicle_prediction
from tests.transit_city import network

CLOSED = {
    "cause": "construction",
    "effect": "detour",
    "header": {"es": "Calle 7 cortada", "en": "Street 7 closed"},
    "concerns": [{"line": "10"}],
}


@pytest.fixture
def town(database: Engine) -> Iterator[Town]:
    """A town of this test alone."""
    with town_on(database) as made:
        yield made


def by_trip(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A stop's arrivals by their trips."""
    return {one["trip"]: one for one in answer["arrivals"]}


def exactly(model: type[Any], answer: dict[str, Any]) -> None:
    """Check an answer against its description: no field missing, none more, and parsing it gives the same."""
    adapter = TypeAdapter(model)
    read = adapter.validate_python(answer, strict=False)
    assert adapter.dump_python(read, mode="json").keys() == answer.keys()
    schema = adapter.json_schema()
    assert set(schema["properties"]) == answer.keys()
    for name, listed in (("Coming", "arrivals"), ("Coming", "calls")):
        for one in answer.get(listed, ()):
            assert set(schema["$defs"][name]["properties"]) == one.keys()


def test_stops_near_a_point_come_with_distance_and_lines(town: Town) -> None:
    latitude, longitude = town.network.stops["T1"].point
    page = town.get("/stops", lat=latitude, lon=longitude, radius_m=450)
    assert [one["id"] for one in page["items"]] == ["T1", "R1", "T2", "L2", "R2"]
    assert page["items"][0]["distance_m"] == 0
    assert [line["name"] for line in page["items"][0]["lines"]] == ["10", "20"]
    assert page["next"] is None
    for wrong in ({"lat": latitude}, {"lat": latitude, "lon": longitude, "radius_m": 5_001}, {"lat": 91, "lon": 0}):
        assert town.client.get("/api/v1/transit/stops", params=wrong).status_code in {400, 422}


def test_all_stops_come_in_pages_and_are_not_sent_twice(town: Town) -> None:
    first = town.get("/stops", limit=10)
    second = town.client.get(first["next"]).json()
    ids = [one["id"] for one in (*first["items"], *second["items"])]
    assert ids == sorted(town.network.stops)
    assert second["next"] is None
    answer = town.client.get("/api/v1/transit/stops")
    again = town.client.get("/api/v1/transit/stops", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_stop_and_a_line_are_told_whole_or_are_not_there(town: Town) -> None:
    assert town.get("/stops/T1")["stop"]["name"] == "Parada T1"
    detail = town.get("/lines/10")
    assert {tuple(course["stops"]) for course in detail["courses"]} == {
        ("T1", "T2", "T3", "T4", "N5", "N6"),
        ("T1", "T2", "T3", "T4"),
        ("R6", "R5", "R4", "R3", "R2", "R1"),
    }
    assert [one["id"] for one in town.get("/lines")["items"]] == ["10", "20"]
    for path in ("/stops/none", "/stops/none/arrivals", "/lines/none", "/trips/none"):
        answer = town.client.get(f"/api/v1/transit{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_bus_that_reports_is_on_the_board_with_its_interval_and_its_ground(town: Town) -> None:
    late = trip_prediction(town.network, "10-0700", first=1, late_s=120, basis=Basis.RECENT, recent_buses=3)
    town.hear(vehicle_prediction(town.network, "1207", SEVEN, late, along_m=100))
    answer = town.get("/stops/T3/arrivals")
    exactly(StopArrivals, answer)
    bus = by_trip(answer)["10-0700"]
    assert (answer["empty"], answer["data"]) == (None, "live")
    assert bus["estimate"] == {
        "earliest": "2026-03-02T10:04:00Z",
        "expected": "2026-03-02T10:04:30Z",
        "latest": "2026-03-02T10:05:30Z",
        "be_there_at": "2026-03-02T10:04:00Z",
        "leaves": "2026-03-02T10:04:30Z",
    }
    assert bus["scheduled_arrival"] == "2026-03-02T10:02:30Z"
    assert (bus["basis"], bus["buses"], bus["vehicle"], bus["stops_away"]) == ("recent", 3, "1207", 1)
    assert bus["why"] == {"es": "En vivo, según los últimos 3 micros", "en": "Live, from the last 3 buses"}
    assert bus["distance_away_m"] == pytest.approx(700, abs=2)


def test_with_no_bus_heard_the_board_says_so(town: Town) -> None:
    answer = town.get("/stops/T3/arrivals")
    assert (answer["empty"], answer["data"]) == ("no_data", "silent")
    assert {one["basis"] for one in answer["arrivals"]} == {"schedule"}
    assert town.get("/stops/T3/arrivals", line="20")["empty"] == "not_served"


def test_a_journey_that_surely_does_not_come_is_told_as_that(town: Town) -> None:
    gone = trip_prediction(town.network, "10-0700", basis=Basis.NOT_COMING, reason="no_vehicle")
    town.expect(gone, SEVEN + 1800)
    one = by_trip(town.get("/stops/T3/arrivals"))["10-0700"]
    assert (one["withdrawn"], one["estimate"], one["vehicle"]) == (True, None, None)
    assert one["why"]["es"] == "Ningún micro lo hace: probablemente no pase"


def test_arrivals_are_bounded_filtered_and_kept_for_seconds(town: Town) -> None:
    answer = town.client.get("/api/v1/transit/stops/T1/arrivals", params={"line": "20", "after_s": 900, "limit": 1})
    assert [one["line"] for one in answer.json()["arrivals"]] == ["20"]
    assert answer.headers["cache-control"] == "public, max-age=10"
    same = town.client.get(str(answer.url), headers={"If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304
    for wrong in ({"after_s": 14_401}, {"before_s": -1}, {"limit": 0}, {"linea": "20"}):
        refused = town.client.get("/api/v1/transit/stops/T1/arrivals", params=wrong)
        assert refused.status_code in {400, 422}
        assert refused.headers["content-type"] == "application/problem+json"


def test_how_far_a_trip_is(town: Town) -> None:
    town.clock.now = moment(SEVEN + 200)
    town.hear(
        vehicle_prediction(
            town.network, "1207", SEVEN + 200, trip_prediction(town.network, "10-0700", first=2, late_s=60)
        )
    )
    answer = town.get("/trips/10-0700")
    exactly(TripProgress, answer)
    assert (answer["vehicle"], answer["delay_s"], answer["under_way"]) == ("1207", 60, True)
    assert [one["passed"] for one in answer["calls"]] == [True, True, False, False, False, False]
    other = town.get("/trips/10-0700", service_date="20260303")
    assert (other["vehicle"], other["basis"]) == (None, "schedule")


def test_vehicles_are_on_the_map_for_ten_minutes(town: Town) -> None:
    town.hear(vehicle_prediction(town.network, "1207", SEVEN, trip_prediction(town.network, "10-0700"), along_m=100))
    answer = town.get("/vehicles.geojson")
    Vehicles.model_validate(answer)
    one = answer["features"][0]
    assert (one["id"], one["properties"]["line"], one["properties"]["silent"]) == ("1207", "10", False)
    assert "driver" not in str(answer)
    assert town.get("/vehicles.geojson", line="20")["features"] == []
    town.clock.now += timedelta(seconds=601)
    assert town.get("/vehicles.geojson")["features"] == []


def test_a_service_alert_is_drafted_published_and_ended(town: Town) -> None:
    address = "/api/v1/transit/service-alerts"
    assert town.client.post(address, json=CLOSED).status_code == 401
    drafted = town.client.post(address, json=CLOSED, headers=town.operator).json()
    assert (drafted["state"], drafted["created_by"]) == ("draft", "ana")
    assert town.get("/service-alerts")["items"] == []
    assert town.client.get(f"{address}/{drafted['id']}").status_code == 401, "a draft is for operators"

    seen = {"version": drafted["version"]}
    published = town.client.post(f"{address}/{drafted['id']}/publish", json=seen, headers=town.operator).json()
    town.snapshot_cache.refresh()
    assert [one["id"] for one in town.get("/service-alerts")["items"]] == [drafted["id"]]
    told = [town.get("/stops/T3/arrivals")["alerts"], town.get("/stops/T3")["alerts"], town.get("/lines/10")["alerts"]]
    assert [[one["header"]["es"] for one in alerts] for alerts in told] == [["Calle 7 cortada"]] * 3
    assert town.get("/lines/20")["alerts"] == []

    assert town.client.post(f"{address}/{drafted['id']}/end", json=seen, headers=town.operator).status_code == 409
    seen = {"version": published["version"]}
    ended = town.client.post(f"{address}/{drafted['id']}/end", json=seen, headers=town.operator).json()
    town.snapshot_cache.refresh()
    assert (ended["state"], ended["ended_by"]) == ("ended", "ana")
    assert town.get("/stops/T3/arrivals")["alerts"] == []
    assert [one["id"] for one in town.get("/service-alerts", state="ended")["items"]] == [drafted["id"]]


def test_a_malformed_service_alert_is_refused(town: Town) -> None:
    wrongs: tuple[dict[str, Any], ...] = (
        {"concerns": [{}]},
        {"concerns": [{"stop": "T1", "direction": 1}]},
        {"concerns": []},
        {"periods": [{"start": "2026-03-02T10:00:00Z", "end": "2026-03-02T09:00:00Z"}]},
        {"header": {"es": ""}},
        {"header": {"es": "a\0b"}},
        {"cause": "boredom"},
        {"url": "javascript:alert(1)"},
    )
    for wrong in wrongs:
        answer = town.client.post("/api/v1/transit/service-alerts", json=CLOSED | wrong, headers=town.operator)
        assert answer.status_code == 422, wrong


def test_a_flooded_stream_is_told_at_the_stops_beside_it(city: City) -> None:
    city.flood()
    gauge = city.get(f"/stations/{RIVER}")["station"]
    here = (gauge["latitude"], gauge["longitude"])
    plain = network()
    beside = replace(plain, stops={**plain.stops, "beside": replace(plain.stops["T1"], id="beside", point=here)})
    with city.database.connect() as connection:
        alerts = alerts_in_force(connection, StopIndex(beside))
        assert alerts_in_force(connection, StopIndex(plain)) == ()
    assert [(one.cause, [whom.stop_id for whom in one.informed]) for one in alerts] == [(Cause.WEATHER, ["beside"])]
    assert gauge["name"] in alerts[0].header.es


def test_how_right_the_estimates_were_is_public_by_line_and_horizon(town: Town) -> None:
    row = (
        "INSERT INTO estimate_scores (day, hour, route_id, eta_bin, mbta_bin, n, sum_error_s, sum_absolute_s,"
        " sum_square_s2, sum_rider_error_s, sum_rider_absolute_s, eta_accurate, rider_accurate, mbta_accurate, inside)"
        " VALUES ('2026-03-02', 7, '10', :bin, :bin, 10, 100, 300, 9000, 400, 500, 8, 9, 7, 8)"
    )
    with town.database.begin() as transaction:
        transaction.execute(text(row), [{"bin": number} for number in range(4)])
    answer = town.get("/accuracy")
    assert (answer["first"], answer["last"]) == ("2026-02-24", "2026-03-02")
    assert [(one["line_id"], one["overall"]["n"]) for one in answer["lines"]] == [(None, 40), ("10", 40)]
    overall = answer["lines"][1]["overall"]
    assert (overall["mae_s"], overall["bias_s"], overall["rmse_s"]) == (30, 10, 30)
    assert (overall["eta_accuracy"], overall["coverage_p10_p90"]) == (pytest.approx(0.8), 0.8)
    assert [one["errors"] is None for one in answer["lines"][1]["horizons"]] == [False, False, False, False, True]
    assert town.get("/accuracy", **{"from": "2026-02-01", "to": "2026-03-01"})["lines"] == []
    for wrong in ({"from": "2026-03-03"}, {"from": "2020-01-01"}, {"to": "0001-01-01"}, {"from": "yesterday"}):
        assert town.client.get("/api/v1/transit/accuracy", params=wrong).status_code in {400, 422}
