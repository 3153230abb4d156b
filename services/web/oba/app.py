"""FastAPI application of the OneBusAway API. Separate from the main one: its errors and its OpenAPI document differ."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from services.runtime.problem import HttpProblem
from services.web.access import PUBLIC
from services.web.context import Context, context_of
from services.web.oba.elements.schema import Faults, Refused
from services.web.oba.requests import BadParameter, IndexCache, NoSuchResource
from services.web.oba.responses import VERSION, describe_responses, json_response
from services.web.oba.routers import agencies, arrivals, problem_reports, schedules, stops, trips
from services.web.schema_names import operation_id

log = logging.getLogger(__name__)

PREFIX = "/api/where"
ROUTERS = (arrivals, stops, trips, agencies, schedules, problem_reports)
"""The most requested first: routes are tried in order."""
NOT_FOUND = str(NoSuchResource())
MOST_FAULTS = 20
LEAST_GZIP_BYTES = 2_000
GZIP_LEVEL = 3
"""At this level an answer full of references shrinks to an eighth: telephones wait for the network, not for us."""
DESCRIPTION = """The OneBusAway REST API, version 2, on Vigía's estimates. / La API de OneBusAway sobre Vigía.

Open to whoever reaches the address: a `key` is accepted, whatever it says, and none is needed.
"""


def create_oba(context: Context) -> FastAPI:
    """The application, to be mounted at PREFIX of the main one, whose context it shares."""
    app = FastAPI(
        title="Vigia: OneBusAway",
        version="2",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        dependencies=[PUBLIC],
        generate_unique_id_function=operation_id,
    )
    app.state.context = context
    app.state.indexes = IndexCache()
    for router_module in ROUTERS:
        app.include_router(router_module.router)
    app.add_exception_handler(HttpProblem, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _database_away)
    app.add_exception_handler(NoConnectionFree, _database_away)
    app.add_exception_handler(Exception, _bug)
    app.add_middleware(GZipMiddleware, minimum_size=LEAST_GZIP_BYTES, compresslevel=GZIP_LEVEL)
    describe_responses(app, (router_module.router for router_module in ROUTERS))
    return app


def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, HttpProblem)
    faults = Faults(field_errors={refusal.name: [refusal.fault]}) if isinstance(refusal, BadParameter) else None
    response = _error_response(request, refusal.status, str(refusal), faults)
    if refusal.retry_after_s is not None:
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    return response


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(fault["loc"][0] == "path" for fault in error.errors()):
        return _error_response(request, HTTPStatus.NOT_FOUND, NOT_FOUND)
    faults: dict[str, list[str]] = {}
    for fault in error.errors()[:MOST_FAULTS]:
        faults.setdefault(str(fault["loc"][-1]), []).append(fault["msg"])
    text = "; ".join(f"{name}: {', '.join(what)}" for name, what in faults.items())
    return _error_response(request, HTTPStatus.BAD_REQUEST, text, Faults(field_errors=faults))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = NOT_FOUND if error.status_code == HTTPStatus.NOT_FOUND else str(error.detail).lower()
    return _error_response(request, error.status_code, text)


def _database_away(request: Request, error: Exception) -> Response:
    log.warning("the database did not answer", extra={"action": "serve", "trouble": str(error.__cause__ or error)})
    return _error_response(request, HTTPStatus.SERVICE_UNAVAILABLE, "the database does not answer in time")


def _bug(request: Request, _error: Exception) -> Response:
    # The server logs the traceback; the client gets no internal details.
    return _error_response(request, HTTPStatus.INTERNAL_SERVER_ERROR, "something failed on our side; it was logged")


def _error_response(request: Request, status: int, text: str, faults: Faults | None = None) -> Response:
    now_s = context_of(request).clock().timestamp()
    body = Refused(code=status, current_time=round(now_s * 1000), text=text, version=VERSION, data=faults)
    return json_response(body, status)
