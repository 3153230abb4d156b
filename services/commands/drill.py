"""`vigia drill start|end`: an exercise on the real screens, marked on each, that reaches nobody outside the staff."""

import argparse
import sys

from models.incident import Exercise
from services.actions.exercises import USUAL_STEP_S, ExercisePlan, end_exercise, start_exercise
from services.commands.token import operator_name
from services.opening import configured_clock, migrated_database
from services.runtime.problem import HttpProblem
from services.runtime.settings import Settings

NAME = "drill"
HELP = "Start or end a drill (simulacro) or training (capacitación): a flood that no sensor measured."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, who does it, and of a start: which basin, how fast and under which name."""
    parser.add_argument("action", choices=("start", "end"))
    parser.add_argument("--by", required=True, type=operator_name, help="who starts or ends it")
    parser.add_argument("--kind", choices=list(Exercise), default=Exercise.DRILL, help="drill (default) or training")
    parser.add_argument("--basin", help="the basin that floods, by its id; needed to start")
    parser.add_argument("--name", default="Vigía", help="what the screens call it")
    parser.add_argument("--step", type=int, default=USUAL_STEP_S, help=f"seconds a colour (default {USUAL_STEP_S})")


def run(arguments: argparse.Namespace) -> int:
    """Start or end one. Exit status 1: refused, with the reason."""
    settings = Settings()
    clock = configured_clock(settings)
    if arguments.action == "start" and not arguments.basin:
        print("vigia drill start: --basin is missing: the id of a basin, as GET /api/v1/basins lists", file=sys.stderr)
        return 2
    try:
        with migrated_database(settings, "vigia-drill") as database, database.begin() as transaction:
            if arguments.action == "start":
                plan = ExercisePlan(Exercise(arguments.kind), arguments.name, arguments.basin, arguments.step)
                number = start_exercise(transaction, plan, by=arguments.by, now=clock())
            else:
                number = end_exercise(transaction, by=arguments.by, now=clock())
    except HttpProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"exercise {number}: {'started' if arguments.action == 'start' else 'ended'}; see /simulacro")
    return 0
