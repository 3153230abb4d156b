"""Starting and ending an exercise, in the caller's transaction: a flood of one basin that no sensor measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from alerts import exercise_log
from alerts.exercise_log import Step
from models.alert import NAR
from models.incident import Exercise
from models.kinds.rain import RAIN
from models.kinds.river import RIVER
from models.tables.city import basins, stations
from models.tables.declared.exercises import MAX_NAME_CHARS
from services.runtime.problem import HttpProblem, NotFound

STATIONS_OF_KIND = {RAIN.name: 1, RIVER.name: 2}
"""How many rain gauges and streams of the basin take part, by name of the station."""
JUDGEMENTS = {RAIN.name: "rainfall", RIVER.name: "stage"}
MIN_STEP_S, MAX_STEP_S, USUAL_STEP_S = 5, 3_600, 120


class NoSuchBasin(NotFound):
    """No existe esa cuenca. / There is no such basin."""


class NothingToExercise(HttpProblem):
    """Esa cuenca no tiene arroyos ni pluviómetros activos. / That basin has no active stream or rain gauge."""


class ExerciseRunning(HttpProblem):
    """Ya hay un ejercicio en curso: terminalo antes de empezar otro. / An exercise runs already: end it first."""

    status = 409


class NoExercise(NotFound):
    """No hay ningún ejercicio en curso. / No exercise is running."""


class BadExercise(HttpProblem):
    """Nombre de 1 a 100 letras, pasos de 5 a 3600 segundos. / A name of 1 to 100 letters, steps of 5 to 3600 s."""


@dataclass(frozen=True, slots=True)
class ExercisePlan:
    """What to exercise: a basin that goes from amarillo to rojo, one colour a step, with the first step at once."""

    kind: Exercise
    name: str
    basin: str
    step_s: int = USUAL_STEP_S


def start_exercise(transaction: Connection, plan: ExercisePlan, *, by: str, now: datetime) -> int:
    """Start an exercise, whose alerts the notifier raises; returns its number.

    Raises BadExercise, NoSuchBasin, NothingToExercise, ExerciseRunning.
    """
    name = plan.name.strip()
    if not (0 < len(name) <= MAX_NAME_CHARS and "\0" not in name and MIN_STEP_S <= plan.step_s <= MAX_STEP_S):
        raise BadExercise
    if transaction.execute(select(basins.c.id).where(basins.c.id == plan.basin)).first() is None:
        raise NoSuchBasin
    steps = list(_steps(transaction, plan, now))
    if not steps:
        raise NothingToExercise
    number = exercise_log.start(transaction, plan.kind, name, steps, by=by, now=now)
    if number is None:
        raise ExerciseRunning
    return number


def end_exercise(transaction: Connection, *, by: str, now: datetime) -> int:
    """End the exercise that runs; the notifier closes its alerts. Returns its number. Raises NoExercise."""
    number = exercise_log.end(transaction, by=by, now=now)
    if number is None:
        raise NoExercise
    return number


def _steps(transaction: Connection, plan: ExercisePlan, now: datetime) -> Iterator[Step]:
    for kind, most in STATIONS_OF_KIND.items():
        query = select(stations.c.id).where(
            stations.c.basin_id == plan.basin, stations.c.kind == kind, stations.c.active
        )
        for station in transaction.execute(query.order_by(stations.c.name).limit(most)).scalars().all():
            for after, nar in enumerate((NAR.AMARILLO, NAR.NARANJA, NAR.ROJO)):
                yield Step(station, JUDGEMENTS[kind], nar, now + timedelta(seconds=after * plan.step_s))
