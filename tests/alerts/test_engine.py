"""Tests of the alert engine: each reading is evaluated exactly once, in any batches and with concurrent processes."""

import json
from collections import defaultdict
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from alerts import engine
from alerts.rule_states import RuleStates
from alerts.rules import dispatch
from models.reading import Flag, Message, Reading
from models.rows import StaleRowError
from services.pipeline.road import Pipeline
from tests.alerts.town import NOON, EngineRun, load_town, reading

TRANSITIONS = "SELECT rule_id, before, after, change, observed_at, evidence FROM transitions ORDER BY rule_id, id"


@pytest.fixture
def engine_run(transaction: Connection) -> EngineRun:
    return load_town(transaction, "head", "mouth")


def flood(engine_run: EngineRun) -> None:
    """Three minutes far above rojo at the head."""
    for minute in range(3):
        engine_run.receive_levels(minute, head=2.6)


def test_a_flood_raises_one_alert_with_its_rule(engine_run: EngineRun) -> None:
    flood(engine_run)
    assert engine_run.rows("SELECT rule_id, rule_version, subject, nar, confirmed FROM alerts") == [
        ("head.stage", 1, "head", 3, True)
    ]
    assert engine_run.rows("SELECT colours ->> 'stage' FROM subject_states WHERE subject = 'head'") == [("3",)]


def test_a_gauge_without_readings_is_reported_silent(engine_run: EngineRun) -> None:
    for minute in range(0, 20, 2):
        engine_run.tick_at(minute)
    assert engine_run.rows("SELECT rule_id, nar FROM alerts ORDER BY 1") == [("head.silence", 1), ("mouth.silence", 1)]


def test_a_gauge_that_falls_silent_while_its_level_is_high_is_rojo_and_holds_its_colour(engine_run: EngineRun) -> None:
    flood(engine_run)
    for minute in range(3, 120, 3):
        engine_run.tick_at(minute)
    found = dict(engine_run.rows("SELECT rule_id, nar FROM alerts"))
    assert (found["head.stage"], found["head.silence"], found["mouth.silence"]) == (3, 3, 1)


def test_a_reading_ends_the_silence(engine_run: EngineRun) -> None:
    engine_run.tick_at(1)
    engine_run.tick_at(20)
    engine_run.receive_levels(21, head=0.4)
    assert engine_run.rows("SELECT state FROM alerts WHERE rule_id = 'head.silence'") == [("cleared",)]


def test_an_alert_that_fires_again_does_so_since_now(engine_run: EngineRun) -> None:
    """A person has yet to close the first silence when the second begins: `desde` is of the second."""
    for minute, level_m in ((0, 0.4), (1, 0.4), (40, 0.4), (41, 0.4)):
        if minute == 40:
            engine_run.tick_at(20)
        engine_run.receive_levels(minute, head=level_m)
    state = "SELECT state, opened_at FROM alerts WHERE rule_id = 'head.silence'"
    ((cleared, first),) = engine_run.rows(state)
    engine_run.tick_at(60)
    ((fires, second),) = engine_run.rows(state)
    assert (cleared, fires) == ("cleared", "firing")
    assert (first, second) == (NOON + timedelta(minutes=20), NOON + timedelta(minutes=60))


def test_a_subject_evaluated_recently_without_a_colour_is_not_ticked(engine_run: EngineRun) -> None:
    flood(engine_run)
    engine_run.receive_levels(3, mouth=0.3)
    now = NOON + timedelta(minutes=3, seconds=10)
    assert engine.due_subjects(engine_run.transaction, engine_run.book, ["river"], now) == ["head"]
    assert engine.due_subjects(engine_run.transaction, engine_run.book, ["rain"], now) == []
    assert set(engine.due_subjects(engine_run.transaction, engine_run.book, ["river"], now + engine.TICK_AFTER)) == {
        "head",
        "mouth",
    }


def test_a_concurrent_evaluation_is_detected_when_writing(engine_run: EngineRun) -> None:
    engine_run.receive_levels(0, head=0.4)
    other = EngineRun(engine_run.transaction)
    other.receive_levels(1, head=0.4)
    with pytest.raises(StaleRowError):
        engine_run.receive_levels(2, head=2.6)


def test_another_process_continues_from_the_stored_states(engine_run: EngineRun) -> None:
    flood(engine_run)
    successor = EngineRun(engine_run.transaction, RuleStates())
    successor.receive_levels(3, head=2.6)
    assert engine_run.value("SELECT count(*) FROM transitions WHERE change = 'raised'") == 1
    assert engine_run.value("SELECT version FROM subject_states WHERE subject = 'head'") == 4


