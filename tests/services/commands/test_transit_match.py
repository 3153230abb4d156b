"""`vigia transit match`: recorded positions in, the journeys they were on out."""

import csv
from pathlib import Path

import pytest

from ingest.gtfs.feed import write_feed
from models.geo import point_at_distance
from models.network import service_day_start
from services.__main__ import main
from tests.transit_city import MONDAY, OUT, ZONE, network

SIX = service_day_start(MONDAY, ZONE) + 6 * 3600


@pytest.fixture(scope="module")
def timetable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("feed") / "city.zip"
    write_feed(network(), path)
    return path


def _positions(folder: Path) -> Path:
    """Two buses along one line, twenty minutes apart, written newest first."""
    shape = network().patterns[OUT].shape
    rows = [
        (name, leaves + 20 * step, *point_at_distance(shape.points, shape.along_m, 400 / 75 * 20 * step))
        for name, leaves in (("7", SIX), ("8", SIX + 1200))
        for step in range(15)
    ]
    path = folder / "positions.csv"
    with path.open("w", newline="") as file:
        written = csv.writer(file)
        written.writerow(("vehicle_id", "timestamp", "lat", "lon", "trip_id"))
        written.writerows((*row, "10-0600" if row[0] == "7" else "10-0620") for row in reversed(rows))
    return path


@pytest.mark.parametrize("hide", [[], ["--hide", "trip"], ["--hide", "all"]])
def test_each_position_gets_its_journey_in_the_order_of_the_file(
    timetable: Path, tmp_path: Path, hide: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    positions, out = _positions(tmp_path), tmp_path / "matched.csv"
    assert (
        main(["transit", "match", "--gtfs", str(timetable), "--positions", str(positions), "--out", str(out), *hide])
        == 0
    )
    with positions.open() as told, out.open() as found:
        pairs = list(zip(csv.DictReader(told), csv.DictReader(found), strict=True))
    assert list(pairs[0][1]) == ["vehicle_id", "timestamp", "trip_id", "distance_m", "phase"]
    for was, is_ in pairs:
        assert (was["vehicle_id"], float(was["timestamp"])) == (is_["vehicle_id"], float(is_["timestamp"]))
    late = [pair for pair in pairs if float(pair[0]["timestamp"]) % 1200 >= 80]
    assert {(is_["trip_id"], is_["phase"]) for was, is_ in late if was["vehicle_id"] == "7"} == {
        ("10-0600", "in_progress")
    }
    assert {(is_["trip_id"], is_["phase"]) for was, is_ in late if was["vehicle_id"] == "8"} == {
        ("10-0620", "in_progress")
    }
    assert "30 posiciones" in capsys.readouterr().out


def test_what_cannot_be_read_is_said_and_nothing_is_written(
    timetable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "matched.csv"
    for gtfs, positions in ((timetable, timetable), (tmp_path / "absent.zip", _positions(tmp_path))):
        words = ["--gtfs", str(gtfs), "--positions", str(positions), "--out", str(out)]
        assert main(["transit", "match", *words]) == 2
        assert "vigia:" in capsys.readouterr().err
    assert not out.exists()
