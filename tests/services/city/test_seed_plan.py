"""The plan of a seed: read, refused with all its problems, stored; and the plan of La Plata."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from models.place import PlanKind
from models.tables.city import configuration
from services.city.load import load
from services.city.seed import LA_PLATA, read_seed
from services.city.seed_files import MAX_PLAN_POINTS
from services.city.seed_problems import SeedError
from services.city.seed_warnings import warnings
from simulators.lines.street_plan import ACROSS, ALONG, to_latlon
from tests.services.city.test_seed import CITY, basins
from tests.services.web.pages.city import NOW

Feature = dict[str, object]
LINE = {"type": "LineString", "coordinates": [[-59.9, -36.9], [-59.85, -36.8]]}
RING = [[-59.9, -36.9], [-59.8, -36.9], [-59.8, -36.8], [-59.9, -36.9]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "city.toml").write_text(CITY)
    (tmp_path / "basins.geojson").write_text(json.dumps(basins()))
    return tmp_path


def feature(kind: str, geometry: Mapping[str, object], name: str = "") -> Feature:
    return {"type": "Feature", "properties": {"kind": kind, "name": name}, "geometry": geometry}


def write(folder: Path, *features: Feature) -> Path:
    (folder / "plan.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder


def troubles(folder: Path) -> tuple[str, ...]:
    with pytest.raises(SeedError) as caught:
        read_seed(folder)
    return caught.value.problems


def test_a_plan_may_be_left_out(folder: Path) -> None:
    assert read_seed(folder).city.plan == ()


def test_streets_streams_and_parks_are_read(folder: Path) -> None:
    park = {"type": "Polygon", "coordinates": [RING]}
    several = {"type": "MultiLineString", "coordinates": [LINE["coordinates"], LINE["coordinates"]]}
    write(folder, feature("avenue", several, " Mitre "), feature("stream", LINE), feature("park", park))
    avenue, stream, square = read_seed(folder).city.plan
    assert (avenue.kind, avenue.name, len(avenue.parts)) == (PlanKind.AVENUE, "Mitre", 2)
    assert stream.parts == (((-59.9, -36.9), (-59.85, -36.8)),)
    assert square.parts[0][0] == square.parts[0][-1]


def test_bad_geometry_is_refused_with_what_is_wrong_and_what_is_wanted(folder: Path) -> None:
    point = {"type": "LineString", "coordinates": [[-59.9, -36.9], [-59.9, -36.9]]}
    broken = {"type": "Polygon", "coordinates": [[*RING[:3], [-59.0, -36.0]]]}
    write(folder, feature("park", LINE, "Plaza"), feature("stream", point), feature("water", broken))
    assert troubles(folder) == (
        "plan.geojson: feature 1 (Plaza): a park is drawn as a Polygon, not as a LineString",
        "plan.geojson: feature 2: all its points are one and the same",
        "plan.geojson: feature 3: a ring must end where it began",
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (feature("canal", LINE), "plan.geojson: features 1 properties kind: Input should be 'street', 'avenue'"),
        (feature("stream", {"type": "LineString", "coordinates": [[-59.9, -36.9]]}), "at least 2 items"),
        (feature("stream", {"type": "LineString", "coordinates": [[-36.9, 999], [1, 2]]}), "less than or equal to 90"),
        (feature("stream", {"type": "Point", "coordinates": [-59.9, -36.9]}), "'LineString', 'MultiLineString'"),
    ],
)
def test_what_is_no_plan_is_refused(folder: Path, wrong: Feature, said: str) -> None:
    assert said in " ".join(troubles(write(folder, wrong)))


def test_not_json_and_numbers_that_are_none_are_refused(folder: Path) -> None:
    (folder / "plan.geojson").write_text("{")
    assert troubles(folder)[0].startswith("plan.geojson: Expecting")
    line = json.dumps(feature("stream", LINE)).replace("-59.85", "NaN")
    (folder / "plan.geojson").write_text(f'{{"type": "FeatureCollection", "features": [{line}]}}')
    assert "plan.geojson" in troubles(folder)[0]


def test_a_plan_too_large_for_a_phone_is_refused(folder: Path) -> None:
    half = {"type": "LineString", "coordinates": [[-59.9, -36.9 + n / 1e6] for n in range(MAX_PLAN_POINTS // 2 + 1)]}
    assert "so that the page stays small" in troubles(write(folder, feature("street", half), feature("road", half)))[0]


def test_a_plan_with_latitude_first_is_improbable(folder: Path) -> None:
    swapped = {"type": "LineString", "coordinates": [[-36.9, -59.9], [-36.8, -59.85]]}
    assert "this file has longitude first" in warnings(read_seed(write(folder, feature("stream", swapped))))[0]


def test_the_plan_is_stored_and_a_seed_without_one_takes_it_away(database: Engine, folder: Path) -> None:
    with database.begin() as transaction:
        load(transaction, read_seed(write(folder, feature("stream", LINE, "Azul"))), NOW)
        stored = transaction.execute(select(configuration.c.plan)).scalar_one()
        (folder / "plan.geojson").unlink()
        load(transaction, read_seed(folder), NOW)
        assert transaction.execute(select(configuration.c.plan)).scalar_one() is None
    assert stored == [{"kind": "stream", "name": "Azul", "parts": [LINE["coordinates"]]}]


@pytest.mark.parametrize(
    ("name", "u", "v"), [("Avenida 7", "7", "32"), ("Avenida 53", "1", "53"), ("Diagonal 74", "31", "72")]
)
def test_the_streets_of_la_plata_stand_where_its_street_plan_computes_them(name: str, u: str, v: str) -> None:
    longitude, latitude = next(one for one in read_seed(LA_PLATA).city.plan if one.name == name).parts[0][0]
    assert (latitude, longitude) == pytest.approx(to_latlon((ALONG[u], ACROSS[v])), abs=1e-4)


def test_every_stream_station_of_la_plata_stands_at_a_drawn_stream() -> None:
    city = read_seed(LA_PLATA).city
    drawn = {point for one in city.plan if one.kind is PlanKind.STREAM for part in one.parts for point in part}
    streams = [one for one in city.stations if one.kind == "river" and one.catchment]
    assert [one.id for one in streams if (one.longitude, one.latitude) not in drawn] == []
