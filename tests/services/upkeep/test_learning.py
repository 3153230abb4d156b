"""Learning from odd records: each is learnt or said, none ends the program, and one stream's trouble is its own."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from sqlalchemy import Engine, text

from alerts.forecast.level_forecast import ForecastModel, LeadModel, predict
from alerts.forecast.series import Array, Series
from models.json_text import NotFiniteError, json_text, struct_text
from models.learning import LearningTrouble
from models.rule import Stage
from services.__main__ import main
from services.commands.learn import as_text
from services.commands.upkeep import run_daily_tasks
from services.upkeep.learning import Fit, fit_all_stations, fit_station
from tests.services.upkeep.odd_records import ODD_RECORDS, STEP_S
from tests.services.web.api.conftest import RIVER, City, city_on

RULE = Stage(thresholds_m=(0.6, 0.8, 1.0))
START = datetime(2025, 9, 1, tzinfo=UTC)
SHORT = {"empty", "one row", "two rows"}
NO_RAIN = [None, 0.0, float("nan")]
"""No gauge, a gauge without rain, a gauge that never sent."""


@pytest.mark.parametrize("level_m", ODD_RECORDS.values(), ids=ODD_RECORDS)
@pytest.mark.parametrize("rain_mm", NO_RAIN, ids=["no gauge", "no rain", "silent gauge"])
def test_an_odd_record_is_learnt_as_plain_numbers_or_is_too_short(level_m: Array, rain_mm: float | None) -> None:
    rain = None if rain_mm is None else np.full(len(level_m), rain_mm)
    model = fit_station(RULE, Series(START.timestamp(), STEP_S, level_m, rain))
    assert (model is None) == (len(level_m) <= 2)
    if model is not None:
        assert json.loads(struct_text(model))["leads"]
        rest = None if rain is None else rain[-400:]
        made = predict(model, Series(START.timestamp(), STEP_S, level_m[-400:], rest))
        assert made is None or all(np.isfinite([one.expected_m, one.p10_m, one.p90_m]).all() for one in made.leads)


SHOWN = (LeadModel(900, published=True), LeadModel(1800, published=True), LeadModel(3600))


@pytest.mark.parametrize(
    ("spells", "leads", "said"),
    [
        (0, (), "no rise in the record, it is dry or constant"),
        (4, SHOWN[2:], "4 rises in the record, 10 are needed"),
        (31, SHOWN[2:], "31 rises learnt: no forecast is shown, since none is better"),
        (31, SHOWN, "31 rises learnt; forecast shown 15, 30 min ahead"),
    ],
)
def test_the_command_says_of_each_stream_what_was_learnt_or_why_nothing_is_shown(
    spells: int, leads: tuple[LeadModel, ...], said: str
) -> None:
    assert as_text(Fit("puente", ForecastModel(STEP_S, 1.0, 0.1, spells=spells, leads=leads))).startswith(said)
    assert as_text(Fit("puente", None, LearningTrouble.TOO_SHORT)).startswith("too short a record")


@pytest.mark.parametrize("level_m", ODD_RECORDS.values(), ids=ODD_RECORDS)
def test_an_odd_record_is_verified_or_refused_with_a_reason(
    level_m: Array, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.csv"
    values = ["" if np.isnan(one) else repr(one) for one in level_m.tolist()]
    times = [(START + timedelta(seconds=STEP_S * row)).isoformat() for row in range(len(values))]
    record.write_text("time_utc,level_m\n" + "".join(f"{at},{one}\n" for at, one in zip(times, values, strict=True)))
    code = main(["skill", str(record), "--column", "level_m", "--levels", "0.6,0.8", "--json"])
    told = capsys.readouterr()
    if len(level_m) < 2:
        assert code == 2
        assert told.err.startswith("vigia: record.csv: ")
    else:
        assert code == 0
        assert json.loads(told.out, parse_constant=_refuse)["rows"] == np.count_nonzero(~np.isnan(level_m))


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_numpy_scalars_are_written_as_numbers_and_what_is_not_finite_is_refused() -> None:
    assert json_text({"a": np.float64(0.1), "b": np.int64(2), "c": np.bool_(True)}) == '{"a":0.1,"b":2,"c":true}'
    model = ForecastModel(np.int64(300), np.float64(1.5), 0.1)  # type: ignore[arg-type]
    assert json.loads(struct_text(model))["high_m"] == 1.5
    with pytest.raises(NotFiniteError):
        struct_text(ForecastModel(300, float("nan"), 0.1))


@pytest.fixture
def city(database: Engine) -> Iterator[City]:
    """A city, without readings."""
    with city_on(database) as made:
        yield made


def test_one_streams_trouble_is_its_own_and_stands_on_its_page(city: City) -> None:
    records: dict[str, Callable[[], Array]] = {RIVER: _broken}

    def source(station: str, _stage: Stage) -> Series:
        return Series(START.timestamp(), STEP_S, records.get(station, lambda: ODD_RECORDS["dry"])())

    fits = {fit.station: fit for fit in fit_all_stations(city.database, source, city.clock.now)}
    assert fits[RIVER].trouble is LearningTrouble.FAILED
    others = [fit for station, fit in fits.items() if station != RIVER]
    assert others
    assert all(fit.trouble is None and fit.model is not None for fit in others)

    assert city.get(f"/stations/{RIVER}/forecast")["not_learnt"] == "failed"
    assert city.get(f"/stations/{others[0].station}/forecast")["not_learnt"] is None
    assert "No se pudo aprender el pronóstico por un error" in city.client.get(f"/estacion/{RIVER}").text
    assert "No se pudo aprender" not in city.client.get(f"/estacion/{others[0].station}").text
    assert 'vigia_streams_not_learnt{trouble="failed"} 1.0' in city.client.get("/metrics").text

    records[RIVER] = lambda: ODD_RECORDS["one row"]
    list(fit_all_stations(city.database, source, city.clock.now))
    assert "Todavía no hay un mes de niveles" in city.client.get(f"/estacion/{RIVER}").text
    records[RIVER] = lambda: ODD_RECORDS["constant"]
    list(fit_all_stations(city.database, source, city.clock.now))
    assert city.get(f"/stations/{RIVER}/forecast")["not_learnt"] is None


def _broken() -> Array:
    raise ZeroDivisionError


def test_upkeep_learns_from_a_dry_month(city: City) -> None:
    """A level of 0.40 m at one stream for 40 days, and none at the others."""
    start, end = city.clock.now - timedelta(days=40), city.clock.now
    city.execute(
        "INSERT INTO river_readings (device_id, observed_at, received_at, seq, flags, level_m)"
        f" SELECT d.id, at, at, 0, 0, 0.4 FROM (SELECT min(id) AS id FROM devices WHERE station_id = '{RIVER}') d,"
        f" generate_series(timestamptz '{start}', '{end}', interval '5 min') at"
    )
    run_daily_tasks(city.database, city.clock, Event())
    with city.database.connect() as connection:
        query = text("SELECT station_id, trouble FROM learning_outcomes")
        outcomes = {row.station_id: row.trouble for row in connection.execute(query)}
    assert outcomes.pop(RIVER) is None
    assert set(outcomes.values()) == {"too_short"}
