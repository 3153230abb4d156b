"""Responses of OneBusAway endpoints, and their OpenAPI description from the endpoints' return types."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, get_type_hints

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from fastapi.routing import APIRoute
from msgspec import Struct, json

from services.web.oba.elements import schema as oba
from services.web.routes import BoundedRoute
from services.web.schema_names import ONEBUSAWAY_NAMES, with_published_names

VERSION = 2
CORS_HEADERS = {
    # Nothing here is private, and pages of other sites may show arrivals.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}

Parameters = ParamSpec("Parameters")
Body = TypeVar("Body", bound=Struct)

_ENCODER = json.Encoder()


def answer(data: oba.Data, now_s: float) -> oba.Answer[oba.Data]:
    """Data in the wrapper that each answer has."""
    return oba.Answer(code=200, current_time=round(now_s * 1000), text="OK", version=VERSION, data=data)


def json_response(body: Struct, status: int = 200) -> Response:
    """A response. Encoded without validating each field again, which would cost more than computing the answer."""
    return Response(_ENCODER.encode(body), status, headers=CORS_HEADERS, media_type="application/json")


def oba_endpoint(router: APIRouter, path: str) -> Callable[[Callable[Parameters, Body]], Callable[Parameters, Body]]:
    """Declare an endpoint under /api/where. It returns its answer; the return type describes it in OpenAPI."""

    def declared(endpoint: Callable[Parameters, Body]) -> Callable[Parameters, Body]:
        @wraps(endpoint)
        def answering(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Response:
            return json_response(endpoint(*args, **kwargs))

        router.add_api_route(path, answering, methods=["GET"], response_model=None, route_class_override=BoundedRoute)
        return endpoint

    return declared


def describe_responses(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Add the return types of the endpoints of these routers to the OpenAPI document of the application."""
    answer_types = {
        route.path_format: get_type_hints(route.endpoint)["return"]
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
    }
    original_openapi = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            openapi = _with_response_schemas(original_openapi(), answer_types)
            app.openapi_schema = with_published_names(openapi, ONEBUSAWAY_NAMES)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _with_response_schemas(openapi: dict[str, Any], answer_types: dict[str, Any]) -> dict[str, Any]:
    types = (*answer_types.values(), oba.Refused)
    schemas, components = json.schema_components(types, ref_template="#/components/schemas/{name}")
    openapi["components"] = {"schemas": components}
    refused = {"description": "Refused", "content": {"application/json": {"schema": schemas[-1]}}}
    for path, schema in zip(answer_types, schemas[:-1], strict=True):
        ok = {"description": "OK", "content": {"application/json": {"schema": schema}}}
        openapi["paths"][path]["get"]["responses"] = {"200": ok, "default": refused}
    return openapi
