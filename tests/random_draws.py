"""Random draws of the tests: the same on every run of the suite, new ones in `make soak`.

A test that draws asks for the argument `seed` and names its fixed seeds: `@pytest.mark.seeds(1, 2, 3)`. It runs once
for each; `@pytest.mark.seeds(1, proof=(2, 3))` leaves some to `make proof`. Hypothesis derives its examples from the
test's own source. `VIGIA_TEST_SEED` replaces all of that by one seed; `scripts/soak.py` sets it, together with
`--hypothesis-seed`.
"""

import os
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.internal.constants_ast import Constants

SEED = int(os.environ.get("VIGIA_TEST_SEED") or 0)
"""The one seed of all tests; 0: each test has its own."""
PACKAGES = ("services", "ingest", "models", "alerts", "simulators")
RUN_BY_ALEMBIC = "models.migrations.env"

# What holds must hold; how long an example takes depends on what else the machine does.
settings.register_profile(
    "suite",
    settings.default,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile("soak", settings.get_profile("suite"), derandomize=False)
settings.load_profile("soak" if SEED else "suite")

if not SEED:
    # Hypothesis also draws literals found in the project's modules, so that a new literal, or a module loaded by
    # another test, would change the examples of every test.
    HypothesisProvider._local_constants = Constants()  # type: ignore[assignment]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each of its seeds, or with the one seed of the whole run."""
    marker = metafunc.definition.get_closest_marker("seeds")
    if marker is not None:
        later = [pytest.param(number, marks=pytest.mark.proof) for number in marker.kwargs.get("proof", ())]
        metafunc.parametrize("seed", [SEED] if SEED else [*marker.args, *later], scope="module")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """In `make soak`, load all modules before the first property: one test alone then sees the same literals as all."""
    if SEED and item.get_closest_marker("hypothesis"):
        _load_all_modules()


@cache
def _load_all_modules() -> None:
    for package in PACKAGES:
        for module in walk_packages(import_module(package).__path__, f"{package}."):
            if module.name != RUN_BY_ALEMBIC:
                import_module(module.name)
