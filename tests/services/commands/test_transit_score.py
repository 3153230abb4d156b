"""`vigia transit score` on recorded days: the accuracy reached, and what is refused."""

import gzip
import json
from pathlib import Path

import pytest

from services.__main__ import main

DATA = Path(__file__).parents[4] / "shared" / "data" / "transit"


def score(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, float]]:
    assert main(["transit", "score", *words, "--json"]) == 0
    figures: dict[str, dict[str, float]] = json.loads(capsys.readouterr().out)
    return figures


def test_a_missing_timetable_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["transit", "score", "--gtfs", str(tmp_path / "none.zip"), "--positions", "x.csv"]) == 2
    assert "vigia:" in capsys.readouterr().err


@pytest.mark.skipif(not (DATA / "stib55").is_dir(), reason="recorded data is not here")
def test_a_tram_lines_second_day_is_predicted_better_than_by_its_delay(capsys: pytest.CaptureFixture[str]) -> None:
    folder = DATA / "stib55"
    figures = score(capsys, "--gtfs", str(folder / "gtfs.zip"), "--stop-events", str(folder / "stop_events.csv.gz"))
    assert figures["ours"]["n"] == 30_632
    assert figures["ours"]["mae_s"] <= 47.0
    assert figures["ours"]["eta_accuracy"]["overall"] >= 88.0  # type: ignore[index]
    assert 0.75 < figures["ours"]["coverage_p10_p90"] < 0.85


@pytest.mark.skipif(not (DATA / "wmata").is_dir(), reason="recorded data is not here")
def test_a_city_with_a_bad_timetable_is_predicted_better_within_an_hour(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with gzip.open(DATA / "wmata" / "positions.csv.gz", "rt") as file:
        lines = file.readlines()[:4_000]
    (tmp_path / "positions.csv").write_text("".join(lines))
    figures = score(
        capsys,
        "--gtfs",
        str(DATA / "wmata" / "gtfs.zip"),
        "--positions",
        str(tmp_path / "positions.csv"),
        "--hide",
        "trip",
    )
    assert figures["ours"]["mae_s"] < 0.92 * figures["schedule_delay"]["mae_s"]
    assert figures["ours_rider"]["eta_accuracy"]["overall"] > figures["ours"]["eta_accuracy"]["overall"]  # type: ignore[index]
    assert 0.7 < figures["ours"]["coverage_p10_p90"] < 0.9
