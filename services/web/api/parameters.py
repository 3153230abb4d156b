"""Parameters shared by several routes, with their bounds, and a check against unknown parameters."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path, Query, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query as QueryInfo
from fastapi.routing import APIRoute
from pydantic import AfterValidator, AwareDatetime

from models.kinds import KINDS_BY_NAME
from services.web.api.paging import MAX_ID
from services.web.problems import UnknownParameter

NAME_PATTERN = r"^[A-Za-z0-9._:-]{1,100}$"
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _known_kind(name: str | None) -> str | None:
    if name is not None and name not in KINDS_BY_NAME:
        raise ValueError(f"one of {', '.join(KINDS_BY_NAME)}")
    return name


Kind = Annotated[
    str | None,
    AfterValidator(_known_kind),
    Query(description="Kind of sensor", json_schema_extra={"enum": list(KINDS_BY_NAME)}),
]
Municipality = Annotated[str | None, Query(pattern=NAME_PATTERN, description="Municipality's id", examples=["laplata"])]
Basin = Annotated[str | None, Query(pattern=NAME_PATTERN, description="Basin's id", examples=["gato"])]
Station = Annotated[str | None, Query(pattern=NAME_PATTERN, description="Station's id", examples=["gato-143-524"])]
Since = Annotated[
    AwareDatetime | None,
    Query(ge=EARLIEST, le=LATEST, description="From this moment on (RFC 3339 with an offset)"),
]
From = Annotated[AwareDatetime | None, Query(alias="from", ge=EARLIEST, le=LATEST, description="Start, inclusive")]
To = Annotated[AwareDatetime | None, Query(ge=EARLIEST, le=LATEST, description="End, exclusive")]
Id = Annotated[str, Path(pattern=NAME_PATTERN, examples=["gato-143-524"])]
MunicipalityId = Annotated[str, Path(pattern=NAME_PATTERN, examples=["laplata"])]
BasinId = Annotated[str, Path(pattern=NAME_PATTERN, examples=["gato"])]
Number = Annotated[int, Path(ge=1, le=MAX_ID, examples=[7])]


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a query parameter that the route does not document: a misspelt filter would silently filter nothing.

    Asynchronous because it waits for nothing: a thread would cost more. Raises UnknownParameter.
    """
    route = request.scope["route"]
    if not request.query_params or not isinstance(route, APIRoute):
        return
    known = {field.alias for field in get_flat_params(route.dependant) if isinstance(field.field_info, QueryInfo)}
    unknown = sorted(request.query_params.keys() - known)
    if unknown:
        name = unknown[0][:50]
        raise UnknownParameter(f"Parámetro desconocido: {name!r}. / Unknown parameter: {name!r}.")
