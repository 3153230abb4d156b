"""Rules for every route: declared access, bounds on lists and parameters, errors as problems."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import create_engine, insert
from starlette.routing import Mount

from models.migrations.privileges import OWNER, ROLES
from models.tables.duty import escalations
from services.commands import COMMANDS, DATABASE_ROLES
from services.people.api_keys import add_api_key
from services.people.roles import GRANTED, Role
from services.runtime.clock import wall_clock
from services.runtime.settings import Settings
from services.transit.model.service_alert import Cause, Effect, InformedEntity, Translated
from services.transit.serving import service_alert_actions
from services.transit.timetable.versions import store
from services.web import context
from services.web.access import DECLARED, allow_anyone, roles_of
from services.web.app import API_PREFIX, API_ROUTES, create_app
from services.web.pages.router import router as pages
from services.web.problems import MEDIA_TYPE
from tests.compatibility import simulated_buses
from tests.services.web.api.conftest import NOON, RIVER, City
from tests.transit_city import network
from tests.waiting import wait_until

NOT_OPEN = ("/live", "/metrics", "/health", "/heartbeat", "/log", "/logbook", "/me", "/me/channels", "/people")
"""Not for the public, a stream, or different for everybody."""
FREE = {"schema_version", "age_s"}


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """The application; its creation opens nothing."""
    return create_app(Settings(), create_engine("postgresql+psycopg://"), wall_clock)


@pytest.fixture(scope="module")
def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description."""
    return app.openapi()


def operations(openapi: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """All documented operations: method, path and description."""
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def every_route(app: FastAPI, prefix: str = "") -> Iterator[tuple[str, frozenset[str], Dependant]]:
    """Path, methods and dependencies of every route: the API's, the pages', and those of mounted applications."""
    mount_document = app.openapi_url  # FastAPI's own, without dependencies
    for route in iter_route_contexts(app.routes):
        mount = route.original_route
        if isinstance(mount, Mount):
            assert isinstance(mount.app, FastAPI)
            yield from every_route(mount.app, mount.path)
        elif not (prefix and route.path == mount_document):
            yield f"{prefix}{route.path}", frozenset(route.methods or ()), route.dependant


def test_every_route_declares_one_role(app: FastAPI) -> None:
    routes = list(every_route(app))
    assert {"/", "/entrar", "/p/", "/metrics", "/api/v1/live", "/docs"} <= {path for path, _, _ in routes}
    assert any(path.startswith("/onebusaway/") or "/where/" in path for path, _, _ in routes)
    undeclared = [path for path, _, dependant in routes if roles_of(dependant) is None]
    assert undeclared == [], "each must declare PUBLIC or one role of services.web.access"


def test_what_changes_something_is_open_to_nobody_but_riders_and_whoever_signs_in(app: FastAPI) -> None:
    open_to_all = {
        path
        for path, methods, dependant in every_route(app)
        if methods - {"GET", "HEAD", "OPTIONS"} and roles_of(dependant) == frozenset({Role.PUBLIC})
    }
    riders = {path for path in open_to_all if path.startswith(("/p/", "/cerca"))} | {f"{API_PREFIX}/sms"}
    by_a_secret_of_its_own = {f"{API_PREFIX}/sms/answers"}
    assert open_to_all - riders - by_a_secret_of_its_own == {"/entrar", "/entrar/primera-vez", "/salir"}


def test_every_command_declares_its_database_role() -> None:
    assert set(DATABASE_ROLES) == set(COMMANDS)
    assert set(DATABASE_ROLES.values()) == {None, OWNER, *ROLES}


def test_a_route_checks_its_operator_before_it_takes_a_connection() -> None:
    """Otherwise a request would hold two connections, and requests that hold one each could wait for one another."""
    for router in (*(noun.router for noun in API_ROUTES), pages):
        for route in router.routes:
            assert isinstance(route, APIRoute)
            order = list(calls(route.dependant))
            connections = [order.index(one) for one in order if one in context.CONNECTIONS]
            checks = [order.index(one) for one in order if one in DECLARED and one is not allow_anyone]
            if checks and connections:
                assert max(checks) < min(connections), route.path


def calls(dependant: Dependant) -> Iterator[Any]:
    """All dependencies of a route, at any depth."""
    for one in dependant.dependencies:
        yield one.call
        yield from calls(one)


def test_each_action_needs_an_operator_and_the_description_says_so(openapi: dict[str, Any]) -> None:
    guarded = {(method, path) for method, path, operation in operations(openapi) if operation.get("security")}
    asking = {("post", f"{API_PREFIX}/sms")}  # a question that does not fit an address; it changes nothing
    by_a_secret_of_its_own = {("post", f"{API_PREFIX}/sms/answers")}
    acting = {(method, path) for method, path, _ in operations(openapi) if method != "get"}
    assert acting - asking - by_a_secret_of_its_own <= guarded
    assert ("get", f"{API_PREFIX}/rejections/{{rejection_id}}") in guarded
    assert ("get", f"{API_PREFIX}/stations") not in guarded


def test_every_error_is_a_problem(openapi: dict[str, Any]) -> None:
    for _, path, operation in operations(openapi):
        errors = {status: one for status, one in operation["responses"].items() if status >= "400"}
        assert {"400", "503"} <= errors.keys(), path
        assert all(list(one["content"]) == [MEDIA_TYPE] for one in errors.values()), path


def test_every_operation_says_what_it_does_and_what_it_answers(openapi: dict[str, Any]) -> None:
    for _, path, operation in operations(openapi):
        assert operation["description"], path
        (success,) = (one for status, one in operation["responses"].items() if status < "300")
        content = success.get("content", {"none": {"schema": True}})
        assert any(body.get("schema") for body in content.values()), path
    for name, schema in openapi["components"]["schemas"].items():
        assert schema.get("description") or "enum" in schema, name


def test_every_operation_has_a_short_id_of_its_own(openapi: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(openapi)]
    ids += [operation["operationId"] for event in openapi["webhooks"].values() for operation in event.values()]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+){0,3}", one) for one in ids), ids


