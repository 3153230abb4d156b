"""A seed is read whole, or refused with all its problems."""

import json
import re
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from alerts.rulebook import judgement_from_row, judgement_row
from models.kinds import KINDS_BY_NAME
from models.place import Outline, WireFormat
from models.rule import ExtremeSpeed, Rainfall, Silence, SpeedTrend, Stage
from services.city.seed import DERIVED_THRESHOLDS_NOTE, LA_PLATA, read_seed
from services.city.seed_files import (
    CatchmentItem,
    CityItem,
    DeviceItem,
    MunicipalityItem,
    Properties,
    StationItem,
    StreetItem,
    WindowItem,
)
from services.city.seed_problems import SeedError

CITY = """
[city]
id = "azul"
name = "Azul"
zone = "America/Argentina/Buenos_Aires"

[[municipality]]
id = "azul"
name = "Azul"
position = [-36.78, -59.86]

[[street]]
id = "mitre"
name = "Av. Mitre"
limit_kmh = 60
windows = [{ days = "mon-tue,fri", from = "07:30", to = "08:15", limit_kmh = 20 }]

[[station]]
id = "head"
name = "Head"
municipality = "azul"
kind = "river"
basin = "azul"
position = [-36.9, -59.9]
catchment = { area_km2 = 10, bankfull_m = 1.5 }
rain = ["sky"]
rules.stage = { thresholds_m = [1, 2, 3], origin = "official" }
device = { period_s = 900 }

[[station]]
id = "town"
name = "Town"
municipality = "azul"
kind = "river"
position = [-36.8, -59.9]
catchment = { area_km2 = 20.0, bankfull_m = 1.5 }
upstream = ["head"]
rules.stage.thresholds_m = [1.0, 2.0, 3.0]
devices = [{ code = "town-a", format = "senml" }, { code = "town-b" }]

[[station]]
id = "sky"
name = "Sky"
municipality = "azul"
kind = "rain"
position = [-36.8, -59.9]
rules.rainfall.in_1_h_mm = [5, 6, 7]

[[station]]
id = "speeds"
name = "Speeds"
municipality = "azul"
kind = "radar"
position = [-36.8, -59.9]
street = "mitre"

[rules.rain.rainfall]
in_1_h_mm = [1.0, 2.0, 3.0]
in_15_min_mm = [4.0, 5.0, 6.0]
"""

RING = [[-60, -37], [-59, -37], [-59, -36], [-60, -36], [-60, -37]]


def basins(**changes: object) -> dict[str, object]:
    feature = {
        "type": "Feature",
        "properties": {"id": "azul", "name": "Arroyo Azul", "municipality": "azul"},
        "geometry": {"type": "Polygon", "coordinates": [RING]},
    }
    return {"type": "FeatureCollection", "features": [feature | changes]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "city.toml").write_text(CITY)
    (tmp_path / "basins.geojson").write_text(json.dumps(basins()))
    return tmp_path


def troubles(folder: Path) -> tuple[str, ...]:
    with pytest.raises(SeedError) as caught:
        read_seed(folder)
    return caught.value.problems


def inside(longitude: float, latitude: float, ring: Outline) -> bool:
    crossed = [
        longitude < (x2 - x1) * (latitude - y1) / (y2 - y1) + x1
        for (x1, y1), (x2, y2) in pairwise(ring)
        if (y1 > latitude) != (y2 > latitude)
    ]
    return sum(crossed) % 2 == 1


def test_la_plata_has_stations_of_every_kind_in_three_municipalities_and_says_that_nothing_is_official() -> None:
    seed = read_seed(LA_PLATA)
    assert {one.id for one in seed.city.municipalities} == {"laplata", "berisso", "ensenada"}
    assert {one.kind for one in seed.city.stations} == set(KINDS_BY_NAME) - {"bus"}  # a bus stands at no station
    assert {one.municipality for one in seed.city.stations} == {"laplata", "berisso", "ensenada"}
    assert {one.format for one in seed.city.devices} == set(WireFormat)
    assert all(one.note == DERIVED_THRESHOLDS_NOTE for one in seed.city.stations if one.kind == "river")
    assert all("Esquemático" in one.note for one in seed.city.basins)


