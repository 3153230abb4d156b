"""Recorded series from files, and errors of wrong files."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.__main__ import main
from services.replay.recorded_series import RecordError, read_records

GOOD = "time_utc,level_m\n2016-09-01T04:40:00Z,0.527\n2016-09-01T04:45:00+00:00,\n2016-09-01T04:50:00,1.036\n"


def written(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["plumtree.csv", "plumtree.csv.gz"])
def test_a_series_is_read_with_its_blanks(tmp_path: Path, name: str) -> None:
    (record,) = read_records(written(tmp_path / name, GOOD), ["level_m"]).values()
    assert record.times == [datetime(2016, 9, 1, 4, minute, tzinfo=UTC) for minute in (40, 45, 50)]
    assert record.columns == {"level_m": [0.527, None, 1.036]}


def test_sites_in_one_file_are_kept_apart(tmp_path: Path) -> None:
    text = "site,time_utc,x\na,2016-01-01T00:00Z,1\nb,2015-01-01T00:00Z,2\na,2016-01-01T00:15Z,3\n"
    records = read_records(written(tmp_path / "two.csv", text), ["x"])
    assert {site: record.columns["x"] for site, record in records.items()} == {"a": [1.0, 3.0], "b": [2.0]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("time_utc,stage\n", "no column level_m; there are time_utc, stage"),
        ("", "no column"),
        ("time_utc,level_m\nyesterday,1\n", ":2: 'yesterday' is no time"),
        ("time_utc,level_m\n2016-01-01T00:00Z,high\n", ":2: level_m: 'high' is no number"),
        ("time_utc,level_m\n2016-01-01T00:00Z,inf\n", "not finite"),
        ("time_utc,level_m\n2016-01-01T00:05Z,1\n2016-01-01T00:05Z,1\n", ":3: 2016-01-01T00:05Z is not later"),
    ],
)
def test_a_file_that_is_no_series_names_the_line(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(RecordError, match=r"bad\.csv") as caught:
        read_records(written(tmp_path / "bad.csv", text), ["level_m"])
    assert why in str(caught.value)


def test_a_broken_archive_or_missing_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "torn.csv.gz").write_bytes(gzip.compress(GOOD.encode())[:-12])
    for name in ("torn.csv.gz", "absent.csv"):
        with pytest.raises(RecordError, match=name):
            read_records(tmp_path / name, ["level_m"])


def test_the_command_checks_a_series_without_a_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "plumtree.csv", GOOD.replace("1.036", "-9999"))
    assert main(["qc", str(path), "--column", "level_m"]) == 0
    assert capsys.readouterr().out == "2 filas (rows)\n  SENTINEL: 1\n"
    assert main(["qc", str(path), "--column", "stage"]) == 2
    assert "no column stage" in capsys.readouterr().err