def test_every_reference_of_the_description_leads_somewhere(openapi: dict[str, Any]) -> None:
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(openapi)))
    assert names <= openapi["components"]["schemas"].keys()


def test_every_string_and_number_that_comes_in_is_bounded(openapi: dict[str, Any]) -> None:
    for _, path, operation in operations(openapi):
        for parameter in operation.get("parameters", ()):
            assert all(map(bounded, kinds(parameter["schema"]))), f"{path} {parameter['name']}"
    for name in ("AlertAction", "Note"):
        for field, schema in openapi["components"]["schemas"][name]["properties"].items():
            assert all(map(bounded, kinds(schema))), f"{name}.{field}"


def kinds(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives of a schema, each with the keywords beside them."""
    beside = {key: value for key, value in schema.items() if key != "anyOf"}
    return [beside | one for one in schema.get("anyOf", [{}])]


def bounded(schema: dict[str, Any]) -> bool:
    """Whether a value of this schema has a maximum size."""
    match schema:
        case {"enum": _} | {"const": _} | {"$ref": _} | {"type": "boolean"} | {"type": "null"}:
            return True
        case {"type": "string"}:
            return bool({"maxLength", "pattern", "format"} & schema.keys())
        case {"type": "integer" | "number"}:
            return "maximum" in schema
        case {"type": "array"}:
            return "maxItems" in schema
    return False


def test_every_page_of_a_list_is_bounded(openapi: dict[str, Any]) -> None:
    pages = {name: one for name, one in openapi["components"]["schemas"].items() if name.startswith("Page_")}
    assert len(pages) > 5
    assert all(page["properties"]["items"]["maxItems"] == 1000 for page in pages.values())


def test_every_field_that_goes_out_has_an_example_or_needs_none(openapi: dict[str, Any]) -> None:
    bare = [
        f"{name}.{field}"
        for name, schema in openapi["components"]["schemas"].items()
        for field, of in schema.get("properties", {}).items()
        if any(kind.get("type") in {"number", "integer"} and not kind.get("examples") for kind in kinds(of))
        and field not in FREE
    ]
    assert bare == []


def until_there(city: City, path: str) -> None:
    """Wait until the server has read the last writes."""
    wait_until(lambda: city.client.get(f"{API_PREFIX}{path}").status_code != 404)


def test_every_answer_fits_its_description(city: City) -> None:
    city.flood()
    city.send(9, None)
    with city.database.begin() as transaction:
        store(transaction, network(), "town", NOON)
        every_role = add_api_key(transaction, "every role", NOON, roles=GRANTED)
        words = Translated("Calle 7 cortada")
        told_of = (InformedEntity(route_id="10"),)
        drafted = service_alert_actions.Draft(Cause.CONSTRUCTION, Effect.DETOUR, words, words, told_of)
        assert service_alert_actions.draft(transaction, drafted, operator="ana", now=NOON) == 1
        escalated = insert(escalations).values(incident_id=1, run=1, nar=3, reason="asks", started_at=NOON)
        transaction.execute(escalated)
    until_there(city, "/transit/stops/T1")
    description = city.client.get("/api/v1/openapi.json").json()
    told = 0
    for method, path, _ in operations(description):
        if method != "get" or path.endswith(("/live", "/metrics", "/heartbeat", "/me/channels")):
            continue  # a stream, no JSON, for the watchdog alone, for a person with an account
        address = re.sub(r"\{station_id\}", RIVER, path)
        address = re.sub(r"\{municipality_id\}", "laplata", address)
        address = re.sub(r"\{basin_id\}", "gato", address)
        address = address.replace("{stop_id}", "T1").replace("{line_id}", "10").replace("{trip_id}", "10-0700")
        address = re.sub(r"\{\w+\}", "1", address)
        answer = city.client.get(address, headers={"Authorization": f"Bearer {every_role}"})
        assert answer.status_code == 200, (address, answer.text)
        told += 1
    assert told > 20


def test_the_description_has_an_etag(quiet_city: City) -> None:
    first = quiet_city.client.get(f"{API_PREFIX}/openapi.json")
    again = quiet_city.client.get(f"{API_PREFIX}/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert first.json()["openapi"].startswith("3.1")


def test_a_route_that_is_not_there_and_a_method_that_is_not_are_problems_too(quiet_city: City) -> None:
    for answer, status in (
        (quiet_city.client.get("/api/v1/nowhere"), 404),
        (quiet_city.client.delete("/api/v1/stations"), 405),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert answer.json()["status"] == status


def test_every_example_of_an_address_answers_in_the_demo_city(quiet_city: City) -> None:
    description, timetable = quiet_city.get("/openapi.json"), simulated_buses.timetable()
    asked = 0
    for method, path, operation in operations(description):
        parameters = operation.get("parameters", [])
        places = {one["name"]: one["schema"].get("examples", [None])[0] for one in parameters if one["in"] == "path"}
        if method != "get" or any(example == 7 for example in places.values()):
            continue  # 7 stands for the number of an alert or a rejection, which a calm city has none of
        filters = {one["name"]: one["schema"]["examples"][0] for one in parameters if "examples" in one["schema"]}
        if "/transit/" in path:
            known = {*timetable.stops, *timetable.routes, *timetable.trips}
            assert set(places.values()) <= known, (path, places)
        elif not path.endswith(NOT_OPEN):
            query = {name: example for name, example in filters.items() if name not in places}
            headers = quiet_city.operator if operation.get("security") else {}
            answer = quiet_city.client.get(path.format(**places), params=query, headers=headers)
            assert answer.status_code == 200, (path, places, answer.text)
            asked += 1
    assert asked > 15
