"""The suite draws the same on every run; `scripts/soak.py` draws anew and prints a command that repeats a failure."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.architecture.repository import ROOT

DRAWING = """
import os
import pytest
from hypothesis import given, settings, strategies as st

{loaded}

@settings(max_examples=200)
@given(number=st.integers(), text=st.text(max_size=20), real=st.floats())
def test_property(number, text, real):
    print(number, repr(text), real)

@pytest.mark.seeds(11, 12)
def test_seeds(seed):
    print("seed", seed)
"""
FAILING = """
import pytest
from hypothesis import given, strategies as st

@given(number=st.integers(0, 10_000))
def test_property(number):
    assert number < 9_000

@pytest.mark.seeds(2)
def test_seeds(seed):
    assert seed % 2 == 0
"""
OPTIONS = ["-p", "tests.random_draws", "-p", "no:cacheprovider", "-c", "pyproject.toml", "-q", "-s", "-n0"]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder in the checkout: pytest names a test by its path from there."""
    (ROOT / "build").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=ROOT / "build") as name:
        yield Path(name)


def draws(folder: Path, loaded: str = "", **environment: str) -> list[str]:
    """What the tests print that draw at random, in a process of their own."""
    file = folder / "test_draws.py"
    file.write_text(DRAWING.format(loaded=loaded))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VIGIA_TEST_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", *OPTIONS, str(file)]
    options = [f"--hypothesis-seed={seed}"] if (seed := environment.get("VIGIA_TEST_SEED")) else []
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=True
    )
    return [line for line in done.stdout.splitlines() if re.match(r"\.?(-?\d+ ['\"]|seed )", line)]


@pytest.fixture(scope="module")
def first(folder: Path) -> list[str]:
    """What a run of the suite draws."""
    return draws(folder, PYTHONHASHSEED="1")


def test_the_suite_draws_the_same_on_every_run_whatever_else_is_loaded(folder: Path, first: list[str]) -> None:
    assert len(first) > 200
    assert [line for line in first if "seed" in line] == [".seed 11", ".seed 12"]
    assert draws(folder, loaded="import models.kinds, ingest.decode", PYTHONHASHSEED="2") == first


def test_a_seed_of_the_whole_run_draws_anew_and_the_same_again(folder: Path, first: list[str]) -> None:
    drawn = draws(folder, VIGIA_TEST_SEED="4711")
    assert [line for line in drawn if "seed" in line] == [".seed 4711"]
    assert draws(folder, VIGIA_TEST_SEED="4711") == drawn
    assert drawn[:-1] != first[:-2]


def soak(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `scripts/soak.py` on tests that live outside the suite."""
    environment = os.environ | {"PYTEST_ADDOPTS": "-p tests.random_draws -n0"}
    environment.pop("VIGIA_TEST_SEED", None)
    command = [sys.executable, "scripts/soak.py", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_soak_prints_a_command_that_repeats_each_failure(folder: Path) -> None:
    file = folder / "test_failing.py"
    file.write_text(FAILING)
    found = soak("--seed", "4711", f"{file}::test_property", f"{file}::test_seeds")
    assert found.returncode == 1
    commands = re.findall(r"repeat: \.venv/bin/python scripts/soak\.py (.*)", found.stdout)
    assert len(commands) == 2
    for command in commands:
        again = soak(*shlex.split(command))
        assert again.returncode == 1
        assert f"repeat: .venv/bin/python scripts/soak.py {command}" in again.stdout


@pytest.mark.parametrize(("words", "rounds"), [(("--rounds", "2"), 2), (("--minutes", "0"), 0)])
def test_a_soak_ends_after_so_many_rounds_or_minutes(folder: Path, words: tuple[str, ...], rounds: int) -> None:
    file = folder / "test_passing.py"
    file.write_text("import pytest\n\n@pytest.mark.seeds(1)\ndef test_seeds(seed):\n    assert seed\n")
    done = soak(*words, f"{file}::test_seeds")
    assert done.returncode == 0, done.stdout
    assert f"soak: {rounds} whole rounds, 0 failures" in done.stdout
