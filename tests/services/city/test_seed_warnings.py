"""What is improbable in a seed is said before it is loaded, and never refuses it."""

from pathlib import Path

import pytest

from services.__main__ import main
from services.city.seed import LA_PLATA, read_seed
from services.city.seed_problems import SeedError
from services.city.seed_warnings import position_of_zone, warnings

ZONE = (-34.6, -58.45)
TOWN = """
city = { id = "pueblo", name = "Pueblo", zone = "America/Argentina/Buenos_Aires" }
municipality = [{ id = "pueblo", name = "Pueblo", position = [-35.57, -58.01] }]
[[station]]
id = "puente"
name = "Puente"
municipality = "pueblo"
kind = "river"
position = [-35.56, -58.02]
rules.stage.thresholds_m = [1.2, 1.6, 2.0]
"""
BASIN = (
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"id": "b", "name": "B",'
    ' "municipality": "pueblo"}, "geometry": {"type": "Polygon", "coordinates":'
    " [[[-35.5, -58], [-35.6, -58], [-35.6, -58.1], [-35.5, -58]]]}}]}"
)


def said(folder: Path, *changes: tuple[str, str]) -> list[str]:
    text = TOWN
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "city.toml").write_text(text, encoding="utf-8")
    return warnings(read_seed(folder), ZONE)


def test_a_probable_town_is_not_remarked_on(tmp_path: Path) -> None:
    assert said(tmp_path) == []
    assert warnings(read_seed(LA_PLATA), ZONE) == []
    assert said(tmp_path, ("[1.2, 1.6, 2.0]", "[11.0, 12.5, 13.0]\nsite_limits = [0, 18]")) == [], "a deep river"


def test_advice_that_ends_below_rojo_is_remarked_on_and_an_unknown_hazard_is_refused(tmp_path: Path) -> None:
    def with_advice(table: str) -> list[str]:
        return said(tmp_path, ("[[station]]", f"{table}\n[[station]]"))

    assert with_advice('[advice.rain]\namarillo = "Mirar."\nnaranja = "Cortar."') == [
        "city.toml: advice.rain: says nothing at rojo; is that meant?"
    ]
    assert with_advice('[advice]\nrojo = "Llamar."\nrain = { amarillo = "Mirar.", naranja = "Cortar." }') == []
    assert with_advice('[advice]\namarillo = "Mirar."') == []
    with pytest.raises(SeedError, match="advice wind"):
        with_advice('[advice.wind]\nrojo = "Atar."')


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "[1.2, 1.6, 2.0]",
            "[120, 160, 200]",
            "look like centimetres; thresholds are in metres: did you mean [1.2, 1.6, 2]",
        ),
        ("position = [-35.56, -58.02]", "position = [-58.02, -35.56]", "station puente position: [-58.02, -35.56] is "),
        ("position = [-35.56, -58.02]", "position = [-58.02, -35.56]", "look swapped: this file has latitude first"),
        (
            "position = [-35.56, -58.02]",
            "position = [35.56, -58.02]",
            "is the position right, in degrees, latitude first?",
        ),
        ("[1.2, 1.6, 2.0]", "[1.2, 1.6, 2.0]\nsite_limits = [12.0, 20.0]", "so that every reading alarms"),
        ("[1.2, 1.6, 2.0]", "[12, 16, 20]", "amarillo is at 5 m or more, and streams in cities rarely reach 2 m"),
        ("[1.2, 1.6, 2.0]", "[-2, -1.5, -1]", "a level of 0 m is at or above amarillo already"),
        (
            "[1.2, 1.6, 2.0]",
            "[1.2, 1.6, 2.0]\nsite_limits = [0, 1.8]",
            "rojo is above the highest level that is possible",
        ),
        ("[1.2, 1.6, 2.0]", "[1.2, 1.6, 2.0]\nsite_limits = [0, 500]", "goes beyond what a river sensor measures"),
    ],
)
def test_what_is_improbable_is_said_with_what_was_meant(tmp_path: Path, old: str, new: str, expected: str) -> None:
    found = said(tmp_path, (old, new))
    assert len(found) == 1
    assert expected in found[0]


def test_a_whole_town_with_swapped_positions_is_noticed_by_its_time_zone(tmp_path: Path) -> None:
    swapped = ("[-35.57, -58.01]", "[-58.01, -35.57]"), ("[-35.56, -58.02]", "[-58.02, -35.56]")
    found = said(tmp_path, *swapped)
    assert len(found) == 1
    assert "did you mean [-35.57, -58.01]?" in found[0]


def test_a_basin_with_latitude_first_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "basins.geojson").write_text(BASIN, encoding="utf-8")
    (found,) = said(tmp_path)
    assert "basin b: " in found
    assert "this file has longitude first" in found


def test_the_zone_table_of_the_machine_is_read() -> None:
    assert position_of_zone("No/Such_Zone") is None
    found = position_of_zone("America/Argentina/Buenos_Aires")
    assert found is None or found == pytest.approx((-34.6, -58.45))


def test_the_command_needs_no_database_and_says_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(tmp_path)
    assert main(["check-seed", str(tmp_path / "city.toml")]) == 0
    assert "vigia/v1/pueblo/river/puente" in capsys.readouterr().out
    said(tmp_path, ("[1.2, 1.6, 2.0]", "[120, 160, 200]"))
    assert main(["check-seed", str(tmp_path)]) == 1
    assert "centimetres" in capsys.readouterr().err
    (tmp_path / "city.toml").write_text("nothing", encoding="utf-8")
    assert main(["check-seed", str(tmp_path)]) == 2


def test_a_city_file_of_any_name_is_checked_and_other_files_are_answered_with_what_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "town.toml").write_text(TOWN, encoding="utf-8")
    assert main(["check-seed", str(tmp_path / "town.toml")]) == 0
    for name in ("town.zip", "basins.geojson", "gtfs.txt"):
        (tmp_path / name).write_bytes(b"")
        assert main(["check-seed", str(tmp_path / name)]) == 2
        error = capsys.readouterr().err
        assert f"{name}: " in error
        assert "give the seed's folder, or its city.toml" in error
        assert ("unpack" in error) == (name == "town.zip")
    empty = tmp_path / "empty"
    empty.mkdir()
    for nothing in (empty, tmp_path / "nowhere", tmp_path / "nowhere.toml"):
        assert main(["check-seed", str(nothing)]) == 2
        assert "city.toml" in capsys.readouterr().err
