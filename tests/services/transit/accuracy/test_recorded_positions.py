"""Recorded positions, as trackers and on-board computers write them."""

import gzip
from pathlib import Path

import pytest

from services.replay.recorded_series import RecordError
from services.transit.accuracy.recorded_positions import read_positions
from services.transit.model.position_report import PositionReport
from tests.transit_city import ZONE


def _file(folder: Path, text: str, name: str = "positions.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_reports_come_by_time_with_what_is_known(tmp_path: Path) -> None:
    text = (
        "vehicle_id,timestamp,lat,lon,trip_id,route_id,direction_id,speed_ms,bearing\n"
        "8,1772442060,-34.92,-57.95,t1,r1,1,4.5,90\n"
        "7,1772442000,-34.91,-57.94,,,,,\n"
    )
    assert read_positions(_file(tmp_path, text, "positions.csv.gz"), ZONE) == [
        PositionReport("7", 1772442000, -34.91, -57.94),
        PositionReport("8", 1772442060, -34.92, -57.95, "t1", "r1", 1, speed_ms=4.5, bearing_deg=90.0),
    ]


def test_a_bus_computers_trace_is_read_whatever_its_columns(tmp_path: Path) -> None:
    text = (
        "vid,lat,lon,reported_run_id,timestamp,dsc,assigned_run_id,actual_phase\r"
        "MTA_1,40.6,-73.9,64-507,2026-03-02 06:00:00 l,4633,B64-507,IN_PROGRESS\r"
        "MTA_1,40.6,-73.9,0-000,2026-03-02 06:00:30,12,,AT_BASE\r"
        "MTA_1,,,0-000,2026-03-02 06:01:00,0,,\r"
    )
    first, second = read_positions(_file(tmp_path, text), ZONE)
    assert (first.at, first.line, first.sign, first.in_service) == (1772442000, "B64", "4633", None)
    assert (second.line, second.in_service) == (None, False)


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ("7,yesterday,-34,-57", "row 2"),
        ("7,1772442000,-134,-57", "-134"),
        ("7,1772442000,nan,-57", "nan"),
        ("7,2026-02-30 10:00:00,-34,-57", "row 2"),
        (",1772442000,-34,-57", "no vehicle"),
        ("7,,-34,-57", "row 2"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: str, word: str) -> None:
    with pytest.raises(RecordError, match=word):
        read_positions(_file(tmp_path, f"vehicle_id,timestamp,lat,lon\n{row}\n"), ZONE)


def test_a_file_without_positions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="vehicle_id"):
        read_positions(_file(tmp_path, "time,level\n1,2\n"), ZONE)
    with pytest.raises(RecordError):
        read_positions(tmp_path / "absent.csv", ZONE)
