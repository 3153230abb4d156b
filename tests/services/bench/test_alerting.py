"""Ten times a city's load does not keep an alert from the screen or from a person."""

from pathlib import Path

import pytest

from services.bench.alerting import measure_alerting

MAX_RATIO = 3.0


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_a_crossing_reaches_screen_and_channel_under_ten_times_the_load_as_when_idle(tmp_path: Path) -> None:
    figures = measure_alerting(tmp_path)
    for name, value in figures.items():
        print(f"{name}: {value}")
    for where in ("screen", "notice"):
        ratio = figures[f"p99_ratio_{where}"]
        assert isinstance(ratio, float)
        assert ratio <= MAX_RATIO
