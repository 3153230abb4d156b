"""Level forecasts of streams that have a learnt model, from their levels and the rain of their gauges."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
from sqlalchemy import Connection, select, text

from alerts.forecast.level_forecast import HISTORY_S, Forecast, ForecastModel, LeadForecast, predict
from alerts.forecast.series import Series
from models.learning import LearningTrouble, NoForecast
from models.reading import NO_LEVEL_NOW, Flag
from models.tables.city import stations
from models.tables.rules import forecast_models, learning_outcomes, rules

MAX_STATIONS = 500
Values = dict[datetime, float]


@dataclass(frozen=True, slots=True)
class PublishedForecast:
    """The published forecast of a station. `made_at`: the time of the level that it starts from."""

    station: str
    made_at: datetime
    ahead: tuple[LeadForecast, ...]


def published_forecasts(
    transaction: Connection, now: datetime, station: str | None = None
) -> dict[str, PublishedForecast]:
    """Published forecasts at `now` by station, of all or one. Stations with quiet or unknown water have none."""
    found = _forecasts(transaction, now, station)
    return {one: made for one, made in found.items() if isinstance(made, PublishedForecast)}


def forecast_of(transaction: Connection, now: datetime, station: str) -> PublishedForecast | NoForecast:
    """The published forecast of one station, or why there is none."""
    found = _forecasts(transaction, now, station).get(station)
    if found is not None:
        return found
    judged = select(rules.c.id).where(
        rules.c.active, rules.c.subject == station, rules.c.judgement["judgement"].astext == "stage"
    )
    is_stream = transaction.execute(judged.limit(1)).first() is not None
    return NoForecast.NOT_LEARNT if is_stream else NoForecast.NO_STREAM


def _forecasts(
    transaction: Connection, now: datetime, station: str | None
) -> dict[str, PublishedForecast | NoForecast]:
    """The published forecast of each station with a learnt model, or why there is none."""
    query = (
        select(forecast_models.c.station_id, forecast_models.c.model, rules.c.judgement["rain"].label("rain"))
        .select_from(
            forecast_models.join(stations).join(
                rules, (rules.c.subject == stations.c.id) & (rules.c.judgement["judgement"].astext == "stage")
            )
        )
        .where(rules.c.active, stations.c.active)
        .limit(MAX_STATIONS)
    )
    if station is not None:
        query = query.where(stations.c.id == station)
    models = {
        row.station_id: (msgspec.convert(row.model, ForecastModel), tuple(row.rain or ()))
        for row in transaction.execute(query)
        if "leads" in row.model
    }
    found: dict[str, PublishedForecast | NoForecast] = {}
    steps: defaultdict[int, list[str]] = defaultdict(list)
    for station_id, (model, _) in models.items():
        if any(lead.published for lead in model.leads):
            steps[model.step_s].append(station_id)
        else:
            found[station_id] = NoForecast.NO_BETTER
    for step_s, station_ids in steps.items():
        found |= _forecasts_on_grid(transaction, models, station_ids, step_s, now)
    return found


@dataclass(frozen=True, slots=True)
class LearningFailure:
    """Why nothing was learnt when a stream's forecast was last learnt, and when that was."""

    at: datetime
    trouble: LearningTrouble


def learning_failure(transaction: Connection, station: str) -> LearningFailure | None:
    """What went wrong when this stream's forecast was last learnt; None where nothing did, or where it never was."""
    query = select(learning_outcomes.c.at, learning_outcomes.c.trouble).where(
        learning_outcomes.c.station_id == station, learning_outcomes.c.trouble.is_not(None)
    )
    row = transaction.execute(query).one_or_none()
    return None if row is None else LearningFailure(row.at, LearningTrouble(row.trouble))


