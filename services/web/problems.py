"""Error responses as problem details (RFC 9457, application/problem+json), and their OpenAPI schema."""

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException

from services.runtime.problem import HttpProblem

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_FAULTS = 20
RETRY_AFTER_S = 5


class Fault(BaseModel):
    """One thing wrong with a request."""

    where: str = Field(description="The parameter or field", examples=["query limit"])
    what: str = Field(description="What is wrong with it", examples=["Input should be less than or equal to 1000"])


class Problem(BaseModel):
    """Why a request was not fulfilled."""

    type: str = Field(description="Name of the type of problem; stable", examples=["urn:vigia:problem:no-such-alert"])
    title: str = Field(description="The type in words", examples=["Not Found"])
    status: int = Field(description="The HTTP status", examples=[404])
    detail: str = Field(description="What happened and what to do", examples=["There is no alert of that number."])
    faults: list[Fault] = Field(default_factory=list, description="What is wrong with a malformed request")


class UnknownParameter(HttpProblem):
    """La dirección lleva un parámetro desconocido. / The address carries an unknown parameter."""


def problem_response(
    problem_type: str,
    status: int,
    detail: str,
    *,
    faults: list[Fault] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A response with problem details. `problem_type`: a name in CamelCase, such as an exception's."""
    problem = Problem(
        type="urn:vigia:problem:" + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", problem_type).lower(),
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        faults=faults or [],
    )
    return JSONResponse(problem.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


def add_error_handlers(app: FastAPI) -> None:
    """Register a handler for each kind of failure, so that each becomes a problem."""
    app.add_exception_handler(HttpProblem, _http_problem)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(OperationalError, _database_unavailable)
    app.add_exception_handler(NoConnectionFree, _database_unavailable)
    app.add_exception_handler(Exception, _unexpected_error)


def _http_problem(_request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, HttpProblem)
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == HTTPStatus.UNAUTHORIZED else {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Connection"] = "close"  # whoever is refused for want of room leaves the socket to others
    return problem_response(type(problem).__name__, problem.status, str(problem), headers=headers)


def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [Fault(where=" ".join(map(str, fault["loc"])), what=fault["msg"]) for fault in error.errors()[:MAX_FAULTS]]
    detail = "El pedido está mal formado. / The request is malformed."
    return problem_response("Malformed", HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults=faults)


def _http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    return problem_response(
        phrase.title().replace(" ", ""), error.status_code, str(error.detail), headers=error.headers
    )


def _database_unavailable(_request: Request, error: Exception) -> JSONResponse:
    log.warning("the database did not answer", extra={"action": "serve", "trouble": str(error.__cause__ or error)})
    detail = "La base de datos no responde a tiempo. / The database does not answer in time."
    return problem_response(
        "DatabaseAway", HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_S)}
    )


def _unexpected_error(_request: Request, _error: Exception) -> JSONResponse:
    # The server logs the traceback; the client gets no internal details.
    detail = "Falló algo de nuestro lado; quedó registrado. / Something failed on our side; it was logged."
    return problem_response("Bug", HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def documented_problems() -> dict[int | str, dict[str, Any]]:
    """Error responses of a documented route, besides 422. `with_problem_responses` adds their schema."""
    statuses = (400, 401, 403, 404, 409, 413, 429, 503)
    return {status: {"description": HTTPStatus(status).phrase} for status in statuses}


def with_problem_responses(openapi: dict[str, Any]) -> dict[str, Any]:
    """The same OpenAPI description with the schema of a problem for every error. Changes `openapi`.

    Added here once: declared with each route, FastAPI would create a model for each of hundreds of responses.
    """
    components = "#/components/schemas/"
    for path in (*openapi["paths"].values(), *openapi["webhooks"].values()):
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    response["content"] = {MEDIA_TYPE: {"schema": {"$ref": f"{components}Problem"}}}
    schemas = openapi["components"]["schemas"]
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    _, problem_schemas = models_json_schema(
        [(model, "serialization") for model in (Problem, Fault)], ref_template=components + "{model}"
    )
    schemas.update(problem_schemas["$defs"])
    return openapi
