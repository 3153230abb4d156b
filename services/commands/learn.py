"""`vigia learn`: learn each stream's forecast from its own record, or for a trial from a simulated past."""

import argparse
from datetime import datetime, timedelta

from alerts import rulebook
from alerts.forecast import Model
from alerts.series import Series, regular
from models.rule import Stage
from services.learn import keep, leads_published, learn, past, stages
from services.runtime import clock_of, migrated_database
from services.seed import LA_PLATA, read_seed
from services.settings import Settings
from simulators.scenarios import SCENARIOS
from simulators.world import World

NAME = "learn"
HELP = "Learn the streams' forecasts from what is stored; run it daily."
DAYS = 730
MOST_DAYS = 3650
STEP_S = 300


def arguments(parser: argparse.ArgumentParser) -> None:
    """How much of the past, and whose."""
    days = range(1, MOST_DAYS + 1)
    parser.add_argument("--days", type=int, default=DAYS, choices=days, metavar="N", help="how far back (default: 730)")
    parser.add_argument(
        "--simulated",
        choices=SCENARIOS,
        help="not from what is stored: from the simulated city's past in this scenario",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each stream; exit status 1 where nothing could be learnt for any."""
    settings = Settings()
    now = clock_of(settings)()
    start = now - timedelta(days=arguments.days)
    learnt: dict[str, Model] = {}
    with migrated_database(settings, "vigia-learn") as database:
        with database.begin() as transaction:
            watched = stages(rulebook.read(transaction))
        simulated: dict[str, Series] | None = None
        if arguments.simulated:
            simulated = _simulated(arguments.simulated, {rule.subject: stage for rule, stage in watched}, start, now)
        for rule, stage in watched:
            with database.begin() as transaction:
                series = past(transaction, rule.subject, stage, start) if simulated is None else simulated[rule.subject]
            model = learn(stage, series)
            if model is not None:
                learnt[rule.subject] = model
            print(f"{rule.subject}: {_said(model)}", flush=True)
        with database.begin() as transaction:
            keep(transaction, learnt, now)
    return 0 if learnt else 1


def _said(model: Model | None) -> str:
    if model is None:
        return "too short a record"
    return f"{model.spells} spells; leads shown, min: {[lead_s // 60 for lead_s in leads_published(model)]}"


def _simulated(scenario: str, watched: dict[str, Stage], start: datetime, end: datetime) -> dict[str, Series]:
    """What the streams of the simulated La Plata would have done until now, of another seed than what is shown."""
    world = World(read_seed(LA_PLATA).city, SCENARIOS[scenario].weather, seed=0, start=start)
    times: list[float] = []
    levels: dict[str, list[float | None]] = {station: [] for station in watched}
    rain: dict[str, list[float | None]] = {station: [] for station in watched}
    fallen = {gauge: 0.0 for stage in watched.values() for gauge in stage.rain}
    while world.now < end:
        for _ in range(STEP_S // 60):
            world.step()
        times.append(world.now.timestamp())
        since = {gauge: world.fallen_mm(gauge) - before for gauge, before in fallen.items()}
        fallen = {gauge: world.fallen_mm(gauge) for gauge in fallen}
        for station, stage in watched.items():
            levels[station].append(world.level_m(station))
            rain[station].append(sum(since[gauge] for gauge in stage.rain) / max(1, len(stage.rain)))
    return {station: regular(times, levels[station], step_s=STEP_S, rain_mm=rain[station]) for station in watched}