def test_a_failed_rule_is_reported_once_while_its_alert_is_open(engine_run: EngineRun) -> None:
    for minute in range(3):
        engine.report_fault(
            engine_run.transaction, engine_run.book, "head", "ZeroDivisionError", NOON + timedelta(minutes=minute)
        )
    assert engine_run.rows("SELECT judgement, cause, nar FROM alerts") == [("evaluator", "evaluator", 2)]
    assert engine_run.value("SELECT count(*) FROM notices") == 1


LEVELS_M = st.sampled_from([0.4, 0.9, 1.1, 1.6, 2.3, -9999.0])
FLAGS = {-9999.0: Flag.SENTINEL}


@st.composite
def batched(draw: st.DrawFn) -> tuple[list[Reading], list[int]]:
    """Readings of two gauges, and the positions that separate batches."""
    said = draw(st.lists(st.tuples(st.sampled_from(["head", "mouth"]), LEVELS_M), min_size=1, max_size=60))
    readings = [reading(name, minute, level, FLAGS.get(level, Flag.NONE)) for minute, (name, level) in enumerate(said)]
    cuts = draw(st.sets(st.integers(1, len(readings)), max_size=10))
    return readings, sorted(cuts | {len(readings)})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batched())
def test_the_same_readings_give_the_same_transitions_however_they_are_batched(
    engine_run: EngineRun, afternoon: tuple[list[Reading], list[int]]
) -> None:
    readings, cuts = afternoon
    assert _transitions(engine_run, readings, cuts) == _transitions(
        engine_run, readings, list(range(1, len(readings) + 1))
    )


def _transitions(engine_run: EngineRun, readings: list[Reading], cuts: list[int]) -> list[object]:
    """The transitions of these batches, evaluated from initial states and rolled back."""
    judge, start = EngineRun(engine_run.transaction), 0
    with engine_run.transaction.begin_nested() as savepoint:
        for cut in cuts:
            arrived: defaultdict[str, list[Reading]] = defaultdict(list)
            for one in readings[start:cut]:
                arrived[one.device].append(one)
            judge.receive(cut - 1, arrived)
            start = cut
        found = engine_run.rows(TRANSITIONS)
        savepoint.rollback()
    raised = [move for move in found if move[3] == "raised"]
    cleared = [move for move in found if move[3] == "cleared"]
    assert 0 <= len(raised) - len(cleared) <= len({move[0] for move in found})
    return found


STORY = st.lists(st.tuples(LEVELS_M, st.integers(0, 6), st.booleans()), min_size=1, max_size=50)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STORY)
def test_replaying_the_stored_rows_gives_the_same_transitions(
    transaction: Connection, told: list[tuple[float, int, bool]]
) -> None:
    """Late, repeated and invalid readings are stored with their flags, so the rows alone give the same transitions."""
    with transaction.begin_nested() as savepoint:
        engine_run = load_town(transaction, "head")
        pipeline = Pipeline(transaction.engine, lambda: NOON, lane=None)
        for minute, (level_m, late_min, twice) in enumerate(told):
            at = NOON + timedelta(minutes=minute)
            observed_at = (at - timedelta(minutes=late_min if late_min > 3 else 0)).isoformat()
            payload = json.dumps({"observed_at": observed_at, "level_m": level_m}).encode()
            message = Message("vigia/v1/azul/river/head", payload, at)
            kept = pipeline.write_messages(transaction, [message, message] if twice else [message])
            pipeline.remember(kept)
        assert [move[:5] for move in engine_run.rows(TRANSITIONS)] == replayed(engine_run)
        savepoint.rollback()


def replayed(engine_run: EngineRun) -> list[object]:
    """The transitions that the stored readings give, judged from the initial state in order of arrival."""
    query = "SELECT observed_at, received_at, seq, level_m, battery_v, flags FROM river_readings ORDER BY received_at"
    readings = [
        Reading("river", "azul", "head", observed_at, received_at, seq, None, (level_m, volts), Flag(flags))
        for observed_at, received_at, seq, level_m, volts, flags in engine_run.rows(query)
    ]
    moves: list[object] = []
    for rule in engine_run.book.rules["head"]:
        state = dispatch.initial_state(rule.judgement)
        for one in readings:
            state, move = dispatch.judge(rule, state, one)
            if move is not None:
                moves.append((rule.id, int(move.before), int(move.after), move.change, move.observed_at))
    return moves
