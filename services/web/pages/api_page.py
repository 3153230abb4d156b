"""Pages that describe the APIs and try them out: Swagger UI, from this server's own address."""

from importlib.metadata import version
from importlib.resources import files
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from services.runtime.problem import NotFound
from services.web.access import PUBLIC
from services.web.pages.rendering import Visitor, render_page
from services.web.pages.static_files import CACHE_FOREVER

DESCRIPTIONS = {"vigia": "/api/v1/openapi.json", "onebusaway": "/api/where/openapi.json"}
"""Addresses of the OpenAPI descriptions, by the name in the page's address."""
SWAGGER_UI = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
"""Files of Swagger UI that the package fastapi-offline carries, with their types."""
SWAGGER_VERSION = version("fastapi-offline")
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
"""That of all pages, and the pictures that Swagger UI's style sheet holds in itself."""

router = APIRouter(dependencies=[PUBLIC], include_in_schema=False)


class NoSuchFile(NotFound):
    """No existe ese archivo. / There is no such file."""


@router.get("/docs")
def api_page(visit: Visitor) -> HTMLResponse:
    """The API under /api/v1, to read and to try."""
    return _page(visit, "vigia")


@router.get("/docs/{api}")
def other_api_page(visit: Visitor, api: Literal["onebusaway"]) -> HTMLResponse:
    """The API of OneBusAway, to read and to try."""
    return _page(visit, api)


@router.get("/docs/swagger-ui/{name}")
def swagger_ui(name: str) -> Response:
    """A file of Swagger UI. Pages ask for it with its package's version. Raises NoSuchFile."""
    if name not in SWAGGER_UI:
        raise NoSuchFile
    content = (files("fastapi_offline") / "static" / name).read_bytes()
    return Response(content, media_type=SWAGGER_UI[name], headers={"Cache-Control": CACHE_FOREVER})


def _page(visit: Visitor, api: str) -> HTMLResponse:
    response = render_page(visit, "api.html", api=api, descriptions=DESCRIPTIONS, swagger_version=SWAGGER_VERSION)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response
