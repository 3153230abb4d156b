"""Rooms: no folder is crowded, each says its one question, and the loose files of services are named."""

import ast
import re

import pytest

from tests.architecture.house import measure
from tests.architecture.repository import FLOORS, ROOT

ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
SCREEN_LINES = 90
"""The steps of the road, with their docstrings, on a screen of today."""
MEDIAN_LINES, P90_LINES = 7, 22


def rooms() -> list[str]:
    """Every package of the five, by its path."""
    return sorted(
        path.parent.relative_to(ROOT).as_posix()
        for floor in FLOORS
        for path in (ROOT / floor).rglob("__init__.py")
        if "__pycache__" not in path.parts
    )


def test_no_folder_holds_more_modules_than_a_reader_takes_in_at_once() -> None:
    assert measure().crowded == []


@pytest.mark.parametrize("room", rooms())
def test_each_room_says_its_one_question(room: str) -> None:
    said = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert "?" in said.partition("\n")[0] or room in FLOORS or room.startswith("models/migrations"), said


def test_the_loose_files_of_services_are_named_in_the_architecture() -> None:
    loose = [path.name for path in (ROOT / "services").glob("*.py") if path.name != "__init__.py"]
    assert [name for name in loose if f"`{name}`" not in ARCHITECTURE] == []


def test_every_room_is_named_in_the_architecture() -> None:
    named = {name.rstrip("/") for name in re.findall(r"`([a-z_/]+)`", ARCHITECTURE)}
    missing = [
        room
        for room in rooms()
        if room.count("/")
        and not {room, room.partition("/")[2], room.rpartition("/")[2], "/".join(room.split("/")[-2:])} & named
        and "migrations" not in room
    ]
    assert missing == []


def test_the_steps_of_the_road_fit_on_one_screen() -> None:
    assert 0 < measure().road_lines <= SCREEN_LINES


def test_functions_are_short_and_nothing_runs_upward() -> None:
    house = measure()
    ordered = sorted(house.functions)
    assert ordered[len(ordered) // 2] <= MEDIAN_LINES
    assert ordered[len(ordered) * 9 // 10] <= P90_LINES
    assert house.upward == []


@pytest.mark.parametrize(("path", "name"), re.findall(r"\]\((\w[\w/]*\.py)\) `(\w[\w.]*)`", ARCHITECTURE))
def test_what_the_walks_through_the_code_name_is_there(path: str, name: str) -> None:
    tree: ast.AST = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for part in name.split("."):
        tree = next(
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == part
        )
