"""Learning each stream's forecast and outlook from its own past, and keeping them where pages and rules find them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np
from sqlalchemy import Connection, Engine, text

from alerts import rulebook
from alerts.forecast.learning import fit
from alerts.forecast.level_forecast import Model
from alerts.forecast.series import Series, regular
from alerts.rulebook import Rulebook
from models.reading import UNTRUSTED
from models.rows import driver
from models.rule import Rule, Stage

Record = Callable[[str, Stage], Series]
"""Gives a station's past, on the step that suits its rule."""
LEAST_STEP_S = 300
LEAST_ROWS = 30 * 24 * 12
"""A month of five minutes: from less, nothing is learnt."""

_LEVELS = (
    "SELECT at, level_m FROM (SELECT date_bin(:step, r.observed_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS at,"
    " r.level_m, row_number() OVER (PARTITION BY date_bin(:step, r.observed_at, TIMESTAMPTZ '2000-01-01 00:00:00+00')"
    " ORDER BY r.observed_at DESC) AS place FROM river_readings r JOIN devices d ON d.id = r.device_id"
    f" WHERE d.station_id = :station AND r.observed_at >= :start AND r.flags & {int(UNTRUSTED)} = 0) AS latest"
    " WHERE place = 1 ORDER BY at"
)
_RAIN = (
    "SELECT date_bin(:step, r.observed_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS at,"
    " sum(r.rain_mm) / count(DISTINCT d.id) FROM rain_readings r JOIN devices d ON d.id = r.device_id"
    f" WHERE d.station_id = ANY(:gauges) AND r.observed_at >= :start AND r.flags & {int(UNTRUSTED)} = 0 GROUP BY 1"
)


def stages(book: Rulebook) -> list[tuple[Rule, Stage]]:
    """The rules of streams: what can be learnt for."""
    return [
        (rule, rule.judgement) for rules in book.rules.values() for rule in rules if isinstance(rule.judgement, Stage)
    ]


def past(transaction: Connection, station: str, stage: Stage, start: datetime) -> Series:
    """The station's stored record since `start`, on the rule's own step and never finer than five minutes."""
    step_s = max(LEAST_STEP_S, stage.period_s)
    asked = {"step": timedelta(seconds=step_s), "start": start, "station": station, "gauges": list(stage.rain)}
    levels = transaction.execute(text(_LEVELS), asked).all()
    rain = {at: float(rain_mm) for at, rain_mm in transaction.execute(text(_RAIN), asked)} if stage.rain else {}
    return regular(
        [at.timestamp() for at, _ in levels],
        [level_m for _, level_m in levels],
        step_s=step_s,
        rain_mm=[rain.get(at) for at, _ in levels] if rain else None,
    )


def learn(stage: Stage, series: Series) -> Model | None:
    """What the record teaches; None where it is too short to teach anything."""
    if np.count_nonzero(~np.isnan(series.level_m)) * series.step_s < LEAST_ROWS * LEAST_STEP_S:
        return None
    return fit(series, stage)


def learn_all(database: Engine, record: Record, now: datetime) -> Iterator[tuple[str, Model | None]]:
    """Learn for every stream from the record that `record` gives of it; each model is in force at once."""
    with database.begin() as transaction:
        watched = stages(rulebook.read(transaction))
    for rule, stage in watched:
        model = learn(stage, record(rule.subject, stage))
        if model is not None:
            with database.begin() as transaction:
                keep(transaction, {rule.subject: model}, now)
        yield rule.subject, model


def stored(database: Engine, start: datetime) -> Record:
    """The record that is in the tables, since `start`."""

    def record(station: str, stage: Stage) -> Series:
        with database.begin() as transaction:
            return past(transaction, station, stage, start)

    return record


def keep(transaction: Connection, models: Mapping[str, Model], now: datetime) -> None:
    """Put models in force, by station; every process looks again."""
    with driver(transaction).cursor() as cursor:
        for station, model in models.items():
            cursor.execute(
                "INSERT INTO forecast_models (station_id, model, fitted_at) VALUES (%s, %s::jsonb, %s)"
                " ON CONFLICT (station_id) DO UPDATE SET model = excluded.model, fitted_at = excluded.fitted_at",
                [station, msgspec.json.encode(model).decode(), now],
            )
        if models:
            cursor.execute("UPDATE configuration SET version = version + 1")


def leads_published(model: Model) -> Sequence[int]:
    """The leads, s, that beat persistence well enough to be shown."""
    return [lead.lead_s for lead in model.leads if lead.published]
