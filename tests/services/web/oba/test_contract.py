"""Every answer fits OneBusAway's own OpenAPI document, whatever the request, and has every field it names."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS30Validator

from services.web.oba.app import PREFIX
from tests.architecture.repository import ROOT
from tests.services.web.api.transit_town import SEVEN, Town

CONTRACT = ROOT.parent / "shared" / "standards" / "oba_openapi.yml"
LEFT_OUT = {"config", "block/{blockID}"}
"""What no application asks for: how the server was built, and blocks."""
NAMES = {"agencyId": "agencies", "routeId": "routes", "stopId": "stops", "tripId": "trips"} | {
    "routeIds": "routes",
    "stopIds": "stops",
    "tripIds": "trips",
    "situationIds": "situations",
    "staticRouteIds": "routes",
    "nearbyStopIds": "stops",
    "closestStop": "stops",
    "nextStop": "stops",
    "activeTripId": "trips",
}
"""Which references a field's value is to be found among."""

GARBAGE = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
    st.sampled_from(["muni_", "_", "__", "muni", "x" * 300, "null", "NaN", "%00", "../stop", "'", "1e999", "\0"]),
)
KNOWN = {
    "agencyID": ("muni",),
    "stopID": ("muni_T1", "muni_T4", "muni_R1", "muni_L2", "muni_N6"),
    "routeID": ("muni_10", "muni_20"),
    "tripID": ("muni_10-0640", "muni_10s-0710", "muni_10-2430", "muni_w10-0600", "muni_20", "muni_10b-0720"),
    "vehicleID": ("muni_late", "muni_recent", "muni_silent"),
    "shapeID": ("muni_shape-0", "muni_shape-3"),
}
IDS = {name: st.sampled_from(known) for name, known in KNOWN.items()}
PLAUSIBLE: dict[str, st.SearchStrategy[str]] = {
    "lat": st.floats(-34.93, -34.91).map(str),
    "lon": st.floats(-57.96, -57.93).map(str),
    "latSpan": st.floats(0, 0.1).map(str),
    "lonSpan": st.floats(0, 0.1).map(str),
    "radius": st.floats(0, 5_000).map(str),
    "time": st.integers(int((SEVEN - 90_000) * 1000), int((SEVEN + 90_000) * 1000)).map(str),
    "serviceDate": st.integers(int((SEVEN - 200_000) * 1000), int((SEVEN + 200_000) * 1000)).map(str),
    "date": st.dates(date(2025, 12, 1), date(2027, 2, 1)).map(str),
    "tripId": IDS["tripID"],
    "stopID": IDS["stopID"],
    "vehicleId": IDS["vehicleID"],
    "vehicleID": IDS["vehicleID"],
    "userComment": st.text(st.characters(codec="utf-8"), max_size=600),
    "code": st.sampled_from(["vehicle_never_came", "stop_name_wrong", "other"]),
    "input": st.sampled_from(["parada", "T1", "LP3", "10", "troncal"]),
    "query": st.sampled_from(["parada", "LP3", "10", "circular"]),
    "minutesBefore": st.integers(0, 100).map(str),
    "minutesAfter": st.integers(0, 2_000).map(str),
    "stopSequence": st.integers(0, 9).map(str),
    "routeType": st.sampled_from(["3", "0, 3", "1"]),
    "maxCount": st.integers(1, 10).map(str),
}
FLAGS = st.sampled_from(["true", "false"])
GIVEN = {
    "/api/where/arrival-and-departure-for-stop/{stopID}.json": {200, 404},
    "/api/where/arrivals-and-departures-for-location.json": {200, 404},
    "/api/where/trip-for-vehicle/{vehicleID}.json": {200, 404},
    "/api/where/report-problem-with-stop/{stopID}.json": {200, 429},
    "/api/where/report-problem-with-trip/{tripID}.json": {200, 429},
}
"""What may rightly come of a sound question where it is not always an answer: a trip may not call at a stop."""


def contract() -> dict[str, Any]:
    """OneBusAway's OpenAPI document; empty where the file is not there."""
    if not CONTRACT.exists():
        return {"paths": {}, "components": {}}
    read: dict[str, Any] = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    return read


DESCRIBED = contract()
PATHS = sorted(
    path for path in DESCRIBED["paths"] if path.removeprefix("/api/where/").removesuffix(".json") not in LEFT_OUT
)
needs_contract = pytest.mark.skipif(not PATHS, reason="OneBusAway's description is not at hand")


