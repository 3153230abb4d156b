"""Schemas keep the names under which they were published, wherever their classes are."""

import re
from typing import Any

from fastapi import FastAPI
from sqlalchemy import create_engine
from starlette.routing import Mount

from services.runtime.clock import wall_clock
from services.runtime.settings import Settings
from services.web.app import create_app
from services.web.oba.app import PREFIX as ONEBUSAWAY
from services.web.schema_names import API_NAMES, ONEBUSAWAY_NAMES


def schemas(app: FastAPI) -> dict[str, Any]:
    found: dict[str, Any] = app.openapi()["components"]["schemas"]
    return found


def test_a_schema_of_the_api_keeps_its_published_name_when_its_module_moves() -> None:
    names = schemas(create_app(Settings(), create_engine("postgresql+psycopg://"), wall_clock)).keys()
    assert not [name for name in names if "__" in name], "name this class in API_NAMES, or give it another name"
    assert names >= set(API_NAMES.values())


def test_no_two_schemas_have_the_same_title_so_that_generators_keep_them_apart() -> None:
    for name, schema in schemas(create_app(Settings(), create_engine("postgresql+psycopg://"), wall_clock)).items():
        assert schema.get("title", name) == name


def test_a_schema_of_onebusaway_keeps_its_published_name_when_its_module_moves() -> None:
    app = create_app(Settings(), create_engine("postgresql+psycopg://"), wall_clock)
    mounted = next(route.app for route in app.routes if isinstance(route, Mount) and route.path == ONEBUSAWAY)
    assert isinstance(mounted, FastAPI)
    modules = {module for name in schemas(mounted) for module in re.findall(r"services\.[a-z_.]+(?=\.[A-Z])", name)}
    assert modules == set(ONEBUSAWAY_NAMES.values())
