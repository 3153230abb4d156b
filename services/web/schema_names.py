"""Published OpenAPI names of schemas whose Python names have changed, so that generated clients stay valid.

A schema is named by its class, and by its module too where two classes have the same name or a class is generic. Both
change when code moves; the published name does not.
"""

import json
from collections.abc import Mapping
from typing import Any

API_NAMES = {
    "NoBusReason": "Empty",
    "services__queries__watch__condition__Course": "services__pages__state__Course",
    "services__queries__watch__condition__Health": "services__pages__state__Health",
    "services__transit__serving__snapshot__Health": "services__transit__view__Health",
    "services__web__api__transit__stops_and_vehicles__Course": "services__api__transit__Course",
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
    return renamed