def test_every_station_of_la_plata_lies_in_its_basin() -> None:
    city = read_seed(LA_PLATA).city
    outlines = {basin.id: basin.outlines[0] for basin in city.basins}
    strays = [
        one.id for one in city.stations if one.basin and not inside(one.longitude, one.latitude, outlines[one.basin])
    ]
    assert strays == []


def test_a_kind_of_la_plata_gives_each_of_its_stations_all_its_rules() -> None:
    seed = read_seed(LA_PLATA)
    expected = sum(len(KINDS_BY_NAME[one.kind].judgements) for one in seed.city.stations)
    assert len({rule.id for rule in seed.rules}) == len(seed.rules) == expected
    ringuelet = next(rule for rule in seed.rules if rule.id == "gato-ringuelet.stage")
    assert ringuelet.subject == "gato-ringuelet"
    assert isinstance(ringuelet.judgement, Stage)
    assert ringuelet.judgement.thresholds_m == (1.2, 1.6, 2.0)
    assert ringuelet.judgement.upstream == ("gato-centenario-516", "regimiento-19-524")
    assert ringuelet.judgement.rain == ("lluvia-tolosa", "lluvia-san-carlos")


def test_another_city_is_read_the_same_way(folder: Path) -> None:
    seed = read_seed(folder)
    head, town, _, speeds = seed.city.stations
    assert (head.basin, head.note, head.catchment and head.catchment.area_km2) == ("azul", "", 10.0)
    assert [(one.code, one.format) for one in seed.city.devices if one.station == town.id] == [
        ("town-a", WireFormat.SENML),
        ("town-b", WireFormat.JSON),
    ]
    assert speeds.street is not None
    assert seed.city.station("speeds") is speeds
    assert seed.city.basins[0].outlines == (tuple((float(x), float(y)) for x, y in RING),)


def test_a_limit_holds_on_its_days_and_up_to_its_end(folder: Path) -> None:
    street = read_seed(folder).city.station("speeds").street
    assert street is not None
    monday, thursday = "2013-04-01", "2013-04-04"
    limits = [
        street.limit_kmh_at(datetime.fromisoformat(f"{day}T{hour}-03:00"))
        for day, hour in [
            (monday, "07:29"),
            (monday, "07:30"),
            (monday, "08:14:59"),
            (monday, "08:15"),
            (thursday, "08:00"),
        ]
    ]
    assert limits == [60, 20, 20, 60, 60]


def test_a_station_s_numbers_win_over_the_city_s_and_these_over_the_kind_s(folder: Path) -> None:
    rules = {rule.id: rule.judgement for rule in read_seed(folder).rules}
    rainfall = rules["sky.rainfall"]
    assert isinstance(rainfall, Rainfall)
    assert (rainfall.in_1_h_mm, rainfall.in_15_min_mm) == ((5, 6, 7), (4, 5, 6))
    assert rainfall.in_3_h_mm == Rainfall().in_3_h_mm


