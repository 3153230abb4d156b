"""Tests of the escalation of one incident: when each step is due, who is passed over, and when a run ends."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from models.alert import NAR
from services.duty.rota import EVERYBODY
from services.notices.escalation.engine import (
    DEFAULT_STEPS,
    REPEAT,
    Course,
    Demand,
    Ended,
    Reason,
    Run,
    Step,
    Unreached,
    course,
    due_at,
    due_calls,
    must_answer,
    next_step,
)

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
ANA, BRUNO, CARLA, DANTE = 1, 2, 3, 4
STAFF = {"operator": (ANA,), "second": (BRUNO,), "chief": (CARLA,), EVERYBODY: (ANA, BRUNO, CARLA, DANTE)}
STEPS = DEFAULT_STEPS[NAR.ROJO]
ALL = frozenset({ANA, BRUNO, CARLA, DANTE})
ROUND_S = 0.5


def at(second: float) -> datetime:
    """So many seconds after the run began."""
    return START + timedelta(seconds=second)


def play(
    until_s: float,
    *,
    steps: Sequence[Step] = STEPS,
    staff: Mapping[str, Sequence[int]] = STAFF,
    reachable: frozenset[int] = ALL,
    every_s: float = 1.0,
) -> Run:
    """A run that nobody answers, with a round every `every_s`."""
    run, second = Run(NAR.ROJO, START), 0.0
    while second <= until_s:
        run = replace(run, calls=[*run.calls, *due_calls(steps, run, staff, reachable, at(second))])
        second += every_s
    return run


def story(run: Run) -> list[tuple[float, int | None, int]]:
    """The calls of a run: seconds since its start, person, step."""
    return [((call.called_at - START).total_seconds(), call.person_id, call.step) for call in run.calls]


def test_operator_second_chief_and_everybody_are_called_in_their_time() -> None:
    everybody = [(300.0, person, 3) for person in (ANA, BRUNO, CARLA, DANTE)]
    assert story(play(301)) == [(0.0, ANA, 0), (60.0, BRUNO, 1), (180.0, CARLA, 2), *everybody]


def test_it_never_gives_up_while_the_incident_asks() -> None:
    told = [second for second, person, _ in story(play(3 * 3600, every_s=10)) if person == CARLA]
    assert told == [180.0, *(300.0 + 300 * number for number in range(36))]


def test_whoever_has_no_channel_is_passed_over_at_once_and_stays_marked() -> None:
    run = play(1, reachable=ALL - {ANA})
    assert story(run) == [(0.0, ANA, 0), (0.0, BRUNO, 1)]
    assert [call.unreached_why for call in run.calls] == [Unreached.NO_CHANNEL, None]


def test_a_position_that_nobody_has_is_passed_over_at_once() -> None:
    run = play(1, staff={**STAFF, "operator": (), "second": ()})
    assert story(run) == [(0.0, None, 0), (0.0, None, 1), (0.0, CARLA, 2)]
    assert {call.unreached_why for call in run.calls} == {Unreached.NOBODY, None}


def test_whose_channels_fail_later_is_passed_over_from_that_moment() -> None:
    run = play(5)
    failed = replace(run, calls=[replace(run.calls[0], unreached_at=at(7), unreached_why=Unreached.FAILED)])
    assert due_at(STEPS, failed, 1) == at(7)
    assert [call.person_id for call in due_calls(STEPS, failed, STAFF, ALL, at(7.5))] == [BRUNO]
    assert due_at(STEPS, failed, 2) == at(180), "the chief has the same latest time"


def test_an_order_to_escalate_calls_the_next_step_at_once_and_the_others_keep_their_times() -> None:
    run = replace(play(10), orders=[at(10), at(40)])
    assert [due_at(STEPS, run, number) for number in range(4)] == [START, at(10), at(40), at(300)]
    assert [call.person_id for call in due_calls(STEPS, run, STAFF, ALL, at(10))] == [BRUNO]
    assert next_step(STEPS, play(10), at(10)).position == "second"


def test_whoever_takes_the_watch_meanwhile_is_called_too() -> None:
    run = play(10)
    new = due_calls(STEPS, run, {**STAFF, "operator": (DANTE,)}, ALL, at(11))
    assert [(call.person_id, call.step) for call in new] == [(DANTE, 0)]


def test_a_notifier_that_was_away_calls_everybody_who_was_due_at_once_and_each_once() -> None:
    new = due_calls(STEPS, Run(NAR.ROJO, START), STAFF, ALL, at(1000))
    assert [(call.step, call.person_id) for call in new] == [(0, ANA), (1, BRUNO), (2, CARLA), (3, DANTE)]


def demand(asks: NAR | None, *, since_s: float = 0, firing: bool = True) -> Demand:
    """What an incident asks."""
    return Demand(asks, None if asks is None else at(since_s), firing)


def test_a_run_begins_with_the_alert_and_ends_with_its_acknowledgement_or_its_end() -> None:
    assert course(None, demand(None), STEPS, at(9), earlier=None) == Course()
    assert course(None, demand(NAR.ROJO, since_s=3), STEPS, at(9), earlier=None) == Course(
        begin=Reason.ASKS, begin_at=at(3)
    )
    run = play(20)
    assert course(run, demand(NAR.ROJO), STEPS, at(20), earlier=NAR.ROJO) == Course()
    assert course(run, demand(None), STEPS, at(20), earlier=NAR.ROJO) == Course(end=Ended.ANSWERED)
    assert course(run, demand(None, firing=False), STEPS, at(20), earlier=NAR.ROJO) == Course(end=Ended.OVER)


def test_a_graver_colour_begins_again_at_the_first_step() -> None:
    found = course(replace(play(100), nar=NAR.NARANJA), demand(NAR.ROJO, since_s=99), STEPS, at(100), earlier=NAR.ROJO)
    assert found == Course(Ended.GRAVER, Reason.GRAVER, at(99))
    ended = course(None, demand(NAR.ROJO, since_s=99), STEPS, at(100), earlier=NAR.NARANJA)
    assert ended == Course(begin=Reason.GRAVER, begin_at=at(99)), "also after the run before was answered"
    assert course(play(100), demand(NAR.AMARILLO), STEPS, at(100), earlier=NAR.ROJO) == Course(), "an eased one goes on"


def test_an_acknowledgement_that_is_withdrawn_or_expires_begins_a_new_run_now() -> None:
    assert course(None, demand(NAR.ROJO, since_s=0), STEPS, at(4000), earlier=NAR.ROJO) == Course(
        begin=Reason.AGAIN, begin_at=at(4000)
    )


ALL_MUST = [replace(step, all_answer=step.position == EVERYBODY) for step in STEPS]


def test_where_all_must_answer_the_first_acknowledgement_does_not_silence_the_others() -> None:
    run = play(301, steps=ALL_MUST)
    calls = [replace(call, answered_at=at(320)) if call.person_id == CARLA else call for call in run.calls]
    run = replace(run, calls=calls)
    assert must_answer(run, ALL_MUST) == [ANA, BRUNO, DANTE]
    assert course(run, demand(None), ALL_MUST, at(320), earlier=NAR.ROJO) == Course(answered=True)
    waiting = replace(run, answered_at=at(320))
    assert due_calls(ALL_MUST, waiting, STAFF, ALL, at(599)) == []
    again = due_calls(ALL_MUST, waiting, STAFF, ALL, at(600))
    assert [(call.person_id, call.step) for call in again] == [(ANA, 4), (BRUNO, 4), (DANTE, 4)]
    answered = replace(waiting, calls=[replace(call, answered_at=at(610)) for call in (*calls, *again)])
    assert course(answered, demand(None), ALL_MUST, at(610), earlier=NAR.ROJO) == Course(end=Ended.ANSWERED)
    asks_again = course(waiting, demand(NAR.ROJO), ALL_MUST, at(610), earlier=NAR.ROJO)
    assert asks_again == Course(Ended.ANSWERED, Reason.AGAIN, at(610))


def test_who_is_next_is_known_at_any_time() -> None:
    found = [next_step(STEPS, play(second), at(second)) for second in (0, 59, 61, 200, 301, 900)]
    assert [(one.position, (one.at - START).total_seconds()) for one in found] == [
        ("second", 60),
        ("second", 60),
        ("chief", 180),
        (EVERYBODY, 300),
        (EVERYBODY, 600),
        (EVERYBODY, 1200),
    ]


PEOPLE = st.lists(st.integers(1, 6), max_size=3, unique=True).map(tuple)


@settings(max_examples=40)
@given(
    after_s=st.lists(st.integers(0, 240), min_size=1, max_size=5).map(sorted),
    positions=st.permutations(["operator", "second", "chief", EVERYBODY, "operator"]),
    staff=st.fixed_dictionaries(dict.fromkeys(("operator", "second", "chief", EVERYBODY), PEOPLE)),
    reachable=st.frozensets(st.integers(1, 6)),
    phase_s=st.floats(0, ROUND_S),
    failing=st.frozensets(st.integers(1, 6), max_size=2),
)
def test_each_step_is_taken_within_a_second_of_its_time_once_a_person_and_in_order(
    after_s: list[int],
    positions: list[str],
    staff: dict[str, tuple[int, ...]],
    reachable: frozenset[int],
    phase_s: float,
    failing: frozenset[int],
) -> None:
    """Rounds come every half second, at any phase; channels of some people fail three seconds after their call."""
    steps = [Step(timedelta(seconds=s), name) for s, name in zip(after_s, positions, strict=False)]
    run = Run(NAR.ROJO, START)
    for number in range(int(after_s[-1] / ROUND_S) + 2):
        now = at(number * ROUND_S + phase_s)
        run = replace(
            run,
            calls=[
                replace(call, unreached_at=now, unreached_why=Unreached.FAILED)
                if call.person_id in failing
                and call.unreached_at is None
                and now - call.called_at >= timedelta(seconds=3)
                else call
                for call in run.calls
            ],
        )
        run = replace(run, calls=[*run.calls, *due_calls(steps, run, staff, reachable, now)])
        assert due_calls(steps, run, staff, reachable, now) == [], "a second round at the same time calls nobody"
    made = [(call.step, call.person_id) for call in run.calls]
    assert len(made) == len(set(made)), "each person once a step"
    for number, step in enumerate(steps):
        wanted: set[int | None] = set(staff[step.position]) or {None}
        due = due_at(steps, run, number)
        assert due <= at(step.after.total_seconds()), "never later than its time"
        soon = [call for call in run.calls if call.called_at - due <= timedelta(seconds=1)]
        called = {call.person_id for call in soon if call.step == number or call.called_at >= due}
        if step.position == EVERYBODY:
            called |= {call.person_id for call in soon if call.unreached_why} - reachable
        assert called >= wanted, "all within a second"


def test_the_repetition_is_as_long_as_the_documentation_says() -> None:
    assert timedelta(minutes=5) == REPEAT
