"""The documentation names every kind, setting, command and route."""

import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine

import services.commands
from models.kinds import KINDS
from services.commands import COMMANDS
from services.runtime.clock import wall_clock
from services.runtime.settings import Settings, secret_names
from services.web.app import API_PREFIX, create_app
from tests.architecture.repository import ROOT

READMES = [ROOT / "README.md", ROOT / "README.es.md"]
PAGES = [*READMES, ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def documentation() -> str:
    """The text of all pages."""
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_every_kind_of_sensor_is_named(documentation: str, kind: str) -> None:
    assert f"`{kind}`" in documentation


SETTINGS = {
    *(f"VIGIA_{name.upper()}" for name in Settings.model_fields),
    *(f"{name}_FILE" for name in secret_names()),
}


@pytest.mark.parametrize("setting", sorted(SETTINGS))
def test_every_setting_is_named(documentation: str, setting: str) -> None:
    assert f"`{setting}`" in documentation


def test_every_module_of_commands_is_a_command_or_a_part_of_one() -> None:
    modules = {path.stem for path in Path(services.commands.__file__).parent.glob("[a-z]*.py")}
    names = {command.replace("-", "_") for command in COMMANDS}
    assert names <= modules
    assert {module for module in modules - names if module.split("_")[0] not in names} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_named(documentation: str, command: str) -> None:
    assert re.search(rf"\bvigia {command}\b", documentation)


def test_every_route_of_the_api_is_named(documentation: str) -> None:
    app = create_app(Settings(), create_engine("postgresql+psycopg://"), wall_clock)  # opens nothing
    named = re.sub(r"\{\w+\}", "{}", documentation)
    routes = [re.sub(r"\{\w+\}", "{}", path) for path in app.openapi()["paths"]]
    assert len(routes) > 10
    assert [
        route for route in routes if not re.search(rf"{re.escape(route.removeprefix(API_PREFIX))}(?![\w/])", named)
    ] == []


def test_no_page_names_a_setting_that_is_gone(documentation: str) -> None:
    mentioned = set(re.findall(r"\bVIGIA_[A-Z_]+[A-Z]\b", documentation))
    assert {name for name in mentioned if not name.startswith("VIGIA_TEST_")} <= SETTINGS


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in {*PAGES, *ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md")}
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]
    assert broken == []


def test_both_readmes_have_the_same_picture_commands_and_links() -> None:
    english, spanish = (page.read_text(encoding="utf-8") for page in READMES)
    for what in (
        r"!\[[^\]]+\]\((\S+)\)",
        r"^(make \w+)",
        r"\]\((?!README)(\S+?)\)",
        r"^(\|-)",
        r"`([a-z/ ]+)`",
        r"^(#+) ",
    ):
        found = re.findall(what, english, re.MULTILINE)
        assert found
        assert found == re.findall(what, spanish, re.MULTILINE)
    assert re.findall(r"^make (\w+)", english, re.MULTILINE) == ["demo", "test"]


def test_every_place_to_change_exists() -> None:
    table = (
        (ROOT / "ARCHITECTURE.md")
        .read_text(encoding="utf-8")
        .partition("## Where do I change")[2]
        .partition("\n## ")[0]
    )
    places = set(re.findall(r"`((?:models|ingest|alerts|services|simulators|tests)/[^`]*)`", table))
    assert len(places) > 20
    assert [place for place in places if not list(ROOT.glob(place.rstrip("/")))] == []
