"""Pages as axe-core judges them, by WCAG 2.2 AA and its own best practices, on a phone and at a desk.

Runs where `VIGIA_TEST_AXE` names the `axe.min.js` of the lock file in `tests/services/web/pages/axe`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from services.runtime.settings import Settings
from services.runtime.simulation import Simulation
from services.web.app import create_app
from simulators import lines
from tests.services.web.pages import city
from tests.services.web.pages.browser import CHROMIUM, Browser, browser
from tests.services.web.pages.riders import put_in_force, town
from tests.services.web.pages.test_rider_pages import BUSIEST, YESTERDAY, estimated, fill
from tests.services.web.pages.test_rider_screens import PAGES as RIDER_PAGES
from tests.serving import listening

AXE = os.environ.get("VIGIA_TEST_AXE")
PHONE, DESK = (390, 844), (1440, 900)
WATCH_PAGES = (
    "/",
    "/estacion/gato-ringuelet",
    "/estacion/lluvia-tolosa",
    "/alerta/1",
    "/entrar",
    "/alerta/999",
    "/?lang=en",
    "/docs",
    "/docs/onebusaway",
)
# The console inside the pages of the API is Swagger UI, as its makers publish it; the page around it is ours.
RULES = """axe.run({exclude: [".swagger-ui"]},
    {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
    .then(found => found.violations)
    .then(all => all.map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 200)).join(" | ")}`))"""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
    pytest.mark.skipif(AXE is None, reason="axe-core did not run: VIGIA_TEST_AXE does not name it"),
]


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Browser]:
    """A browser."""
    with browser(tmp_path / "profile") as opened:
        yield opened


def faults(screen: Browser, address: str, paths: tuple[str, ...]) -> dict[str, list[str]]:
    """What axe-core finds on each page, on both screens; the phone in the dark."""
    assert AXE is not None
    source, found = Path(AXE).read_text("utf-8"), {}
    for size in (PHONE, DESK):
        screen.look(*size, dark=size == PHONE)
        for path in paths:
            screen.open(address + path)
            screen.evaluate(f"{source}; 0")
            found[f"{path} {size}"] = screen.evaluate(RULES)
    return {page: list(faults) for page, faults in found.items() if faults}


def test_axe_finds_nothing_on_the_pages_of_the_watch(database: Engine, tmp_path: Path, screen: Browser) -> None:
    with database.begin() as transaction:
        city.storm(transaction)
        city.storm_alerts(transaction)
        token = city.operator(transaction)
    settings = Settings(data_dir=tmp_path, api_port=0)
    app = create_app(settings, database, lambda: city.NOW, simulation=Simulation(60.0, devices=True))
    with listening(app, settings) as address:
        assert faults(screen, address, WATCH_PAGES) == {}
        screen.open(f"{address}/entrar")
        screen.wait_for("document.activeElement.name == 'login'")
        screen.evaluate("document.querySelector('[name=token]').closest('details').open = true")
        screen.evaluate("document.querySelector('[name=token]').focus()")
        screen.type(token)
        screen.press_enter()
        screen.wait_for("location.pathname == '/' && document.querySelector('#sucesos form')")
        assert faults(screen, address, (*WATCH_PAGES[:4], "/equipos", "/equipos?lang=en")) == {}


def test_axe_finds_nothing_on_the_pages_of_riders(database: Engine, screen: Browser) -> None:
    put_in_force(database, lines.schematic_network())
    with town(database) as made:
        fill(made, BUSIEST)
        estimated(made, YESTERDAY, 50)
        with listening(made.app, Settings(api_port=0)) as address:
            assert faults(screen, address, (*RIDER_PAGES, "/p/", f"/cartel/{BUSIEST}", "/p/nada")) == {}