def test_rules_use_the_period_of_a_slow_device(folder: Path) -> None:
    rules = {rule.id: rule.judgement for rule in read_seed(folder).rules}
    stage, silence = rules["head.stage"], rules["head.silence"]
    assert isinstance(stage, Stage)
    assert isinstance(silence, Silence)
    assert stage.period_s == silence.period_s == 900


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('id = "azul"', "id = azul", "city.toml: Invalid value (at line 3, column 6)"),
        ('zone = "America/Argentina/Buenos_Aires"', 'zone = "Luna"', "city.toml: city zone: no time zone 'Luna'"),
        ('kind = "rain"', 'kind = "snow"', "city.toml: station sky kind: Input should be"),
        ("[-36.9, -59.9]", "[-136.9, -59.9]", "city.toml: station head position 1: Input should be greater than"),
        ('basin = "azul"', 'basin = "verde"', "city.toml: station head basin: no such basin 'verde'"),
        ('upstream = ["head"]', 'upstream = ["sky"]', "city.toml: station town upstream: no such upstream 'sky'"),
        ('rain = ["sky"]', 'upstream = ["town"]', "city.toml: upstream: the water flows in a circle: "),
        ("area_km2 = 20.0", "area_km2 = 2.0", "city.toml: station town catchment.area_km2: 2 is less than the 10"),
        ("[1.0, 2.0, 3.0]\ndev", "[1.0, 3.0, 2.0]\ndev", "town rules.stage.thresholds_m: amarillo, naranja and rojo"),
        ("rules.stage.thresholds_m", "rules.stage.hold_s", "town rules.stage.thresholds_m: a river station needs"),
        (
            "rules.rainfall.in_1_h_mm = [5, 6, 7]",
            "rules.rainfall.in_1_h = [5]",
            "sky rules.rainfall: no such number 'in_1_h'",
        ),
        (
            "rules.rainfall.in_1_h_mm = [5, 6, 7]",
            "rules.stage.x = 1",
            "station sky rules.stage: a rain has rainfall, silence",
        ),
        ("[rules.rain.rainfall]", "[rules.rain.stage]", "city.toml: rules.rain.stage: no such judgement"),
        ("[rules.rain.rainfall]", "[rules.snow.rainfall]", "city.toml: rules.snow: no such kind"),
        ('days = "mon-tue,fri"', 'days = "lunes"', "street mitre windows days: 'lunes' is not like mon-fri"),
        ('from = "07:30"', 'from = "09:30"', "street mitre windows: 09:30:00 is not before 08:15:00"),
        ('code = "town-b"', 'code = "town-a"', "device town-a: stands there 2 times"),
        ('street = "mitre"', 'street = "mitre"\nsite_limits = [5, 1]', "station speeds site_limits: the lower limit"),
        ('street = "mitre"', 'straat = "mitre"', "city.toml: station speeds straat: Extra inputs are not permitted"),
    ],
)
def test_a_problem_names_its_file_and_key(folder: Path, was: str, becomes: str, said: str) -> None:
    assert was in CITY
    (folder / "city.toml").write_text(CITY.replace(was, becomes, 1))
    assert said in "\n".join(troubles(folder))


def test_all_problems_of_a_file_are_reported_at_once(folder: Path) -> None:
    broken = CITY.replace('basin = "azul"', 'basin = "verde"').replace('rain = ["sky"]', 'rain = ["cielo"]')
    (folder / "city.toml").write_text(broken)
    assert troubles(folder) == (
        "city.toml: station head basin: no such basin 'verde'",
        "city.toml: station head rain: no such rain 'cielo'",
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "basins.geojson: Expecting property name"),
        (
            json.dumps(basins(geometry={"type": "Point", "coordinates": [0, 0]})),
            "basins.geojson: features azul geometry",
        ),
        (
            json.dumps(basins(geometry={"type": "Polygon", "coordinates": [[*RING[:-1], [1, 1]]]})),
            "basins.geojson: basin azul: a ring must end where it began",
        ),
        (
            json.dumps(basins(properties={"id": "azul", "name": "Azul", "municipality": "tandil"})),
            "basins.geojson: basin azul municipality: no municipality 'tandil'",
        ),
    ],
)
def test_a_problem_of_the_basins_names_the_basin(folder: Path, content: str, said: str) -> None:
    (folder / "basins.geojson").write_text(content)
    assert said in "\n".join(troubles(folder))


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert "No such file" in troubles(tmp_path)[0]


def test_the_page_on_seeds_names_every_key() -> None:
    page = (Path(__file__).parents[3] / "docs" / "seed.md").read_text()
    shapes = (CityItem, MunicipalityItem, StreetItem, WindowItem, CatchmentItem, DeviceItem, StationItem, Properties)
    keys = {field.alias or name for shape in shapes for name, field in shape.model_fields.items()}
    unnamed = {key for key in keys if not re.search(rf"\b{key}\b", page)}
    assert unnamed == set()


def test_rules_of_a_radar_use_its_street_s_limits_in_local_time() -> None:
    seed = read_seed(LA_PLATA)
    judged = [rule for rule in seed.rules if isinstance(rule.judgement, ExtremeSpeed | SpeedTrend)]
    assert judged
    for rule in judged:
        assert isinstance(rule.judgement, ExtremeSpeed | SpeedTrend)
        assert rule.judgement.street == seed.city.station(rule.subject).street
        assert rule.judgement.zone == seed.city.zone.key
        assert judgement_from_row(judgement_row(rule.judgement)) == rule.judgement
