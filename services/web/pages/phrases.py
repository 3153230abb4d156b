"""Sentences about alerts and stations, made from their rows. Pure functions."""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Row

from models.alert import NAR, Cause
from services.queries.stations.current import CurrentStation
from services.queries.watch.chart import ForecastPoint, Sample
from services.queries.watch.condition import Health, Trend
from services.web.pages.language import Words

BETWEEN_LANGUAGES = " / "
_RAISED = frozenset(NAR) - {NAR.VERDE}


def cause_text(words: Words, row: Row[Any]) -> str:
    """The cause of an alert or transition as text. A silence that holds a level names the level.

    The end of rain and of speeding has words of its own, since no water fell.
    """
    match row.cause, row.evidence:
        case Cause.SILENCE, {"stage": int() as held_level} if held_level in _RAISED:
            return words("cause.silence_held", nar=words(f"nar.{NAR(held_level).name.lower()}"))
        case Cause.RECESSION, {"rain_1_h_mm": _}:
            return words("cause.recession_rain")
        case Cause.RECESSION, {"over_limit_kmh": _}:
            return words("cause.recession_speed")
        case Cause.CANARY, {"process": "api"}:
            return words("cause.canary_screen")
    return words(f"cause.{row.cause}") if words.has(f"cause.{row.cause}") else str(row.cause)


def in_language(words: Words, text: str) -> str:
    """The reader's language of a text stored in both, Spanish first; a text without a translation as it is."""
    spanish, slash, english = text.rpartition(BETWEEN_LANGUAGES)
    if not slash:
        return text
    return spanish if words.language == "es" else english


class StationChart(Protocol):
    """A station with the data of its chart."""

    @property
    def station(self) -> CurrentStation: ...
    @property
    def health(self) -> Health: ...
    @property
    def trend(self) -> Trend | None: ...
    @property
    def samples(self) -> Sequence[Sample]: ...
    @property
    def forecast(self) -> Sequence[ForecastPoint]: ...


def chart_summary(words: Words, chart: StationChart) -> str:
    """A chart in one sentence, for screen readers: value, direction, range, forecast, next threshold."""
    station, decimals = chart.station, 2 if chart.station.kind.unit == "m" else 1

    def amount(value: float) -> str:
        return f"{words.number(value, decimals)} {station.kind.unit}"

    if not chart.samples:
        return f"{station.name}: {words('chart.no_data')}"
    parts = []
    if chart.health is Health.FRESH and station.value is not None:
        parts.append(words("chart.now", value=amount(station.value)))
    else:
        parts.append(words(f"health.{chart.health}", nar=words(f"nar.{station.nar.name.lower()}")))
    if chart.trend:
        parts.append(words(f"course.{chart.trend.course}"))
    low, high = min(s.least for s in chart.samples), max(s.greatest for s in chart.samples)
    parts.append(words("chart.range", low=amount(low), high=amount(high)))
    parts += (
        [_forecast_range(words, amount(chart.forecast[-1].p10), amount(chart.forecast[-1].p90))]
        if chart.forecast
        else []
    )
    if station.thresholds and station.nar < NAR.ROJO:
        above = NAR(station.nar + 1)
        level = amount(station.thresholds[above - 1])
        parts.append(words("chart.threshold_above", nar=words(f"nar.{above.name.lower()}"), value=level))
    return f"{station.name}: {', '.join(parts)}"


def _forecast_range(words: Words, p10: str, p90: str) -> str:
    return f"{words('chart.forecast')}: {p10} – {p90}"
