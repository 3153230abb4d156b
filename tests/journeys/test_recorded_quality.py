"""Quality checks on recorded streams: bad rows are found, and no flood is flagged as bad."""

import json
from pathlib import Path

import pytest

from ingest.quality.flag_accuracy import flags_of_series
from models.kinds import KINDS_BY_NAME
from models.reading import UNTRUSTED, Flag, Quality, quality_code
from services.__main__ import main
from services.replay.recorded_series import read_records

RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "flood"
LABELLED = RECORDED / "lro_stage_15min_labelled_dev.csv.gz"
FLOODS = [RECORDED / "plumtree_run_5min_2016_2017.csv.gz", RECORDED / "dead_run_5min_2018-06.csv.gz"]


@pytest.mark.skipif(not LABELLED.exists(), reason="the recorded series are not here")
def test_what_the_technicians_of_the_logan_river_found_the_checks_find(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["qc", str(LABELLED), "--column", "stage_raw_m", "--truth", "stage_corrected_m", "--json"]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rows"] == 147_191
    assert report["bad"] == 70
    assert report["found"] >= 0.98 * report["bad"]
    assert report["false_flags"] <= 0.001 * report["rows"]


@pytest.mark.parametrize("path", FLOODS, ids=lambda path: path.name.split("_5min")[0])
def test_no_reading_of_a_recorded_flood_is_kept_from_the_rules(path: Path) -> None:
    if not path.exists():
        pytest.skip("the recorded series are not here")
    (record,) = read_records(path, ["level_m"]).values()
    rows = [
        (time, level) for time, level in zip(record.times, record.columns["level_m"], strict=True) if level is not None
    ]
    flags = flags_of_series(KINDS_BY_NAME["river"], [time for time, _ in rows], [level for _, level in rows])
    assert any(Flag.JUMP in flag for flag in flags)
    kept_back = [
        row for row, flag in zip(rows, flags, strict=True) if flag & UNTRUSTED or quality_code(flag) is Quality.FAIL
    ]
    assert kept_back == []
