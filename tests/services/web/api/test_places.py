"""The routes of stations, municipalities, basins and devices: filters, pages and maps."""

import pytest

from tests.services.web.api.conftest import NOON, RIVER, City


def test_stations_are_filtered_by_kind_basin_and_municipality(quiet_city: City) -> None:
    rivers = quiet_city.get("/stations", kind="river", basin="gato", municipality="laplata", limit=1000)["items"]
    assert RIVER in {one["id"] for one in rivers}
    assert {(one["kind"], one["basin"], one["municipality"]) for one in rivers} == {("river", "gato", "laplata")}


def test_pages_of_a_list_are_the_whole_list_once(quiet_city: City) -> None:
    whole = [one["id"] for one in quiet_city.get("/stations", limit=1000)["items"]]
    paged, address = [], "/api/v1/stations?limit=7"
    while address:
        answer = quiet_city.client.get(address).json()
        assert len(answer["items"]) <= 7
        paged += [one["id"] for one in answer["items"]]
        address = answer["next"]
    assert paged == whole == sorted(whole)
    assert len(whole) > 14


def test_a_cursor_of_another_list_is_refused(quiet_city: City) -> None:
    for cursor in ("%%%", "x", "AAAA", "Nw=="):
        answer = quiet_city.client.get("/api/v1/alerts", params={"cursor": cursor})
        assert answer.status_code in {200, 400}, cursor
        assert answer.status_code == 400 or cursor == "Nw=="


def test_a_station_comes_with_its_rules(quiet_city: City) -> None:
    told = quiet_city.get(f"/stations/{RIVER}")
    assert told["unit"] == "m"
    stage = next(rule for rule in told["rules"] if rule["judgement"]["judgement"] == "stage")
    assert stage["judgement"]["thresholds_m"] == [0.95, 1.30, 1.60]


def test_stations_are_a_map_of_points_with_longitude_first(quiet_city: City) -> None:
    answer = quiet_city.client.get("/api/v1/stations.geojson", params={"kind": "river"})
    assert answer.headers["content-type"] == "application/geo+json"
    feature = next(one for one in answer.json()["features"] if one["id"] == RIVER)
    assert feature["geometry"] == {"type": "Point", "coordinates": [-58.013, -34.925]}


def test_a_client_with_the_current_etag_gets_304(city: City) -> None:
    for path in ("/api/v1/stations", "/api/v1/stations.geojson", f"/api/v1/stations/{RIVER}"):
        first = city.client.get(path)
        again = city.client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    city.execute("UPDATE stations SET name = 'otro' WHERE id = :id", id=RIVER)
    assert city.client.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_a_municipality_and_a_basin_show_the_level_of_their_worst_station(city: City) -> None:
    assert city.get("/municipalities/laplata")["nar"] is None
    city.flood()
    assert city.get("/municipalities/laplata")["nar"] == 3
    assert city.get("/basins/gato")["nar"] == 3
    subjects = {one["subject"]: one["nar"] for one in city.get("/attention")["items"]}
    assert subjects == {"basin:gato": 3, "municipality:laplata": 3}


def test_an_unregistered_device_is_seen_and_its_losses_are_counted(city: City) -> None:
    for seq in (1, 2, 6):
        city.send(seq, 0.4, station="forastero", boot="b", seq=seq)
    held = city.get("/devices", registered="false")["items"]
    assert [(one["code"], one["station"], one["gaps"], one["lost"]) for one in held] == [("forastero", None, 1, 3)]
    assert city.get(f"/devices/{held[0]['id']}") == held[0]
    assert city.client.get(f"/api/v1/devices/{2**62}").status_code == 404


def test_the_newest_value_comes_with_age_quality_flags_and_trend(city: City) -> None:
    for minute in range(0, 31, 1):
        city.send(minute, 0.40 + 0.01 * minute, battery_v=12.5)
    city.send(31, -9999)
    now = city.get(f"/stations/{RIVER}/latest")
    assert now["value"] == 0.7
    assert now["age_s"] == 61
    assert now["health"] == "fresh"
    assert now["trend"]["course"] in {"rising", "rising_fast"}
    assert now["trend"]["rate_m_h"] == pytest.approx(0.6, abs=0.05)
    device = now["devices"][0]
    assert (device["values"]["level_m"], device["quality"], device["flags"]) == (-9999, 9, ["sentinel"])
    everybody = city.get("/latest")
    assert everybody["at"] == city.clock.now.isoformat().replace("+00:00", "Z")
    assert {one["health"] for one in everybody["stations"] if one["station"] != RIVER} == {"never"}
    assert city.clock.now > NOON


def test_latest_is_a_list_like_the_others_with_their_filters(quiet_city: City) -> None:
    everything = quiet_city.get("/latest")
    assert everything["next"] is None
    assert everything["stations"] == everything["items"], "its earlier name"
    ids = [one["station"] for one in everything["items"]]
    active = [one["id"] for one in quiet_city.get("/stations", limit=1000)["items"] if one["active"]]
    assert ids == active
    for asked in ({"kind": "rain"}, {"basin": "gato"}, {"municipality": "laplata"}, {"kind": "river", "basin": "gato"}):
        named = [one["id"] for one in quiet_city.get("/stations", limit=1000, **asked)["items"] if one["active"]]
        assert [one["station"] for one in quiet_city.get("/latest", **asked)["items"]] == named
        assert named
    paged: list[str] = []
    address: str | None = "/api/v1/latest?limit=7"
    while address:
        page = quiet_city.client.get(address).json()
        paged += [one["station"] for one in page["items"]]
        address = page["next"]
    assert paged == ids
    assert quiet_city.client.get("/api/v1/latest", params={"kind": "cloud"}).status_code == 422
