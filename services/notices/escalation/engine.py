"""Escalation of one incident: when a run of steps begins and ends, and whom each step calls. Pure functions.

A run goes on while its incident asks: while an open alert is unacknowledged at its colour. Its last step repeats until
then. Whoever cannot be reached is passed over at once, and stays marked as not reached.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from models.alert import NAR
from services.duty.rota import EVERYBODY

REPEAT = timedelta(seconds=300)
"""How long after the last step it is repeated, again and again."""
MAX_STEPS = 16
MAX_STEP_NUMBER = 32_000
"""Repetitions are counted on up to here: 110 days. The column holds no more."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the escalation of a colour. `after`: since the run began, at the latest.

    `all_answer`: every person called must answer, not the first alone.
    """

    after: timedelta
    position: str
    all_answer: bool = False


def _steps(*steps: tuple[int, str]) -> tuple[Step, ...]:
    return tuple(Step(timedelta(seconds=after_s), position) for after_s, position in steps)


_URGENT = _steps((0, "operator"), (60, "second"), (180, "chief"), (300, EVERYBODY))
DEFAULT_STEPS: Mapping[NAR, tuple[Step, ...]] = {
    NAR.AMARILLO: _steps((0, "operator"), (300, "second"), (900, "chief")),
    NAR.NARANJA: _URGENT,
    NAR.ROJO: _URGENT,
}
"""Where a municipality has no steps of its own for a colour. Amarillo wakes nobody but the chain."""


class Unreached(StrEnum):
    """Why a call reached nobody."""

    NOBODY = "nobody"
    """Nobody has the position now."""
    NO_CHANNEL = "no_channel"
    FAILED = "failed"
    """Every channel of the person failed."""


@dataclass(frozen=True, slots=True)
class Call:
    """One person called in one step. `person_id`: None where nobody has the position."""

    step: int
    position: str
    person_id: int | None
    called_at: datetime
    unreached_at: datetime | None = None
    unreached_why: Unreached | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One escalation of an incident. `answered_at`: when the incident stopped asking, while some must still answer.

    `orders`: when people ordered the next step at once, in order of time.
    """

    nar: NAR
    started_at: datetime
    answered_at: datetime | None = None
    calls: Sequence[Call] = field(default_factory=tuple)
    orders: Sequence[datetime] = ()


class Reason(StrEnum):
    """Why a run begins."""

    ASKS = "asks"
    """The incident asks for the first time."""
    GRAVER = "graver"
    """It asks at a graver colour than the run before."""
    AGAIN = "again"
    """It asks once more: a new alert, or an acknowledgement that was withdrawn or expired."""


class Ended(StrEnum):
    """Why a run ended."""

    ANSWERED = "answered"
    OVER = "over"
    """No alert of the incident fires any more."""
    GRAVER = "graver"
    """A run of a graver colour takes its place."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What an incident asks now. `asks`: the worst colour of its unacknowledged open alerts; None: all acknowledged.

    `since`: when the oldest alert of that colour took it. `firing`: whether any alert of it fires.
    """

    asks: NAR | None
    since: datetime | None
    firing: bool


@dataclass(frozen=True, slots=True)
class Course:
    """What becomes of the runs of an incident now: one ends, one begins, or one is answered but waits for others."""

    end: Ended | None = None
    begin: Reason | None = None
    begin_at: datetime | None = None
    answered: bool = False


def course(run: Run | None, demand: Demand, steps: Sequence[Step], now: datetime, *, earlier: NAR | None) -> Course:
    """What becomes of an incident's run. `run`: the one that goes on, if any. `earlier`: the colour of the newest one.

    A first run, and a graver one, count from the alert's time, so that a notifier that was away catches up.
    """
    if demand.asks is None:
        if run is None:
            return Course()
        if not demand.firing:
            return Course(end=Ended.OVER)
        if not must_answer(run, steps):
            return Course(end=Ended.ANSWERED)
        return Course(answered=run.answered_at is None)
    if run is None:
        return _begin(demand, demand.asks, now, earlier)
    if demand.asks > run.nar:
        return Course(Ended.GRAVER, Reason.GRAVER, max(run.started_at, _since(demand, now)))
    if run.answered_at is not None:
        return Course(Ended.ANSWERED, Reason.AGAIN, now)
    return Course()


def _begin(demand: Demand, asks: NAR, now: datetime, earlier: NAR | None) -> Course:
    if earlier is None:
        return Course(begin=Reason.ASKS, begin_at=_since(demand, now))
    if asks > earlier:
        return Course(begin=Reason.GRAVER, begin_at=_since(demand, now))
    return Course(begin=Reason.AGAIN, begin_at=now)


def _since(demand: Demand, now: datetime) -> datetime:
    return now if demand.since is None else min(demand.since, now)


