"""Fit each stream's level forecast and exceedance model to its own record, and store them for the rules and pages."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from alerts import rulebook
from alerts.forecast.learning import fit_model
from alerts.forecast.level_forecast import ForecastModel
from alerts.forecast.series import Series, resample
from alerts.rulebook import Rulebook
from models.json_text import NotFiniteError, struct_text
from models.learning import LearningTrouble
from models.reading import UNTRUSTED
from models.rows import driver
from models.rule import Rule, Stage

SeriesSource = Callable[[str, Stage], Series]
"""Takes a station and its stage rule; returns the station's record on the step of the rule."""
log = logging.getLogger(__name__)

MIN_STEP_S = 300
MIN_ROWS = 30 * 24 * 12
"""A month of five-minute steps: with less, nothing is fitted."""

_LEVELS_QUERY = (
    "SELECT at, level_m FROM (SELECT date_bin(:step, r.observed_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS at,"
    " r.level_m, row_number() OVER (PARTITION BY date_bin(:step, r.observed_at, TIMESTAMPTZ '2000-01-01 00:00:00+00')"
    " ORDER BY r.observed_at DESC) AS place FROM river_readings r JOIN devices d ON d.id = r.device_id"
    f" WHERE d.station_id = :station AND r.observed_at >= :start AND r.flags & {int(UNTRUSTED)} = 0) AS latest"
    " WHERE place = 1 ORDER BY at"
)
_RAIN_QUERY = (
    "SELECT date_bin(:step, r.observed_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS at,"
    " sum(r.rain_mm) / count(DISTINCT d.id) FROM rain_readings r JOIN devices d ON d.id = r.device_id"
    f" WHERE d.station_id = ANY(:gauges) AND r.observed_at >= :start AND r.flags & {int(UNTRUSTED)} = 0 GROUP BY 1"
)


@dataclass(frozen=True, slots=True)
class Fit:
    """What came of fitting one stream: its model, or what went wrong."""

    station: str
    model: ForecastModel | None
    trouble: LearningTrouble | None = None


def stage_rules(book: Rulebook) -> list[tuple[Rule, Stage]]:
    """All stage rules: a model is fitted for the station of each."""
    return [
        (rule, rule.judgement) for rules in book.rules.values() for rule in rules if isinstance(rule.judgement, Stage)
    ]


def stored_series(transaction: Connection, station: str, stage: Stage, start: datetime) -> Series:
    """The station's stored record since `start`, on the rule's step but never finer than five minutes."""
    step_s = max(MIN_STEP_S, stage.period_s)
    parameters = {"step": timedelta(seconds=step_s), "start": start, "station": station, "gauges": list(stage.rain)}
    levels = transaction.execute(text(_LEVELS_QUERY), parameters).all()
    rain = (
        {at: float(rain_mm) for at, rain_mm in transaction.execute(text(_RAIN_QUERY), parameters)} if stage.rain else {}
    )
    return resample(
        [at.timestamp() for at, _ in levels],
        [level_m for _, level_m in levels],
        step_s=step_s,
        rain_mm=[rain.get(at) for at, _ in levels] if rain else None,
    )


def fit_station(stage: Stage, series: Series) -> ForecastModel | None:
    """The model fitted to the record; None where the record is too short."""
    if np.count_nonzero(~np.isnan(series.level_m)) * series.step_s < MIN_ROWS * MIN_STEP_S:
        return None
    return fit_model(series, stage)


def fit_all_stations(database: Engine, source: SeriesSource, now: datetime) -> Iterator[Fit]:
    """Fit and store a model for every stream, from the record that `source` returns. Each is in force at once.

    What goes wrong with one stream's record costs that stream alone: its last model stays in force, and the trouble is
    stored for its page. Raises what the database raises.
    """
    with database.begin() as transaction:
        rules = stage_rules(rulebook.read(transaction))
    for rule, stage in rules:
        fit = _fit(rule.subject, stage, source)
        with database.begin() as transaction:
            if fit.model is not None:
                store_models(transaction, {fit.station: fit.model}, now)
            _store_outcome(transaction, fit, now)
        yield fit


def _fit(station: str, stage: Stage, source: SeriesSource) -> Fit:
    try:
        model = fit_station(stage, source(station, stage))
        if model is None:
            return Fit(station, None, LearningTrouble.TOO_SHORT)
        struct_text(model)
    except SQLAlchemyError:
        raise
    except NotFiniteError as error:
        details = {"action": "learn", "station": station, "trouble": str(error)}
        log.warning("the fit of a stream gave no usable numbers", extra=details)
        return Fit(station, None, LearningTrouble.NOT_FINITE)
    except Exception:  # an error over one record must not stop the learning of the others
        log.exception("a stream's forecast could not be learnt", extra={"action": "learn", "station": station})
        return Fit(station, None, LearningTrouble.FAILED)
    return Fit(station, model)


def _store_outcome(transaction: Connection, fit: Fit, now: datetime) -> None:
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO learning_outcomes (station_id, at, trouble) VALUES (%s, %s, %s)"
            " ON CONFLICT (station_id) DO UPDATE SET at = excluded.at, trouble = excluded.trouble",
            [fit.station, now, fit.trouble],
        )


def stored_series_source(database: Engine, start: datetime) -> SeriesSource:
    """A source that reads the tables, since `start`."""

    def read_station(station: str, stage: Stage) -> Series:
        with database.begin() as transaction:
            return stored_series(transaction, station, stage, start)

    return read_station


def store_models(transaction: Connection, models: Mapping[str, ForecastModel], now: datetime) -> None:
    """Store models by station. The new configuration version makes every process read them.

    Raises NotFiniteError before anything is written where a number of a model is not finite.
    """
    texts = {station: struct_text(model) for station, model in models.items()}
    with driver(transaction).cursor() as cursor:
        for station, model_text in texts.items():
            cursor.execute(
                "INSERT INTO forecast_models (station_id, model, fitted_at) VALUES (%s, %s::jsonb, %s)"
                " ON CONFLICT (station_id) DO UPDATE SET model = excluded.model, fitted_at = excluded.fitted_at",
                [station, model_text, now],
            )
        if texts:
            cursor.execute("UPDATE configuration SET version = version + 1")


def published_leads(model: ForecastModel) -> Sequence[int]:
    """The leads, s, whose forecast is published because it beats persistence by enough."""
    return [lead.lead_s for lead in model.leads if lead.published]
