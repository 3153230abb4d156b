"""Figures by the published definitions, and recordings played again through the very code that runs."""

import gzip
import json
from pathlib import Path

import pytest

from models.geo import point_at_distance
from services.__main__ import main
from services.transit.accuracy.backtest import Backtest
from services.transit.accuracy.observed_passages import ObservedPassages
from services.transit.fleet.fleet import Fleet
from services.transit.model.accuracy_metrics import IntervalCoverage, PredictionErrors
from services.transit.model.position_report import PositionReport
from services.transit.travel_times.link_times import TravelTimes
from tests.transit_city import MONDAY, OUT, network

CITY = network()
LINE = CITY.patterns[OUT]
DATA = Path(__file__).parents[5] / "shared" / "data" / "transit"


def test_errors_are_actual_less_predicted_and_binned_as_published() -> None:
    tally = PredictionErrors()
    for made_at, actual, predicted in ((0, 100, 120), (0, 100, 140), (0, 100, 5), (0, 200, 60), (0, 700, 980)):
        tally.add_sample(made_at, actual, predicted)
    figures = tally.summary()
    assert (figures["n"], figures["mae_s"], figures["bias_s"]) == (5, 115.0, -21.0)
    assert figures["eta_accuracy"] == {"0-3": 33.33, "3-6": 100.0, "6-10": None, "10-15": 0.0, "overall": 44.44}
    assert figures["mbta"] == {"0-3": 50.0, "3-6": None, "6-12": None, "12-30": 0.0, "overall": 25.0}


def test_limits_of_what_is_accurate_are_inclusive() -> None:
    for error in (-30.0, 90.0):
        tally = PredictionErrors()
        tally.add_sample(0.0, 100.0, 100.0 - error)
        assert tally.summary()["eta_accuracy"]["0-3"] == 100.0  # type: ignore[index]


def test_nothing_to_judge_by_is_no_figure() -> None:
    assert PredictionErrors().summary() == {"n": 0}
    assert IntervalCoverage().summary() == {"coverage_p10_p90": None, "mean_p10_p90_s": None}


def buses(*starts: str, slow: float = 1.0, every_s: int = 30) -> list[PositionReport]:
    """Buses of line 10, each so much slower than the timetable."""
    reports = []
    for start in starts:
        journey = CITY.journey(f"10-{start}", MONDAY)
        assert journey is not None
        for after_s in range(-30, int(450 * slow), every_s):
            along_m = min(max(0.0, after_s * 400 / 75 / slow), LINE.length_m)
            latitude, longitude = point_at_distance(LINE.shape.points, LINE.shape.along_m, along_m)
            reports.append(
                PositionReport(start, journey.start_at + after_s, latitude, longitude, trip_id=journey.trip.id)
            )
    return sorted(reports, key=lambda report: report.at)


def test_truth_is_where_the_straight_line_between_two_positions_crosses_a_stop() -> None:
    reports = buses("0600")
    truth = ObservedPassages(CITY, reports)
    run = truth.journey_of(reports[5])
    assert run is not None
    assert truth.gap_s == 150.0
    first = reports[0].at + 30
    assert [round(at - first) for at in run.passages[1:5] if at is not None] == [75, 150, 225, 300]


def test_truth_leaves_out_what_was_not_seen_closely_enough() -> None:
    reports = buses("0600")
    truth = ObservedPassages(CITY, [*reports[:3], *reports[10:]])
    assert truth.journey_of(reports[0]).passages[1] is None  # type: ignore[union-attr]


def test_with_slow_buses_ahead_ours_beats_the_timetable_with_the_present_delay() -> None:
    starts = ["0600", "0620", "0640", "0700", "0720", "0740", "0800", "0820"]
    reports = buses(*starts, slow=1.5)
    trial = Backtest(Fleet(CITY, TravelTimes()), lambda: 0.0)
    trial.score_positions(reports, ObservedPassages(CITY, reports), lambda report: report)
    figures = trial.result.figures()
    assert figures["ours"]["n"] == figures["schedule"]["n"] > 100  # type: ignore[index]
    assert figures["ours"]["mae_s"] < 0.8 * figures["schedule_delay"]["mae_s"]  # type: ignore[index]


def test_what_comes_later_changes_no_estimate() -> None:
    reports = buses("0600", "0620", "0640", slow=1.3)
    whole, half = Backtest(Fleet(CITY, TravelTimes()), lambda: 0.0), Backtest(Fleet(CITY, TravelTimes()), lambda: 0.0)
    truth = ObservedPassages(CITY, reports)
    whole.score_positions(reports, truth, lambda report: report)
    half.score_positions(reports[: len(reports) // 2], truth, lambda report: report)
    assert list(whole.result.predicted.errors_s)[: len(half.result.predicted.errors_s)] == list(
        half.result.predicted.errors_s
    )


def score(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, float]]:
    assert main(["transit", "score", *words, "--json"]) == 0
    told: dict[str, dict[str, float]] = json.loads(capsys.readouterr().out)
    return told


def test_the_command_refuses_what_it_cannot_score(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["transit", "score", "--gtfs", str(tmp_path / "none.zip"), "--positions", "x.csv"]) == 2
    assert "vigia:" in capsys.readouterr().err


@pytest.mark.skipif(not (DATA / "stib55").is_dir(), reason="recorded data is not here")
def test_a_tram_lines_second_day_is_told_better_than_by_its_delay(capsys: pytest.CaptureFixture[str]) -> None:
    folder = DATA / "stib55"
    told = score(capsys, "--gtfs", str(folder / "gtfs.zip"), "--stop-events", str(folder / "stop_events.csv.gz"))
    assert told["ours"]["n"] == 30_632
    assert told["ours"]["mae_s"] <= 47.0
    assert told["ours"]["eta_accuracy"]["overall"] >= 88.0  # type: ignore[index]
    assert 0.75 < told["ours"]["coverage_p10_p90"] < 0.85


@pytest.mark.skipif(not (DATA / "wmata").is_dir(), reason="recorded data is not here")
def test_a_city_with_a_bad_timetable_is_told_better_within_an_hour(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with gzip.open(DATA / "wmata" / "positions.csv.gz", "rt") as file:
        lines = file.readlines()[:4_000]
    (tmp_path / "positions.csv").write_text("".join(lines))
    told = score(
        capsys,
        "--gtfs",
        str(DATA / "wmata" / "gtfs.zip"),
        "--positions",
        str(tmp_path / "positions.csv"),
        "--hide",
        "trip",
    )
    assert told["ours"]["mae_s"] < 0.92 * told["schedule_delay"]["mae_s"]
    assert told["ours_rider"]["eta_accuracy"]["overall"] > told["ours"]["eta_accuracy"]["overall"]  # type: ignore[index]
    assert 0.7 < told["ours"]["coverage_p10_p90"] < 0.9