def step_at(steps: Sequence[Step], number: int) -> Step:
    """The step of that number. After the last one it is repeated, REPEAT apart."""
    last = len(steps) - 1
    if number <= last:
        return steps[number]
    return replace(steps[last], after=steps[last].after + (number - last) * REPEAT)


def due_at(steps: Sequence[Step], run: Run, number: int) -> datetime:
    """When a step is due: at its time, or once the one before it has reached nobody, or when a person ordered it.

    Each order makes the step due that would come next. A repetition: at its time.
    """
    own = _unordered(steps, run, number)
    return min([own, *(at for step, at in _ordered(steps, run) if step == number)])


def _ordered(steps: Sequence[Step], run: Run) -> list[tuple[int, datetime]]:
    """The steps that people ordered, with the time of the order. After the last step nothing is left to order."""
    ordered: list[tuple[int, datetime]] = []
    for at in run.orders:
        done = {number for number, _ in ordered}
        left = (one for one in range(len(steps)) if one not in done and _unordered(steps, run, one) > at)
        number = next(left, None)
        if number is not None:
            ordered.append((number, at))
    return ordered


def _unordered(steps: Sequence[Step], run: Run, number: int) -> datetime:
    scheduled = run.started_at + step_at(steps, number).after
    if not 0 < number < len(steps):
        return scheduled
    before = [call for call in run.calls if call.step == number - 1]
    unreached = [call.unreached_at for call in before if call.unreached_at is not None]
    if before and len(unreached) == len(before):
        return min(scheduled, max(unreached))
    return scheduled


def due_steps(steps: Sequence[Step], run: Run, now: datetime) -> Iterator[int]:
    """The numbers of the steps that are due: each step of the definition, and of the repetitions the last one only.

    A step that comes due only by what an earlier one just met is found when this is asked again.
    """
    yield from (number for number in range(len(steps)) if due_at(steps, run, number) <= now)
    repeats = (now - run.started_at - steps[-1].after) // REPEAT
    if repeats > 0:
        yield min(len(steps) - 1 + repeats, MAX_STEP_NUMBER)


def due_calls(
    steps: Sequence[Step], run: Run, staff: Mapping[str, Sequence[int]], reachable: Collection[int], now: datetime
) -> list[Call]:
    """The calls to make now, in order. Calling this again at once, with them in the run, returns none.

    staff: who is called in each position now, `everybody` included. reachable: those of them who have a channel.
    """
    made = run
    for _ in range(len(steps) + 1):  # each pass may make one more step due
        before = len(made.calls)
        for number in list(due_steps(steps, made, now)):
            made = replace(made, calls=[*made.calls, *_calls_of(number, steps, made, staff, reachable, now)])
        if len(made.calls) == before:
            break
    return list(made.calls[len(run.calls) :])


def _calls_of(
    number: int,
    steps: Sequence[Step],
    run: Run,
    staff: Mapping[str, Sequence[int]],
    reachable: Collection[int],
    now: datetime,
) -> list[Call]:
    """The calls of one due step that were not made yet. Whoever was reached since it was due needs no second call."""
    position, since = step_at(steps, number).position, due_at(steps, run, number)
    called = {
        call.person_id
        for call in run.calls
        if call.step == number or (call.called_at >= since and call.unreached_at is None)
    }
    if run.answered_at is not None:
        if number < len(steps) - 1:
            return []
        targets: Sequence[int] = must_answer(run, steps)
    else:
        answered = {call.person_id for call in run.calls if call.answered_at is not None}
        targets = [person for person in staff.get(position, ()) if person not in answered]
        if not staff.get(position) and all(call.step != number for call in run.calls):
            return [Call(number, position, None, now, now, Unreached.NOBODY)]
    if position == EVERYBODY:  # nobody is passed over after it: who has no channel is not marked again and again
        called |= {call.person_id for call in run.calls if call.unreached_why is not None} - set(reachable)
    return [
        Call(number, position, person, now)
        if person in reachable
        else Call(number, position, person, now, now, Unreached.NO_CHANNEL)
        for person in targets
        if person not in called
    ]


def must_answer(run: Run, steps: Sequence[Step]) -> list[int]:
    """The people called in a step that asks all to answer, who have not answered yet."""
    answered = {call.person_id for call in run.calls if call.answered_at is not None}
    return list(
        dict.fromkeys(
            call.person_id
            for call in run.calls
            if call.person_id is not None and step_at(steps, call.step).all_answer and call.person_id not in answered
        )
    )


@dataclass(frozen=True, slots=True)
class Next:
    """The step that comes next, and when at the latest."""

    number: int
    position: str
    at: datetime


def next_step(steps: Sequence[Step], run: Run, now: datetime) -> Next:
    """The step that comes next while nobody acknowledges."""
    number = max((call.step for call in run.calls), default=-1) + 1
    while due_at(steps, run, number) <= now and number < MAX_STEP_NUMBER:
        number += 1
    return Next(number, step_at(steps, number).position, due_at(steps, run, number))
