"""How an endpoint's data become an answer, and its type the answer's description."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, get_type_hints

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from fastapi.routing import APIRoute
from msgspec import Struct, json

from services.web.oba.elements import schema as oba

VERSION = 2
CORS_HEADERS = {
    # Nothing here is private, and pages of other sites may show their riders' arrivals.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}

Parameters = ParamSpec("Parameters")
Body = TypeVar("Body", bound=Struct)

_ENCODER = json.Encoder()


def answer(data: oba.Data, now_s: float) -> oba.Answer[oba.Data]:
    """Data in their wrapper."""
    return oba.Answer(code=200, current_time=round(now_s * 1000), text="OK", version=VERSION, data=data)


def json_response(told: Struct, status: int = 200) -> Response:
    """A response. Encoded as it is: checking each field again would cost more than finding it."""
    return Response(_ENCODER.encode(told), status, headers=CORS_HEADERS, media_type="application/json")


def oba_endpoint(router: APIRouter, path: str) -> Callable[[Callable[Parameters, Body]], Callable[Parameters, Body]]:
    """Declares an endpoint under /api/where. What it returns is its answer, and its return type the description."""

    def declared(endpoint: Callable[Parameters, Body]) -> Callable[Parameters, Body]:
        @wraps(endpoint)
        def answering(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Response:
            return json_response(endpoint(*args, **kwargs))

        router.add_api_route(path, answering, methods=["GET"], response_model=None)
        return endpoint

    return declared


def describe_responses(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Make the application's OpenAPI description say what each endpoint of these routers answers."""
    told = {
        route.path_format: get_type_hints(route.endpoint)["return"]
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
    }
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_response_schemas(plain(), told)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _with_response_schemas(openapi: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    types = (*told.values(), oba.Refused)
    schemas, components = json.schema_components(types, ref_template="#/components/schemas/{name}")
    openapi["components"] = {"schemas": components}
    refused = {"description": "Refused", "content": {"application/json": {"schema": schemas[-1]}}}
    for path, schema in zip(told, schemas[:-1], strict=True):
        fine = {"description": "OK", "content": {"application/json": {"schema": schema}}}
        openapi["paths"][path]["get"]["responses"] = {"200": fine, "default": refused}
    return openapi
