"""The geometry of a chart: gaps, thresholds, forecasts, ticks and bars."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.queries.watch.chart import LARGE, SMALL, Chart, ChartSeries, ForecastPoint, Sample, lay_out

ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
START = datetime(2026, 3, 5, 2, 30, tzinfo=UTC)
STEP = timedelta(minutes=5)


def series(*levels: float, **more: object) -> ChartSeries:
    """Levels every five minutes from START, over four hours."""
    samples = [Sample(START + STEP * place, level, level, level) for place, level in enumerate(levels)]
    plain: dict[str, object] = {"start": START, "end": START + 48 * STEP, "samples": samples, "max_gap": 3 * STEP}
    return ChartSeries(**(plain | {"zone": ZONE} | more))  # type: ignore[arg-type]


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]


def test_a_gap_in_the_data_is_a_gap_in_the_line() -> None:
    before, after = series(1.0, 1.1).samples, series(*[0.0] * 20, 1.2, 1.3).samples[20:]
    chart = lay_out(series(samples=[*before, *after]), SMALL)
    assert chart.line.count("M") == 2


def test_a_lone_sample_is_a_dot() -> None:
    chart = lay_out(series(1.0), SMALL)
    assert (chart.line, len(chart.dots)) == ("", 1)


def test_the_scale_includes_the_next_threshold() -> None:
    chart = lay_out(series(0.3, 0.4, thresholds=(1.0, 1.5, 2.0)), SMALL)
    assert [(order, tick.value) for order, tick in chart.thresholds] == [(1, 1.0)]
    chart = lay_out(series(0.3, 1.6, thresholds=(1.0, 1.5, 2.0)), SMALL)
    assert [order for order, _ in chart.thresholds] == [1, 2, 3]


def test_higher_water_is_drawn_higher() -> None:
    (_, low), (_, high) = points(lay_out(series(0.3, 1.6), SMALL).line)
    assert high < low


def test_the_forecast_fans_out_from_the_last_sample() -> None:
    ahead = [ForecastPoint(START + 12 * STEP, 0.9, 1.2, 1.6)]
    chart = lay_out(series(0.8, 0.9, forecast=ahead), LARGE)
    last = points(chart.line)[-1]
    assert points(chart.median)[0] == points(chart.fan)[0] == last
    assert chart.now_x == last[0]


def test_without_a_sample_there_is_no_forecast_to_draw() -> None:
    chart = lay_out(series(forecast=[ForecastPoint(START + STEP, 0.9, 1.2, 1.6)]), LARGE)
    assert (chart.line, chart.fan, chart.median, chart.now_x) == ("", "", "", None)


def test_the_time_axis_has_round_local_hours_and_marks_midnight() -> None:
    chart = lay_out(series(1.0, 1.1), LARGE)
    local = [tick.at.astimezone(ZONE) for tick in chart.times]
    assert [f"{at:%H:%M}" for at in local] == [
        "23:30",
        "00:00",
        "00:30",
        "01:00",
        "01:30",
        "02:00",
        "02:30",
        "03:00",
        "03:30",
    ]
    assert [tick.day for tick in chart.times].index(True) == 1


def test_bars_of_rain_start_at_zero() -> None:
    chart = lay_out(series(0.0, 4.0, 2.0, max_gap=STEP, from_zero=True), LARGE, bars=True)
    base = LARGE.height - LARGE.bottom
    assert [round(y + height) for _, y, _, height in chart.bars] == [base, base]
    assert round(chart.bars[0][3]) == round(2 * chart.bars[1][3])


LEVELS = st.floats(-1000, 1000).filter(lambda value: value == 0 or abs(value) > 1e-9)


@given(
    st.lists(LEVELS, max_size=40),
    st.lists(st.floats(0.1, 5), max_size=3, unique=True).map(sorted),
    st.lists(st.tuples(LEVELS, LEVELS, LEVELS).map(sorted), max_size=3),
    st.booleans(),
)
def test_nothing_is_drawn_outside_the_frame(
    levels: list[float], thresholds: list[float], quantiles: list[list[float]], bars: bool
) -> None:
    ahead = [ForecastPoint(START + STEP * (40 + place), *three) for place, three in enumerate(quantiles)]
    levels = [abs(level) for level in levels] if bars else levels
    chart = lay_out(
        series(*levels, thresholds=thresholds, forecast=() if bars else ahead, from_zero=bars), SMALL, bars=bars
    )
    drawn = [*points(chart.line), *points(chart.band), *points(chart.fan), *points(chart.median), *chart.dots]
    drawn += [(x, y) for x, y, _, _ in chart.bars]
    drawn += [(0.0, tick.position) for _, tick in chart.thresholds] + [(0.0, tick.position) for tick in chart.heights]
    assert all(0 <= x <= SMALL.width and 0 <= y <= SMALL.height for x, y in drawn)
    assert isinstance(chart, Chart)


@given(st.integers(0, 239))
def test_no_label_of_the_time_is_cut_at_the_edge(minute: int) -> None:
    start = START + timedelta(minutes=minute)
    chart = lay_out(series(0.3, start=start, end=start + 48 * STEP), SMALL)
    assert len(chart.times) >= 3
    assert all(20 <= tick.position <= SMALL.width - 20 for tick in chart.times)
