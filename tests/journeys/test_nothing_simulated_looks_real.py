"""Somebody is sent a picture of a page or a notice of a demo: it says by itself that nothing of it is real."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from services.demo import save_time
from services.opening import configured_simulation
from services.runtime.clock import FasterClock, wall_clock
from services.runtime.settings import Settings
from services.runtime.simulation import Simulation
from services.web.app import create_app
from simulators import lines
from tests.services.web.pages import city
from tests.services.web.pages.riders import put_in_force
from tests.services.web.pages.site import Site

FASTER = Simulation(60.0, devices=True)
MARK = "SIMULACIÓN, 60 veces más rápida"
WATCH_PAGES = ("/", "/estacion/gato-ringuelet", "/alerta/1", "/alerta/999", "/entrar")
STOP_PAGES = ("/p/LP1912", "/p/LP1912/hoja", "/p/LP1912/no-paso", "/cartel/LP1912", "/p/nada")
PAGES = (*WATCH_PAGES, *STOP_PAGES, "/p/", "/precision", "/cerca", "/linea/307")
START = datetime(2013, 4, 2, 18, tzinfo=UTC)


@pytest.fixture
def storm(database: Engine) -> Engine:
    """The storm, with its alerts and buses."""
    with database.begin() as transaction:
        city.storm(transaction)
        city.storm_alerts(transaction)
    put_in_force(database, lines.schematic_network())
    return database


@pytest.fixture(params=[FASTER, None], ids=["simulated", "real"])
def simulation(request: pytest.FixtureRequest) -> Simulation | None:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def site(storm: Engine, tmp_path: Path, simulation: Simulation | None) -> Iterator[Site]:
    app = create_app(Settings(data_dir=tmp_path), storm, lambda: city.NOW, prepared_s=0.0, simulation=simulation)
    app.state.context.snapshot_cache.refresh()
    with Site(app) as opened:
        yield opened


def test_every_page_says_it_in_its_language_and_so_does_health(site: Site, simulation: Simulation | None) -> None:
    for path in PAGES:
        answer = site.get(path)
        assert (MARK in answer.text) == (simulation is not None), path
    english = site.get("/?lang=en").text
    assert ("SIMULATION, 60 times as fast" in english) == (simulation is not None)
    told = site.get("/api/v1/health").json()["simulation"]
    assert told == (None if simulation is None else {"clock_factor": 60.0, "devices": True, "text": FASTER.text})


def test_a_city_is_simulated_where_its_clock_or_its_devices_are_set_so_or_a_demo_left_its_data(tmp_path: Path) -> None:
    clock = FasterClock(START, 60.0, START)
    real, devices = Settings(data_dir=tmp_path), Settings(data_dir=tmp_path, simulated_devices=True)
    assert configured_simulation(real, wall_clock) is None
    assert configured_simulation(real, clock) == Simulation(60.0, devices=False)
    assert configured_simulation(devices, clock) == FASTER
    assert configured_simulation(devices, wall_clock) == Simulation(None, devices=True)
    save_time(tmp_path, START)
    assert configured_simulation(real, wall_clock) == Simulation(None, devices=True)
    elsewhere = Settings(data_dir=tmp_path, database_url=SecretStr("postgresql://somewhere/vigia"))
    assert configured_simulation(elsewhere, wall_clock) is None


@pytest.mark.parametrize(
    ("simulation", "spanish", "english"),
    [
        (Simulation(60.0, devices=True), MARK, "SIMULATION, 60 times as fast"),
        (Simulation(1.5, devices=False), "SIMULACIÓN, 1,5 veces más rápida", "SIMULATION, 1.5 times as fast"),
        (Simulation(1.0, devices=True), "SIMULACIÓN, con fecha y hora simuladas", None),
        (Simulation(0.5, devices=True), "SIMULACIÓN, a 0,5 de la velocidad real", None),
        (Simulation(None, devices=True), "SIMULACIÓN, con dispositivos simulados", None),
    ],
)
def test_the_mark_says_what_is_not_real(simulation: Simulation, spanish: str, english: str | None) -> None:
    assert simulation.label("es") == spanish
    assert english is None or simulation.label("en") == english
