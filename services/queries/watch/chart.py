"""Geometry of an SVG chart: a time series in, coordinates and paths out. Templates draw it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import ceil, floor, log10


@dataclass(frozen=True, slots=True)
class Sample:
    """One interval of a series: its time, and minimum, mean and maximum trusted value in the measure's unit."""

    at: datetime
    least: float
    mean: float
    greatest: float


@dataclass(frozen=True, slots=True)
class ForecastPoint:
    """Quantiles of the forecast for one instant, in the measure's unit."""

    at: datetime
    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """The data of a chart. `max_gap`: samples further apart are not joined. `thresholds`: from amarillo upwards."""

    start: datetime
    end: datetime
    samples: Sequence[Sample]
    max_gap: timedelta
    zone: tzinfo
    thresholds: Sequence[float] = ()
    forecast: Sequence[ForecastPoint] = ()
    from_zero: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """Outer size of a drawing and the margins its labels need, in SVG units."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int


SMALL = Frame(width=320, height=88, left=2, right=14, top=4, bottom=14)
TICK_WIDTH = 80
"""Width of a time label."""
HALF_LABEL_WIDTH = 20
"""Half the width of a time label; a label nearer to the edge would be cut."""
LARGE = Frame(width=960, height=360, left=52, right=96, top=12, bottom=34)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: its position in SVG units and its value."""

    position: float
    value: float


@dataclass(frozen=True, slots=True)
class TimeTick:
    """A mark on the time axis. `day`: the instant is midnight in the city."""

    position: float
    at: datetime
    day: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """Paths in SVG notation and positions of labels. An empty path is not drawn."""

    frame: Frame
    line: str
    band: str
    bars: tuple[tuple[float, float, float, float], ...]
    fan: str
    median: str
    dots: tuple[tuple[float, float], ...]
    now_x: float | None
    thresholds: tuple[tuple[int, Tick], ...]
    heights: tuple[Tick, ...]
    times: tuple[TimeTick, ...]


@dataclass(frozen=True, slots=True)
class _Scale:
    frame: Frame
    start: datetime
    seconds: float
    low: float
    high: float

    def x(self, at: datetime) -> float:
        inside = self.frame.width - self.frame.left - self.frame.right
        return round(self.frame.left + (at - self.start).total_seconds() / self.seconds * inside, 1)

    def y(self, value: float) -> float:
        inside = self.frame.height - self.frame.top - self.frame.bottom
        return round(self.frame.top + (self.high - value) / (self.high - self.low) * inside, 1)


def lay_out(series: ChartSeries, frame: Frame, *, bars: bool = False) -> Chart:
    """Lay a series out in a frame. `bars`: bars from zero (rain) instead of a line."""
    scale = _scale(series, frame)
    runs = _split_at_gaps(series)
    heights = tuple(
        Tick(scale.y(value), value) for value in _round_values(scale.low, scale.high, frame.height // 60 + 1)
    )
    return Chart(
        frame=frame,
        line="" if bars else "".join(_path([(scale.x(s.at), scale.y(s.mean)) for s in run]) for run in runs),
        band="" if bars else "".join(_band(scale, run) for run in runs),
        bars=_bars(scale, series) if bars else (),
        fan=_forecast_fan(scale, series),
        median=_path([(scale.x(a.at), scale.y(a.p50)) for a in _forecast_from_last_sample(series)]),
        dots=() if bars else tuple((scale.x(run[0].at), scale.y(run[0].mean)) for run in runs if len(run) == 1),
        now_x=scale.x(series.samples[-1].at) if series.forecast and series.samples else None,
        thresholds=tuple(
            (order, Tick(scale.y(value), value))
            for order, value in enumerate(series.thresholds, start=1)
            if scale.low <= value <= scale.high
        ),
        heights=heights,
        times=tuple(
            TimeTick(x, at, day)
            for at, day in _time_ticks(series, frame.width // TICK_WIDTH)
            if HALF_LABEL_WIDTH <= (x := scale.x(at)) <= frame.width - HALF_LABEL_WIDTH
        ),
    )


def _scale(series: ChartSeries, frame: Frame) -> _Scale:
    """The scale of the axes. The height includes the next threshold that was not reached, and a margin."""
    values = [value for sample in series.samples for value in (sample.least, sample.greatest)]
    values += [value for ahead in series.forecast for value in (ahead.p10, ahead.p90)]
    if series.from_zero or not values:
        values.append(0.0)
    reached = [value for value in series.thresholds if value <= max(values)]
    above = series.thresholds[len(reached) : len(reached) + 1]
    low, high = min(values), max(*values, *above, min(values) + 0.05)
    margin = (high - low) * 0.08
    seconds = max((series.end - series.start).total_seconds(), 1.0)
    return _Scale(frame, series.start, seconds, low if series.from_zero else low - margin, high + margin)


def _split_at_gaps(series: ChartSeries) -> list[list[Sample]]:
    """The samples split where data are missing, so that the line has a gap there."""
    runs: list[list[Sample]] = []
    for sample in series.samples:
        if runs and sample.at - runs[-1][-1].at <= series.max_gap:
            runs[-1].append(sample)
        else:
            runs.append([sample])
    return runs


def _path(points: Sequence[tuple[float, float]]) -> str:
    if len(points) < 2:
        return ""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _closed_path(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]]) -> str:
    outline = _path([*upper, *reversed(lower)])
    return f"{outline}Z" if outline else ""


