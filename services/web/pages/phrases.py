"""Sentences about alerts and stations, made from their rows. Pure."""

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
    """Why an alert or transition is as it is; a silence that holds a colour says which."""
    match row.cause, row.evidence:
        case Cause.SILENCE, {"stage": int() as held} if held in _RAISED:
            return words("cause.silence_held", nar=words(f"nar.{NAR(held).name.lower()}"))
    return words(f"cause.{row.cause}") if words.has(f"cause.{row.cause}") else str(row.cause)


def in_language(words: Words, text: str) -> str:
    """A remark kept in both languages, Spanish first, in the reader's; one without a translation as it is."""
    spanish, slash, english = text.rpartition(BETWEEN_LANGUAGES)
    if not slash:
        return text
    return spanish if words.language == "es" else english


class StationChart(Protocol):
    """What a chart's sentence is made from."""

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


def chart_summary(words: Words, shown: StationChart) -> str:
    """A chart in one sentence, for those who do not see it: value, course, range, what comes, next threshold."""
    station, decimals = shown.station, 2 if shown.station.kind.unit == "m" else 1

    def amount(value: float) -> str:
        return f"{words.number(value, decimals)} {station.kind.unit}"

    if not shown.samples:
        return f"{station.name}: {words('chart.no_data')}"
    said = []
    if shown.health is Health.FRESH and station.value is not None:
        said.append(words("chart.now", value=amount(station.value)))
    else:
        said.append(words(f"health.{shown.health}", nar=words(f"nar.{station.nar.name.lower()}")))
    if shown.trend:
        said.append(words(f"course.{shown.trend.course}"))
    low, high = min(s.least for s in shown.samples), max(s.greatest for s in shown.samples)
    said.append(words("chart.range", low=amount(low), high=amount(high)))
    said += (
        [_forecast_range(words, amount(shown.forecast[-1].p10), amount(shown.forecast[-1].p90))]
        if shown.forecast
        else []
    )
    if station.thresholds and station.nar < NAR.ROJO:
        above = NAR(station.nar + 1)
        level = amount(station.thresholds[above - 1])
        said.append(words("chart.threshold_above", nar=words(f"nar.{above.name.lower()}"), value=level))
    return f"{station.name}: {', '.join(said)}"


def _forecast_range(words: Words, p10: str, p90: str) -> str:
    return f"{words('chart.forecast')}: {p10} – {p90}"
