"""Verification on recorded floods: quality checks, stage rule and forecast against the recorded scores."""

import argparse
import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from services.commands import skill

FLOODS = Path(__file__).parents[2].parent / "shared" / "data" / "flood"
pytestmark = pytest.mark.skipif(not FLOODS.is_dir(), reason="the recorded floods are not here")
LEVELS = "0.6,0.8,1.0"


def verified(file: str, *words: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    skill.arguments(parser)
    with redirect_stdout(StringIO()) as printed:
        assert skill.run(parser.parse_args([str(FLOODS / file), "--json", *words])) == 0
    report: dict[str, Any] = json.loads(printed.getvalue())
    return report


@pytest.fixture(scope="module")
def plumtree() -> dict[str, Any]:
    return verified("plumtree_run_5min_2016_2017.csv.gz", "--column", "level_m", "--levels", LEVELS)


@pytest.mark.timeout(240)
def test_an_urban_stream_is_warned_with_fewer_false_alarms_and_no_less_lead_than_the_baseline(
    plumtree: dict[str, Any],
) -> None:
    dead_run = verified("dead_run_5min_2018-06.csv.gz", "--column", "level_m", "--levels", LEVELS)
    assert [level["events"] for level in plumtree["levels"]] == [57, 25, 5]
    ours, plain = _counts(plumtree, dead_run, "levels"), _counts(plumtree, dead_run, "baseline")
    assert ours["hits"] / ours["events"] >= 0.9
    assert ours["csi"] > plain["csi"] + 0.02
    assert plumtree["pooled"]["lead_min"]["median"] >= plumtree["pooled"]["baseline"]["lead_min"]["median"]
    assert plumtree["pooled"]["far"] <= 0.5
    for lead in plumtree["forecast"]:
        assert 0.75 <= lead["coverage_p10_p90"] <= 0.85
        if lead["lead_min"] in {30, 60}:
            assert lead["persistence_index"] >= 0.2


@pytest.mark.timeout(240)
def test_the_baseline_gives_the_recorded_figures(plumtree: dict[str, Any]) -> None:
    _, at_0_8, at_1_0 = plumtree["baseline"]
    assert (at_0_8["a"]["pod"], round(at_0_8["a"]["far"], 2), round(at_0_8["a"]["csi"], 2)) == (1.0, 0.49, 0.51)
    assert at_0_8["a"]["lead_min"]["median"] == 10
    assert (round(at_1_0["far"], 2), at_1_0["lead_min"]["median"]) == (0.75, 5)


def test_an_upland_stream_is_forecast_an_hour_ahead_from_its_rain() -> None:
    wye = verified(
        "wye_cefnbrwyn_hourly_1987_1988.csv.gz",
        *("--column", "runoff_mm_h", "--rain-column", "rain_mm", "--levels", "1,2,3"),
    )
    hour = wye["forecast"][0]
    assert (hour["lead_min"], hour["own_past"]) == (60, True)
    assert hour["persistence_index"] >= 0.75
    assert all(0.75 <= lead["coverage_p10_p90"] <= 0.85 for lead in wye["forecast"])


def _counts(plumtree: dict[str, Any], dead_run: dict[str, Any], key: str) -> dict[str, float]:
    rows = [*plumtree[key], *dead_run[key]]
    events, hits, false = (sum(row[name] for row in rows) for name in ("events", "hits", "false_alarms"))
    return {"events": events, "hits": hits, "csi": hits / (events + false)}