def _band(scale: _Scale, run: Sequence[Sample]) -> str:
    """The area between minimum and maximum; empty where each interval holds one value."""
    if all(sample.least == sample.greatest for sample in run):
        return ""
    return _closed_path(
        [(scale.x(s.at), scale.y(s.greatest)) for s in run], [(scale.x(s.at), scale.y(s.least)) for s in run]
    )


def _bars(scale: _Scale, series: ChartSeries) -> tuple[tuple[float, float, float, float], ...]:
    """Left, top, width and height of each bar. An interval starts at its sample's time and is `max_gap` long."""
    floor_y = scale.y(0.0)
    width = scale.x(series.start + series.max_gap) - scale.x(series.start)
    return tuple(
        (scale.x(s.at), scale.y(s.mean), round(max(width - 1, 1.0), 1), round(floor_y - scale.y(s.mean), 1))
        for s in series.samples
        if s.mean > 0
    )


def _forecast_from_last_sample(series: ChartSeries) -> list[ForecastPoint]:
    """The forecast from the last sample on; empty where there is no forecast."""
    if not series.forecast or not series.samples:
        return []
    last = series.samples[-1]
    return [ForecastPoint(last.at, last.mean, last.mean, last.mean), *series.forecast]


def _forecast_fan(scale: _Scale, series: ChartSeries) -> str:
    joined = _forecast_from_last_sample(series)
    return _closed_path(
        [(scale.x(a.at), scale.y(a.p90)) for a in joined], [(scale.x(a.at), scale.y(a.p10)) for a in joined]
    )


def _round_values(low: float, high: float, max_count: int) -> list[float]:
    """Up to about `max_count` round numbers between two values, for labels."""
    rough = (high - low) / max(max_count, 1)
    power = 10.0 ** floor(log10(rough))
    step = next((power * nice for nice in (1, 2, 5) if power * nice >= rough), power * 10)
    first = ceil(low / step)
    return [round(number * step, 6) for number in range(first, floor(high / step) + 1)]


_TIME_STEPS = tuple(timedelta(minutes=m) for m in (15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200))


def _time_ticks(series: ChartSeries, max_count: int) -> list[tuple[datetime, bool]]:
    """Up to about `max_count` round local times of a series, and whether each is midnight."""
    start, end = series.start, series.end
    step = next((s for s in _TIME_STEPS if (end - start) / s <= max(max_count, 2)), _TIME_STEPS[-1])
    midnight = start.astimezone(series.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + step * ceil((start - midnight) / step)
    ticks = []
    while at <= end:
        ticks.append((at, (at.hour, at.minute) == (0, 0)))
        at += step
    return ticks
