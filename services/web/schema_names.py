"""Published OpenAPI names of schemas and operations, for which generated clients name their classes and functions.

A schema is named by its class, and by its module too where two classes have the same name or a class is generic. Both
change when code moves; the published name does not. Titles are the names, since generators that name classes by the
title would otherwise take two schemas for one.
"""

import json
from collections.abc import Mapping
from typing import Any

from fastapi.routing import APIRoute

API_NAMES = {
    "NoBusReason": "Empty",
    "services__queries__watch__condition__Course": "LevelCourse",
    "services__queries__watch__condition__Health": "StationHealth",
    "services__transit__serving__snapshot__Health": "FleetHealth",
    "services__web__api__transit__stops_and_vehicles__Course": "LineDirection",
}
ONEBUSAWAY_NAMES = {
    "services.web.oba.elements.schema": "services.api.oba.elements",
    "services.web.oba.elements.vehicles": "services.api.oba.moving",
    "services.web.oba.routers.schedules": "services.api.oba.schedules",
}


def with_published_names(openapi: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The same OpenAPI description with published names. `names`: the published name by the Python name."""
    text = json.dumps(openapi)
    for name, published in names.items():
        text = text.replace(name, published)
    renamed: dict[str, Any] = json.loads(text)
    for name, schema in renamed["components"]["schemas"].items():
        if "title" in schema:
            schema["title"] = name
    return renamed


def operation_id(route: APIRoute) -> str:
    """The id of a route's operation: the name of its function, or the one that the route declares."""
    return route.operation_id or route.name
