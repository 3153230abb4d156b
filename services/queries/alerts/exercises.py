"""The exercise that runs, those before, and how fast each person answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, literal, select

from models.incident import EXERCISE_RULE
from models.tables.alerts import alert_actions, alerts
from models.tables.declared.exercises import exercise_steps, exercises
from models.tables.duty import escalation_calls, escalations
from models.tables.people import people
from services.queries.alerts.alert_history import alert_query
from services.runtime.audience import Audience

ANSWERS = ("acknowledge", "answer")
"""Actions that answer an alert or an incident."""
MAX_EXERCISES = 24
"""Two years of a drill a month."""


@dataclass(frozen=True, slots=True)
class Answer:
    """When a person first answered an exercise, seconds after its start; None where they were called and did not."""

    person: str
    after_s: float | None


@dataclass(frozen=True, slots=True)
class ExerciseResult:
    """An exercise with its steps and who answered, the fastest first."""

    exercise: Row[Any]
    steps: int
    steps_done: int
    answers: Sequence[Answer]

    @property
    def first_s(self) -> float | None:
        """Seconds from the start to the first answer of anybody."""
        return next((one.after_s for one in self.answers if one.after_s is not None), None)


def running_exercise(transaction: Connection) -> Row[Any] | None:
    """The exercise that runs now; None without one."""
    return transaction.execute(select(exercises).where(exercises.c.ended_at.is_(None))).one_or_none()


def exercise_alerts(transaction: Connection, exercise: int) -> list[Row[Any]]:
    """The alerts of an exercise that are not closed, as the watch shows them."""
    query = alert_query(Audience.OPERATORS).where(_is_of(literal(exercise)), alerts.c.state != "closed")
    return list(transaction.execute(query.order_by(alerts.c.nar.desc(), alerts.c.id)))


def exercise_results(transaction: Connection) -> list[ExerciseResult]:
    """The newest exercises with their results, the newest first."""
    rows = transaction.execute(select(exercises).order_by(exercises.c.id.desc()).limit(MAX_EXERCISES)).all()
    return [_result(transaction, row) for row in rows]


def _result(transaction: Connection, exercise: Row[Any]) -> ExerciseResult:
    counted = select(func.count(), func.count(exercise_steps.c.done_at))
    steps, done = transaction.execute(counted.where(exercise_steps.c.exercise_id == exercise.id)).one()
    of_exercise = select(alerts.c.id, alerts.c.incident_id).where(_is_of(literal(exercise.id))).subquery()
    answered = (
        select(alert_actions.c.actor, func.min(alert_actions.c.at))
        .where(
            alert_actions.c.alert_id.in_(select(of_exercise.c.id))
            | alert_actions.c.incident_id.in_(select(of_exercise.c.incident_id)),
            alert_actions.c.action.in_(ANSWERS),
        )
        .group_by(alert_actions.c.actor)
    )
    first: dict[str, datetime | None] = {row[0]: row[1] for row in transaction.execute(answered)}
    called = (
        select(people.c.name)
        .distinct()
        .join(escalation_calls, escalation_calls.c.person_id == people.c.id)
        .join(escalations, escalations.c.id == escalation_calls.c.escalation_id)
        .join(alerts, alerts.c.incident_id == escalations.c.incident_id)
        .where(_is_of(literal(exercise.id)))
    )
    for name in transaction.execute(called).scalars():
        first.setdefault(name, None)
    answers = [
        Answer(one, None if at is None else (at - exercise.started_at).total_seconds()) for one, at in first.items()
    ]
    return ExerciseResult(exercise, steps, done, sorted(answers, key=_by_speed))


def _by_speed(answer: Answer) -> tuple[bool, float, str]:
    return answer.after_s is None, answer.after_s or 0.0, answer.person


def _is_of(exercise: Any) -> Any:
    """Whether an alert is of this exercise."""
    return alerts.c.rule_id.like(func.concat(EXERCISE_RULE, exercise, "/%"))
