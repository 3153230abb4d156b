"""Replay of a recorded series: nothing filled, nothing dropped silently, errors name their line."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from ingest.decode import decode
from models.place import Device
from models.reading import Message, Reading
from simulators.series_replay import BadSeries, read_series, replayed_messages

RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "flood"
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
GAUGE = Device(municipality="laplata", kind="river", code="g", station="g", period_s=300)
CSV = "time_utc,level_m,qual\n2016-09-01T04:40:00Z,0.527,A\n2016-09-01 04:45:00,,A\n2016-09-01T04:50:00+00:00,1.036,B\n"


def series_file(folder: Path, text: str) -> Path:
    path = folder / "series.csv"
    path.write_text(text)
    return path


def test_blank_rows_are_counted_and_times_without_a_zone_are_utc(tmp_path: Path) -> None:
    series = read_series(series_file(tmp_path, CSV), "level_m", {})
    assert series.blank == 1
    assert series.rows == (
        (datetime(2016, 9, 1, 4, 40, tzinfo=UTC), 0.527),
        (datetime(2016, 9, 1, 4, 50, tzinfo=UTC), 1.036),
    )


def test_gzip_is_read_too_and_rows_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "series.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode()))
    assert [value for _, value in read_series(path, "level_m", {"qual": "B"}).rows] == [1.036]


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("1.036", "high", "series.csv:4: level_m: 'high' is no number"),
        ("1.036", "inf", "series.csv:4: level_m: 'inf' is not finite"),
        ("2016-09-01T04:50:00+00:00", "soon", "series.csv:4: 'soon' is no time"),
        ("2016-09-01T04:50:00+00:00", "2016-08-31T00:00:00Z", "series.csv:4: 2016-08-31T00:00:00Z is earlier"),
        ("time_utc", "when", "series.csv:1: no column time_utc; there are when, level_m, qual"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    path = series_file(tmp_path, CSV.replace(was, becomes))
    with pytest.raises(BadSeries) as caught:
        read_series(path, "level_m", {})
    assert said in str(caught.value)


def test_what_is_no_file_or_no_gzip_is_told_not_thrown_about(tmp_path: Path) -> None:
    torn = tmp_path / "torn.csv.gz"
    torn.write_bytes(gzip.compress(CSV.encode())[:30])
    for path in (tmp_path / "none.csv", torn):
        with pytest.raises(BadSeries):
            read_series(path, "level_m", {})


def test_a_series_is_sent_at_its_pace_with_the_time_of_sending(tmp_path: Path) -> None:
    series = read_series(series_file(tmp_path, CSV), "level_m", {})
    messages = list(replayed_messages(series, GAUGE, start=START, pace=60.0, keep_times=False))
    assert [message.due_at - START for message in messages] == [timedelta(0), timedelta(seconds=10)]
    readings = [item for one in messages for item in decode(Message(one.topic, one.payload, one.due_at))]
    assert [(one.observed_at, one.seq, one.values[0]) for one in readings if isinstance(one, Reading)] == [
        (START, 0, 0.527),
        (START + timedelta(seconds=10), 1, 1.036),
    ]


def test_recorded_times_can_be_kept(tmp_path: Path) -> None:
    series = read_series(series_file(tmp_path, CSV), "level_m", {})
    messages = list(replayed_messages(series, GAUGE, start=START, pace=1e6, keep_times=True))
    assert [orjson.loads(one.payload)["observed_at"] for one in messages] == [
        "2016-09-01T04:40:00.000Z",
        "2016-09-01T04:50:00.000Z",
    ]


def test_rain_says_which_interval_it_fell_in(tmp_path: Path) -> None:
    text = "time_utc,rain_mm\n2016-09-01T04:00:00Z,0.2\n2016-09-01T04:15:00Z,1.4\n"
    series = read_series(series_file(tmp_path, text), "rain_mm", {})
    gauge = Device(municipality="laplata", kind="rain", code="r", station="r", period_s=60)
    said = [
        orjson.loads(one.payload) for one in replayed_messages(series, gauge, start=START, pace=1.0, keep_times=True)
    ]
    assert [(one["rain_mm"], one["interval_s"]) for one in said] == [(0.2, 60), (1.4, 900)]


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded floods are not here")
def test_the_recorded_stream_s_blanks_stay_blank() -> None:
    series = read_series(RECORDED / "plumtree_run_5min_2016_2017.csv.gz", "level_m", {})
    assert series.blank == 5274
    assert len(series.rows) + series.blank == 210_468
