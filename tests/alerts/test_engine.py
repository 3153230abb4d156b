"""Readings and time move what is kept of the rules, exactly once, whoever else judges and however they are batched."""

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
from tests.alerts.town import NOON, Watch, reading, settle

MOVES = "SELECT rule_id, before, after, change, observed_at, evidence FROM transitions ORDER BY rule_id, id"


@pytest.fixture
def watch(transaction: Connection) -> Watch:
    return settle(transaction, "head", "mouth")


def flood(watch: Watch) -> None:
    """Water that nobody could call a mistake: three minutes far above rojo at the head."""
    for minute in range(3):
        watch.hears(minute, head=2.6)


def test_a_flood_raises_one_alert_and_says_by_which_rule(watch: Watch) -> None:
    flood(watch)
    assert watch.rows("SELECT rule_id, rule_version, subject, nar, confirmed FROM alerts") == [
        ("head.stage", 1, "head", 3, True)
    ]
    assert watch.rows("SELECT colours ->> 'stage' FROM subject_states WHERE subject = 'head'") == [("3",)]


def test_a_gauge_never_heard_is_missed_all_the_same(watch: Watch) -> None:
    for minute in range(0, 20, 2):
        watch.waits_until(minute)
    assert watch.rows("SELECT rule_id, nar FROM alerts ORDER BY 1") == [("head.silence", 1), ("mouth.silence", 1)]


def test_a_gauge_that_falls_silent_above_high_water_is_rojo_and_holds_its_colour(watch: Watch) -> None:
    flood(watch)
    for minute in range(3, 120, 3):
        watch.waits_until(minute)
    found = dict(watch.rows("SELECT rule_id, nar FROM alerts"))
    assert (found["head.stage"], found["head.silence"], found["mouth.silence"]) == (3, 3, 1)


def test_a_word_ends_the_silence(watch: Watch) -> None:
    watch.waits_until(1)
    watch.waits_until(20)
    watch.hears(21, head=0.4)
    assert watch.rows("SELECT state FROM alerts WHERE rule_id = 'head.silence'") == [("cleared",)]


def test_what_was_judged_lately_and_holds_no_colour_is_not_ticked(watch: Watch) -> None:
    flood(watch)
    watch.hears(3, mouth=0.3)
    now = NOON + timedelta(minutes=3, seconds=10)
    assert engine.due_subjects(watch.transaction, watch.book, ["river"], now) == ["head"]
    assert engine.due_subjects(watch.transaction, watch.book, ["rain"], now) == []
    assert set(engine.due_subjects(watch.transaction, watch.book, ["river"], now + engine.TICK_AFTER)) == {
        "head",
        "mouth",
    }


def test_somebody_else_who_judged_meanwhile_is_noticed_before_anything_is_kept(watch: Watch) -> None:
    watch.hears(0, head=0.4)
    other = Watch(watch.transaction)
    other.hears(1, head=0.4)
    with pytest.raises(StaleRowError):
        watch.hears(2, head=2.6)


def test_another_process_goes_on_where_one_stopped(watch: Watch) -> None:
    flood(watch)
    successor = Watch(watch.transaction, RuleStates())
    successor.hears(3, head=2.6)
    assert watch.one("SELECT count(*) FROM transitions WHERE change = 'raised'") == 1
    assert watch.one("SELECT version FROM subject_states WHERE subject = 'head'") == 4


def test_a_rule_that_failed_is_told_once_and_not_again_while_nobody_closed_it(watch: Watch) -> None:
    for minute in range(3):
        engine.report_fault(
            watch.transaction, watch.book, "head", "ZeroDivisionError", NOON + timedelta(minutes=minute)
        )
    assert watch.rows("SELECT judgement, cause, nar FROM alerts") == [("evaluator", "evaluator", 2)]
    assert watch.one("SELECT count(*) FROM notices") == 1


LEVELS_M = st.sampled_from([0.4, 0.9, 1.1, 1.6, 2.3, -9999.0])
FLAGS = {-9999.0: Flag.SENTINEL}


@st.composite
def batched(draw: st.DrawFn) -> tuple[list[Reading], list[int]]:
    """An afternoon of two gauges, and where it is cut into batches."""
    said = draw(st.lists(st.tuples(st.sampled_from(["head", "mouth"]), LEVELS_M), min_size=1, max_size=60))
    readings = [reading(name, minute, level, FLAGS.get(level, Flag.NONE)) for minute, (name, level) in enumerate(said)]
    cuts = draw(st.sets(st.integers(1, len(readings)), max_size=10))
    return readings, sorted(cuts | {len(readings)})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batched())
def test_the_same_readings_give_the_same_transitions_however_they_are_batched(
    watch: Watch, afternoon: tuple[list[Reading], list[int]]
) -> None:
    readings, cuts = afternoon
    assert _moves(watch, readings, cuts) == _moves(watch, readings, list(range(1, len(readings) + 1)))


def _moves(watch: Watch, readings: list[Reading], cuts: list[int]) -> list[object]:
    """What a fresh judge makes of the readings cut so, told and forgotten again."""
    judge, start = Watch(watch.transaction), 0
    with watch.transaction.begin_nested() as savepoint:
        for cut in cuts:
            arrived: defaultdict[str, list[Reading]] = defaultdict(list)
            for one in readings[start:cut]:
                arrived[one.device].append(one)
            judge.takes(cut - 1, arrived)
            start = cut
        found = watch.rows(MOVES)
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
    """What came late, twice or as nonsense is in the rows with its flags: the rows alone tell the whole story again."""
    with transaction.begin_nested() as savepoint:
        watch = settle(transaction, "head")
        pipeline = Pipeline(transaction.engine, lambda: NOON, lane=None)
        for minute, (level_m, late_min, twice) in enumerate(told):
            at = NOON + timedelta(minutes=minute)
            observed_at = (at - timedelta(minutes=late_min if late_min > 3 else 0)).isoformat()
            payload = json.dumps({"observed_at": observed_at, "level_m": level_m}).encode()
            message = Message("vigia/v1/azul/river/head", payload, at)
            kept = pipeline.write_messages(transaction, [message, message] if twice else [message])
            pipeline.remember(kept)
        assert [move[:5] for move in watch.rows(MOVES)] == replayed(watch)
        savepoint.rollback()


def replayed(watch: Watch) -> list[object]:
    """The transitions that the rows of the readings' table give, judged from nothing, in their order of arrival."""
    query = "SELECT observed_at, received_at, seq, level_m, battery_v, flags FROM river_readings ORDER BY received_at"
    readings = [
        Reading("river", "azul", "head", observed_at, received_at, seq, None, (level_m, volts), Flag(flags))
        for observed_at, received_at, seq, level_m, volts, flags in watch.rows(query)
    ]
    moves: list[object] = []
    for rule in watch.book.rules["head"]:
        state = dispatch.initial_state(rule.judgement)
        for one in readings:
            state, move = dispatch.judge(rule, state, one)
            if move is not None:
                moves.append((rule.id, int(move.before), int(move.after), move.change, move.observed_at))
    return moves