def complete(schema: Any) -> Any:
    """A schema that requires every field it names."""
    if isinstance(schema, list):
        return [complete(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: complete(one) for name, one in schema.items()}
    return told | {"required": sorted(told["properties"])} if isinstance(told.get("properties"), dict) else told


def validator(path: str, components: Any) -> OAS30Validator:
    """The validator of the answers of a path."""
    response = DESCRIBED["paths"][path]["get"]["responses"]["200"]
    return OAS30Validator(response["content"]["application/json"]["schema"] | {"components": components})


COMPONENTS = DESCRIBED["components"]
WRAPPER = OAS30Validator({"$ref": "#/components/schemas/ResponseWrapper", "components": COMPONENTS})
FITS = {path: validator(path, COMPONENTS) for path in PATHS}


@st.composite
def questions(draw: st.DrawFn, *, sound: bool) -> tuple[str, str, dict[str, str]]:
    """A path of the contract, its URL and its parameters; where not sound, any text may stand for a part."""
    path = draw(st.sampled_from(PATHS or ["/"]))
    whole = DESCRIBED["paths"][path]
    address, asked = path, {}
    for parameter in (*whole.get("parameters", ()), *whole["get"].get("parameters", ())):
        name = parameter["name"]
        likely = IDS if parameter["in"] == "path" else PLAUSIBLE
        value = likely.get(name, FLAGS if parameter["schema"]["type"] == "boolean" else GARBAGE)
        written = draw(value if sound else st.one_of(value, GARBAGE))
        if parameter["in"] == "path":
            address = address.replace(f"{{{name}}}", quote(written, safe=""))
        elif parameter.get("required") or draw(st.booleans()):
            asked[name] = written
    return path, address, asked


@needs_contract
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=questions(sound=True))
def test_whatever_is_asked_in_earnest_is_answered_as_described(
    town: Town, question: tuple[str, str, dict[str, str]]
) -> None:
    path, address, asked = question
    answer = town.client.get(address, params=asked)
    body = answer.json()
    assert answer.status_code == body["code"] in GIVEN.get(path, {200}), (address, asked, answer.text)
    (FITS[path] if answer.status_code == 200 else WRAPPER).validate(body)
    assert_consistent(body)


@needs_contract
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=questions(sound=False))
def test_whatever_is_asked_never_fails_by_a_bug(town: Town, question: tuple[str, str, dict[str, str]]) -> None:
    path, address, asked = question
    answer = town.client.get(address, params=asked)
    body = answer.json()
    if "%0A" in address:  # an address with a line break leads nowhere at all, not even under /api/where
        assert answer.status_code == 404
        return
    assert answer.status_code == body["code"] < 500, (address, asked, answer.text)
    (FITS[path] if answer.status_code == 200 else WRAPPER).validate(body)


def assert_consistent(data: Any) -> None:
    """A predicted trip is predicted everywhere, and one that is not has no predicted time."""
    for one in elements(data):
        if "predictedArrivalTime" in one:
            assert one["predicted"] == one["tripStatus"]["predicted"]
            assert one["predicted"] == bool(one["predictedArrivalTime"]) == bool(one["predictedDepartureTime"])
            assert one["vehicleId"] == one["tripStatus"]["vehicleId"]


def elements(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in an answer, however deep."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from elements(one)


def everything(town: Town) -> Iterator[tuple[str, Any]]:
    """Each path of the contract with an answer that has content."""
    lat, lon = town.network.stops["T4"].point
    asked: dict[str, Any] = {
        "lat": lat,
        "lon": lon,
        "radius": 2_000,
        "latSpan": 0.03,
        "lonSpan": 0.03,
        "input": "10",
    } | {
        "tripId": "muni_10s-0650",
        "serviceDate": int(SEVEN * 1000),
        "includeSchedule": "true",
        "includeStatus": "true",
        "includeTrip": "true",
    }
    ids = {"agencyID": "muni", "routeID": "muni_10", "stopID": "muni_T4", "tripID": "muni_10-0640"} | {
        "vehicleID": "muni_late",
        "shapeID": "muni_shape-0",
    }
    for path in (path for path in PATHS if "/report-problem-" not in path):
        answer = town.client.get(path.format(**ids), params=asked)
        assert answer.status_code == 200, (path, answer.text)
        yield path, answer.json()


@needs_contract
def test_every_field_the_contract_names_is_there_required_or_not(town: Town) -> None:
    components = complete(deepcopy(COMPONENTS))
    for path, body in everything(town):
        faults = [
            f"{path} {'/'.join(map(str, fault.absolute_path))}: {fault.message[:90]}"
            for fault in validator(path, components).iter_errors(body)
        ]
        assert faults == []


@needs_contract
def test_what_an_answer_names_is_among_its_references(town: Town) -> None:
    for path, body in everything(town):
        references = body.get("data", {}).get("references")
        if references is None or "-ids-for-" in path:
            continue
        known = {sort: {one["id"] for one in references[sort]} for sort in set(NAMES.values())}
        told = body["data"].get("entry", body["data"].get("list"))
        own = {one["id"] for one in elements(told) if "id" in one}
        named = {sort: listed for sort, listed in references.items() if sort != "situations"}
        for one in [*elements(told), *elements(named)]:
            for field in NAMES.keys() & one.keys():
                wanted = one[field] if isinstance(one[field], list) else [one[field]]
                wanted = [each for each in wanted if isinstance(each, str) and each]
                missing = set(wanted) - known[NAMES[field]] - own
                assert not missing, (path, field, missing)


def test_answers_fit_our_own_description_too(town: Town) -> None:
    description = town.client.get(f"{PREFIX}/openapi.json").json()
    schemas = description["components"]["schemas"]
    assert len(description["paths"]) >= 30
    for name, schema in schemas.items():
        assert schema.get("description"), name
        assert set(schema.get("required", ())) >= set(schema["properties"]) - {"status", "tripStatus"}, name
    for path, operation in description["paths"].items():
        assert operation["get"]["description"], path
        assert operation["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"], path


def test_the_documentation_names_every_endpoint(town: Town) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    described = town.client.get(f"{PREFIX}/openapi.json").json()["paths"]
    names = {path.removeprefix("/").split("/{")[0].removesuffix(".json") for path in described}
    assert {name for name in names if f"`{name}" not in page} == set()
