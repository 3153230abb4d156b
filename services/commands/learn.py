"""`vigia learn`: learn each stream's forecast model from its stored readings, or from a simulated past."""

import argparse
from datetime import datetime, timedelta

import numpy as np

from alerts.forecast.level_forecast import MIN_SPELLS
from alerts.forecast.series import Series, resample
from models.learning import LearningTrouble
from models.rule import Stage
from services.city.seed import LA_PLATA, read_seed
from services.opening import configured_clock, migrated_database
from services.runtime.settings import Settings
from services.upkeep.learning import Fit, SeriesSource, fit_all_stations, published_leads, stored_series_source
from simulators.environment.world import World
from simulators.scenarios import SCENARIOS

NAME = "learn"
HELP = "Learn the streams' forecasts from stored readings; run it daily."
DAYS = 730
MAX_DAYS = 3650
STEP_S = 300
_TROUBLES = {
    LearningTrouble.TOO_SHORT: "too short a record: a month of trusted levels is needed",
    LearningTrouble.NOT_FINITE: "not learnt: the fit gave no usable numbers; its last forecast stays in force",
    LearningTrouble.FAILED: "not learnt because of an error, told above; its last forecast stays in force",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Length and source of the past."""
    days = range(1, MAX_DAYS + 1)
    parser.add_argument("--days", type=int, default=DAYS, choices=days, metavar="N", help="how far back (default: 730)")
    parser.add_argument(
        "--simulated",
        choices=SCENARIOS,
        help="not from what is stored: from the simulated city's past in this scenario",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each stream. Exit status 1 where no model could be learnt."""
    settings = Settings()
    now = configured_clock(settings)()
    start, learnt = now - timedelta(days=arguments.days), 0
    with migrated_database(settings, "vigia-learn") as database:
        record = (
            simulated(arguments.simulated, start, now) if arguments.simulated else stored_series_source(database, start)
        )
        for fit in fit_all_stations(database, record, now):
            print(f"{fit.station}: {as_text(fit)}", flush=True)
            learnt += fit.model is not None
    return 0 if learnt else 1


def as_text(fit: Fit) -> str:
    """What was learnt of a stream, or why there is no forecast of it."""
    if fit.model is None:
        return _TROUBLES[fit.trouble or LearningTrouble.FAILED]
    leads = [f"{lead_s // 60}" for lead_s in published_leads(fit.model)]
    if leads:
        return f"{fit.model.spells} rises learnt; forecast shown {', '.join(leads)} min ahead"
    if not fit.model.spells:
        return "no rise in the record, it is dry or constant: no forecast is shown; check the gauge, then learn again"
    if fit.model.spells < MIN_SPELLS:
        return f"{fit.model.spells} rises in the record, {MIN_SPELLS} are needed: no forecast is shown yet"
    return f"{fit.model.spells} rises learnt: no forecast is shown, since none is better than that the level stays"


def simulated(scenario: str, start: datetime, end: datetime) -> SeriesSource:
    """Levels and rain of the simulated La Plata until now, with another random seed than the demo's."""
    city = read_seed(LA_PLATA).city
    world = World(city, SCENARIOS[scenario].weather, seed=0, start=start)
    streams = [station.id for station in city.stations if station.kind == "river"]
    gauges = [station.id for station in city.stations if station.kind == "rain"]
    times: list[float] = []
    levels: dict[str, list[float]] = {station: [] for station in streams}
    fallen: dict[str, list[float]] = {gauge: [] for gauge in gauges}
    while world.now < end:
        for _ in range(STEP_S // 60):
            world.step()
        times.append(world.now.timestamp())
        for station in streams:
            levels[station].append(world.level_m(station))
        for gauge in gauges:
            fallen[gauge].append(world.accumulated_rain_mm(gauge))

    def record(station: str, stage: Stage) -> Series:
        rain = np.mean([np.diff(fallen[gauge], prepend=0.0) for gauge in stage.rain], axis=0) if stage.rain else None
        return resample(times, levels[station], step_s=STEP_S, rain_mm=None if rain is None else rain.tolist())

    return record
