"""Tests of the verification scores by their definitions, and of the command `vigia skill`."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alerts.forecast.skill import (
    BoolArray,
    Score,
    Span,
    find_alerts,
    find_events,
    pool_scores,
    score_by_onset,
    score_by_state,
)
from services.commands import skill

HOUR_S = 3600.0


def alert_at(*hours: float, upto: int = 60) -> tuple[np.ndarray[Any, np.dtype[np.float64]], BoolArray]:
    """Times of sixty hours in steps of 15 minutes, and an alert that is on at the given hours."""
    at_s = np.arange(0, upto * HOUR_S, 900.0)
    return at_s, np.isin(at_s, [hour * HOUR_S for hour in hours])


FLOOD = [Span(20 * HOUR_S, 24 * HOUR_S)]


def score_both(*hours: float, events: list[Span] | None = None) -> tuple[Score, Score]:
    at_s, on = alert_at(*hours)
    return score_by_state(events or FLOOD, at_s, on), score_by_onset(events or FLOOD, at_s, on)


def test_samples_up_to_six_hours_apart_are_one_event_and_farther_ones_are_two() -> None:
    at_s, _ = alert_at()
    level_m = np.where(np.isin(at_s, np.array([10, 16, 22.25]) * HOUR_S), 1.0, 0.3)
    level_m[5] = np.nan
    assert find_events(at_s, level_m, 1.0) == [Span(10 * HOUR_S, 16 * HOUR_S), Span(22.25 * HOUR_S, 22.25 * HOUR_S)]


def test_an_alert_rearms_after_more_than_three_hours() -> None:
    at_s, on = alert_at(1, 4, 7.25)
    assert [alert.first_s / HOUR_S for alert in find_alerts(at_s, on)] == [1, 7.25]


def test_an_alert_held_while_nothing_was_measured_is_one_alert() -> None:
    at_s = np.array([0, 1, 2, 20, 21]) * HOUR_S
    assert find_alerts(at_s, np.array([False, True, True, True, False])) == [Span(HOUR_S, 20 * HOUR_S)]


def test_an_alert_before_the_event_is_a_hit_with_its_lead() -> None:
    b, a = score_both(19.5, 20)
    assert (b.hits, b.misses, b.false_alarms, b.leads_min) == (1, 0, 0, (30,))
    assert a == b


def test_an_alert_raised_more_than_six_hours_early_and_still_on_is_a_hit_in_b_and_none_in_a() -> None:
    b, a = score_both(*np.arange(12, 25, 0.25))
    assert (b.hits, b.false_alarms, b.leads_min) == (1, 1, (480,))
    assert (a.hits, a.misses, a.false_alarms) == (0, 1, 1)


def test_an_alert_that_ended_before_the_event_counts_when_raised_within_six_hours() -> None:
    b, _ = score_both(15)
    assert (b.hits, b.leads_min) == (1, (300,))


def test_a_late_alert_is_a_miss_in_b_and_a_hit_with_negative_lead_in_a_and_false_in_neither() -> None:
    b, a = score_both(21)
    assert (b.hits, b.misses, b.false_alarms) == (0, 1, 0)
    assert (a.hits, a.false_alarms, a.leads_min) == (1, 0, (-60,))


def test_of_two_alerts_before_an_event_b_counts_the_lead_of_the_last_and_a_of_the_first() -> None:
    b, a = score_both(15, 19)
    assert (b.leads_min, a.leads_min) == ((60,), (300,))


def test_an_alert_with_no_event_is_false() -> None:
    b, _ = score_both(2, 50)
    assert (b.hits, b.false_alarms, b.pod, b.far, b.csi) == (0, 2, 0.0, 1.0, 0.0)


def test_without_events_and_alarms_there_is_no_ratio() -> None:
    nothing = Score(0, 0, 0, ())
    assert (nothing.pod, nothing.far, nothing.csi, nothing.median_lead_min) == (None, None, None, None)
    assert nothing.share_with_lead(10) is None


def test_pooled_scores_add_counts_and_leads() -> None:
    one = pool_scores([Score(3, 2, 1, (5.0, 30.0)), Score(1, 1, 1, (10.0,))])
    assert (one.events, one.hits, one.misses, one.false_alarms) == (4, 3, 1, 2)
    assert (one.pod, one.far, one.csi) == (0.75, 0.4, 0.5)
    assert one.median_lead_min == 10
    assert one.share_with_lead(10) == pytest.approx(2 / 3)
    assert one.p10_lead_min == pytest.approx(6)


# The command


def called(*words: str) -> int:
    parser = argparse.ArgumentParser()
    skill.arguments(parser)
    return skill.run(parser.parse_args(list(words)))


def written(path: Path, level_m: Callable[[int], float | None], rows: int = 4000) -> Path:
    start = np.datetime64("2020-01-01T00:00:00")
    lines = ["time_utc,level_m"]
    for row in range(rows):
        value = level_m(row)
        lines.append(f"{start + np.timedelta64(5 * row, 'm')}Z,{'' if value is None else round(value, 4)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def weekly_storm(row: int) -> float:
    """A triangle of 1.2 m every 500 rows."""
    phase = row % 500
    return 0.2 + max(0.0, 1.0 - abs(phase - 250) / 24)


def test_the_command_counts_known_floods_and_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path / "storms.csv", weekly_storm)
    assert called(str(file), "--column", "level_m", "--levels", "1.0,0.6", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [level["threshold"] for level in report["levels"]] == [0.6, 1.0]
    for level in (*report["levels"], *report["baseline"]):
        assert (level["events"], level["hits"], level["misses"]) == (8, 8, 0)
        assert set(level["share_lead_ge"]) == {"10", "15", "30"}
        assert level["a"]["events"] == 8
    assert report["levels"][1]["lead_min"]["median"] >= report["baseline"][1]["lead_min"]["median"]
    assert [row["lead_min"] for row in report["forecast"]] == [15, 30, 60, 120, 180, 360]


def test_each_level_is_scored_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path / "storms.csv", weekly_storm, rows=1500)
    for levels in ("0.5", "0.5,0.7", "0.5,0.6,0.7,0.8", "0.5,0.6,0.7,0.8,0.9,1.0,1.1"):
        assert called(str(file), "--column", "level_m", "--levels", levels, "--json") == 0
        report = json.loads(capsys.readouterr().out)
        assert [level["threshold"] for level in report["levels"]] == [float(word) for word in levels.split(",")]
        assert all(level["hits"] == 3 for level in report["levels"])


def test_blank_rows_are_gaps_and_a_sentinel_is_no_flood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def holed(row: int) -> float | None:
        return None if 700 < row < 720 else -9999.0 if row == 100 else weekly_storm(row)

    file = written(tmp_path / "holed.csv", holed, rows=1500)
    assert called(str(file), "--column", "level_m", "--levels", "0.6", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rows"] == 1500 - 19
    assert report["levels"][0]["events"] == 3
    assert report["levels"][0]["false_alarms"] == 0


def test_fitting_on_another_record_first_changes_only_what_is_known_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(tmp_path / "before.csv", weekly_storm, rows=6000)
    file = written(tmp_path / "storms.csv", weekly_storm, rows=1500)
    assert called(str(file), "--column", "level_m", "--levels", "0.6", "--fit", str(before), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["levels"][0]["events"] == 3
    assert all(row["own_past"] for row in report["forecast"])


def test_the_text_output_has_the_same_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path / "storms.csv", weekly_storm, rows=1500)
    assert called(str(file), "--column", "level_m", "--levels", "0.6") == 0
    assert "1.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("time_utc,level_m\n2020-01-01T00:00:00Z,0.3\nyesterday,0.3\n", ":3:"),
        ("time_utc,level_m\n2020-01-01T00:00:00Z,0.3\n2020-01-01T00:05:00Z,high\n", ":3:"),
        ("time_utc,depth\n2020-01-01T00:00:00Z,0.3\n", "level_m"),
        ("time_utc,level_m\n2020-01-01T00:00:00Z,0.3\n", "fewer than two"),
        ("time_utc,level_m\n2020-01-01T00:00:00Z,0.3\n2020-02-01T00:00:00Z,0.3\n", "more than a day"),
    ],
)
def test_a_bad_file_is_reported_with_its_line_and_the_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, complaint: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content, encoding="utf-8")
    assert called(str(file), "--column", "level_m", "--levels", "0.6") == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("levels", ["", "low", "0.6,nan", "1e999"])
def test_levels_that_are_not_numbers_are_refused(levels: str) -> None:
    with pytest.raises(SystemExit) as refused:
        called("any.csv", "--column", "level_m", "--levels", levels)
    assert refused.value.code == 2