def _forecasts_on_grid(
    transaction: Connection,
    models: Mapping[str, tuple[ForecastModel, tuple[str, ...]]],
    station_ids: Sequence[str],
    step_s: int,
    now: datetime,
) -> Iterator[tuple[str, PublishedForecast | NoForecast]]:
    levels = _level_grid(transaction, station_ids, step_s, now)
    gauges = sorted({gauge for station_id in station_ids for gauge in models[station_id][1]})
    rain = _rain_grid(transaction, gauges, step_s, now)
    for station_id in station_ids:
        model, rain_gauges = models[station_id]
        if not levels.get(station_id):
            yield station_id, NoForecast.NO_LEVEL
            continue
        series = forecast_input(
            levels[station_id], [rain.get(gauge, {}) for gauge in rain_gauges] if model.with_rain else None, step_s
        )
        forecast = predict(model, series)
        yield station_id, _published(station_id, forecast)


def _published(station_id: str, forecast: Forecast | None) -> PublishedForecast | NoForecast:
    if forecast is None:
        return NoForecast.NO_LEVEL
    if not forecast.active:
        return NoForecast.QUIET if forecast.complete else NoForecast.GAPS
    published = tuple(one for one in forecast.leads if one.published)
    return PublishedForecast(station_id, datetime.fromtimestamp(forecast.at_s, UTC), published)


def forecast_input(levels: Values, gauges: Sequence[Values] | None, step_s: int) -> Series:
    """The model's input: the last `HISTORY_S` before the newest level, on a time grid.

    Rain of a step is the mean of the gauges that reported it; NaN where none did.
    """
    end, rows = max(levels), HISTORY_S // step_s + 1
    times = [end - timedelta(seconds=step_s * (rows - 1 - row)) for row in range(rows)]
    level = np.array([levels.get(at, np.nan) for at in times])
    if gauges is None:
        return Series(times[0].timestamp(), step_s, level)
    amounts_by_step = [[gauge[at] for gauge in gauges if at in gauge] for at in times]
    rain = np.array([np.mean(amounts) if amounts else np.nan for amounts in amounts_by_step])
    return Series(times[0].timestamp(), step_s, level, rain)


_TRUSTED_RECENT = (
    f"r.flags & {int(NO_LEVEL_NOW)} = 0 AND r.observed_at > CAST(:start AS timestamptz)"
    " AND r.observed_at <= CAST(:now AS timestamptz) AND d.station_id = ANY(:stations)"
    # A sudden change counts from the next reading on, which confirms it or not.
    f" AND NOT (r.flags & {int(Flag.JUMP)} <> 0 AND EXISTS (SELECT FROM device_memories m"
    " WHERE m.device_id = r.device_id AND m.observed_at = r.observed_at))"
)
_GRID_TIME = "date_bin(:step, r.observed_at + :step / 2, TIMESTAMPTZ '2000-01-01 00:00:00+00')"


def _level_grid(transaction: Connection, station_ids: Sequence[str], step_s: int, now: datetime) -> dict[str, Values]:
    """The last trusted level of each step by station, m."""
    query = (
        f"SELECT DISTINCT ON (d.station_id, at) d.station_id, {_GRID_TIME} AS at, r.level_m"
        f" FROM devices d JOIN river_readings r ON r.device_id = d.id WHERE {_TRUSTED_RECENT}"
        " ORDER BY d.station_id, at, r.observed_at DESC"
    )
    return _by_station(transaction, query, station_ids, step_s, now)


def _rain_grid(transaction: Connection, station_ids: Sequence[str], step_s: int, now: datetime) -> dict[str, Values]:
    """The rain of each step by station, mm. Of several devices of a station: the mean."""
    query = (
        f"SELECT d.station_id, {_GRID_TIME} AS at, sum(r.rain_mm) / count(DISTINCT d.id)"
        f" FROM devices d JOIN rain_readings r ON r.device_id = d.id WHERE {_TRUSTED_RECENT} GROUP BY 1, 2"
    )
    return _by_station(transaction, query, station_ids, step_s, now)


def _by_station(
    transaction: Connection, query: str, station_ids: Sequence[str], step_s: int, now: datetime
) -> dict[str, Values]:
    step = timedelta(seconds=step_s)
    period = {"start": now - timedelta(seconds=HISTORY_S) - step, "now": now, "step": step}
    found: defaultdict[str, Values] = defaultdict(dict)
    for station_id, at, value in transaction.execute(text(query), {"stations": list(station_ids), **period}):
        found[station_id][at] = value
    return dict(found)
