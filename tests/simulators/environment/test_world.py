"""The city in the storm of 2013: a flood in every basin that had one, and it ends."""

from datetime import timedelta

import pytest

from models.place import City
from models.rule import Stage
from simulators.environment.weather import MINUTE
from simulators.environment.world import World
from simulators.scenarios import SCENARIOS
from simulators.scenarios.storm_2013 import BEGAN_AT
from tests.seeds import la_plata

STORM = SCENARIOS["storm_2013"]
DAYS = 2


@pytest.fixture(scope="module")
def city() -> City:
    return la_plata().city


@pytest.fixture(scope="module")
def levels(city: City) -> dict[str, list[float]]:
    """Every stream's level from the storm's first minute on, for two days."""
    world = World(city, STORM.weather, seed=1, start=BEGAN_AT)
    seen: dict[str, list[float]] = {one.id: [] for one in city.stations if one.kind == "river"}
    for _ in range(DAYS * 1440):
        world.step()
        for name, series in seen.items():
            series.append(world.level_m(name))
    return seen


@pytest.fixture(scope="module")
def thresholds() -> dict[str, tuple[float, float, float]]:
    rules = la_plata().rules
    return {rule.subject: rule.judgement.thresholds_m for rule in rules if isinstance(rule.judgement, Stage)}


def test_basins_go_through_every_colour_and_come_back_to_green(
    city: City, levels: dict[str, list[float]], thresholds: dict[str, tuple[float, float, float]]
) -> None:
    basins: dict[str, int] = {}
    for station in (one for one in city.stations if one.kind == "river" and one.basin):
        colours = [sum(level >= limit for limit in thresholds[station.id]) for level in levels[station.id]]
        assert colours[0] == colours[-1] == 0, station.id
        if max(colours) == 3:
            assert set(colours) == {0, 1, 2, 3}, station.id
        basins[station.basin or ""] = max(basins.get(station.basin or "", 0), *colours)
    assert sum(colour == 3 for colour in basins.values()) >= 4
    assert basins["pereyra"] < 3


def test_el_gato_peaks_from_its_head_to_its_mouth_after_the_rain_began(levels: dict[str, list[float]]) -> None:
    road = ("gato-143-524", "gato-centenario-516", "gato-tolosa", "gato-desembocadura")
    peaks = [levels[name].index(max(levels[name])) for name in road]
    assert peaks == sorted(peaks)
    rain_began = 13 * 60
    assert rain_began + 120 < peaks[0]
    assert peaks[-1] < rain_began + 360


def test_floods_are_as_deep_as_such_streams_get(levels: dict[str, list[float]]) -> None:
    for name, series in levels.items():
        assert min(series) >= 0, name
        assert max(series) < 5.0, name
    assert max(levels["gato-tolosa"]) > 3.0


def test_the_same_seed_is_the_same_city_and_another_is_not(city: City) -> None:
    def told(seed: int) -> list[tuple[float, float, int]]:
        world = World(city, STORM.weather, seed, STORM.default_start)
        story = []
        for _ in range(90):
            world.step()
            passed = sum(round(one.speed_kmh * 1000) for one in world.passing_vehicles("radar-7-50"))
            story.append((world.level_m("gato-ringuelet"), world.accumulated_rain_mm("lluvia-casco"), passed))
        return story

    assert told(5) == told(5)
    assert told(5) != told(6)


def test_a_city_opened_later_stands_where_one_that_ran_stands(city: City) -> None:
    ran = World(city, STORM.weather, seed=1, start=STORM.default_start)
    later = STORM.default_start + timedelta(hours=4)
    while ran.now < later:
        ran.step()
    opened = World(city, STORM.weather, seed=1, start=later)
    while opened.now < later:
        opened.step()
    for name in ("gato-tolosa", "maldonado-7-90"):
        assert opened.level_m(name) == pytest.approx(ran.level_m(name), rel=0.05)


def test_rain_is_counted_from_the_opening(city: City) -> None:
    world = World(city, STORM.weather, seed=1, start=STORM.default_start)
    assert world.accumulated_rain_mm("lluvia-casco") == 0.0
    while world.now < BEGAN_AT + timedelta(hours=16) + MINUTE:
        world.step()
    assert world.accumulated_rain_mm("lluvia-casco") == pytest.approx(302.2, abs=1.0)
