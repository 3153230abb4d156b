"""Calm memories may be written late: whoever comes after a crash makes them again from the rows, exactly."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from models.reading import Message
from services.city.load import load
from services.pipeline.road import Pipeline
from services.runtime.clock import PeriodicTimer
from tests.seeds import la_plata

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
HOUR_S = 3600.0
RIVER = "gato-143-524"
GAUGES = (f"river/{RIVER}", "river/gato-tolosa")
TOLD = (
    "SELECT device_id, memory, observed_at, latest::text, flags FROM device_memories ORDER BY device_id",
    "SELECT subject, states, colours::text FROM subject_states WHERE version > 0 ORDER BY subject",
    "SELECT rule_id, before, after, change, observed_at FROM transitions ORDER BY id",
    "SELECT device_id, observed_at, seq, level_m, flags FROM river_readings ORDER BY 1, 2, 3",
    "SELECT device_id, boot, first_seq, last_seq, filled FROM sequence_gaps ORDER BY 1, 2, 3",
)


class Clock:
    """A clock the story sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def city(transaction: Connection) -> Connection:
    """La Plata, in a transaction that is rolled back."""
    load(transaction, la_plata(), NOON)
    return transaction


def story(random: Random, turns: int) -> list[list[Message]]:
    """Batches of gauges that mostly go on quietly: with rises, spikes, holes, new boots, late and repeated readings."""
    level_m, seq, boot = dict.fromkeys(GAUGES, 0.4), dict.fromkeys(GAUGES, 0), dict.fromkeys(GAUGES, 1)
    batches: list[list[Message]] = []
    said: list[Message] = []
    for turn in range(turns):
        batch = []
        for gauge in GAUGES:
            at = NOON + timedelta(minutes=turn) - timedelta(minutes=random.choice([0] * 30 + [7]))
            rising_m = 0.05 if (turn // 40) % 3 == 1 else -0.02
            level_m[gauge] = max(0.3, level_m[gauge] + rising_m + random.gauss(0, 0.004))
            shown_m = -9999.0 if random.random() < 0.01 else level_m[gauge] + (1.0 if random.random() < 0.02 else 0.0)
            seq[gauge] += random.choice([1] * 40 + [3])
            if random.random() < 0.01:
                boot[gauge], seq[gauge] = boot[gauge] + 1, 0
            body = {"observed_at": at.isoformat(), "seq": seq[gauge], "boot": f"b{boot[gauge]}", "level_m": shown_m}
            received_at = NOON + timedelta(minutes=turn, seconds=1)
            batch.append(Message(f"vigia/v1/laplata/{gauge}", json.dumps(body).encode(), received_at))
        if said and random.random() < 0.05:
            batch.append(random.choice(said))
        said += batch
        batches.append(batch)
    return batches


def told(city: Connection, batches: list[list[Message]], remember_s: float, crashes: Random | None) -> list[Any]:
    """What the tables say after the batches; with `crashes`, by pipelines that die now and then with all they know."""
    with city.begin_nested() as savepoint:
        clock = Clock()
        pipeline = Pipeline(city.engine, clock, lane=None, save_every=PeriodicTimer(remember_s))
        written = 0
        for batch in batches:
            clock.now = batch[0].received_at + timedelta(seconds=1)
            if crashes is not None and crashes.random() < 0.2:
                pipeline = Pipeline(city.engine, clock, lane=None, save_every=PeriodicTimer(remember_s))
            kept = pipeline.write_messages(city, batch)
            pipeline.remember(kept)
            written += kept.saved
        if crashes is not None:
            assert written < len(batches), "this story was never calm"
        finish = Pipeline(city.engine, clock, lane=None)
        finish.remember(finish.write_messages(city, batches[-1]))
        found = [[tuple(row) for row in city.execute(text(query))] for query in TOLD]
        savepoint.rollback()
    return found


@pytest.mark.seeds(0, 1, 2, 3)
def test_a_pipeline_that_dies_with_what_it_knows_costs_neither_memory_nor_alert(city: Connection, seed: int) -> None:
    random = Random(seed)
    batches = story(random, 160)
    always = told(city, batches, 0.0, None)
    seldom = told(city, batches, HOUR_S, random)
    assert len(always[2]) > 2, "nothing happened in this story"
    for query, expected, found in zip(TOLD, always, seldom, strict=True):
        assert found == expected, f"seed {seed}: {query}"


def test_new_rules_first_have_written_what_the_old_ones_remember(city: Connection) -> None:
    clock = Clock()
    pipeline = Pipeline(city.engine, clock, lane=None, save_every=PeriodicTimer(HOUR_S))
    for minute in range(3):
        body = {"observed_at": (NOON + timedelta(minutes=minute)).isoformat(), "level_m": 0.4 + minute / 100}
        clock.now = NOON + timedelta(minutes=minute, seconds=1)
        message = Message(f"vigia/v1/laplata/{GAUGES[0]}", json.dumps(body).encode(), clock.now)
        pipeline.remember(pipeline.write_messages(city, [message]))
    assert pipeline.state.memories.unwritten
    assert pipeline.state.rule_states.unwritten
    city.execute(text("UPDATE configuration SET version = version + 1"))
    pipeline.state.rulebook = None
    pipeline.remember(pipeline.write_messages(city, [message]))
    assert city.execute(text("SELECT max(observed_at) FROM device_memories")).scalar_one() == NOON + timedelta(
        minutes=2
    )


def test_what_fails_beside_readings_made_again_costs_them_no_judgement(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.begin() as transaction:
        load(transaction, la_plata(), NOON)
    clock = Clock()

    def said(minute: int) -> Message:
        clock.now = NOON + timedelta(minutes=minute, seconds=1)
        body = {"observed_at": (NOON + timedelta(minutes=minute)).isoformat(), "level_m": 0.4 + minute / 100}
        return Message(f"vigia/v1/laplata/{GAUGES[0]}", json.dumps(body).encode(), clock.now)

    dies = Pipeline(database, clock, lane=None, save_every=PeriodicTimer(HOUR_S))
    for minute in range(3):
        dies.process_messages([said(minute)])
    assert dies.state.rule_states.unwritten
    dies.state.forget()  # with all it knew
    dies.close()

    def broken(*_: object) -> list[object]:
        raise ZeroDivisionError("on its way to the tables")

    successor = Pipeline(database, clock, lane=None)
    with monkeypatch.context() as patch:
        patch.setattr("services.pipeline.steps.store_presences", broken)
        successor.process_messages([said(3)])
    assert successor.state.counts.set_aside == 1
    successor.process_messages([said(4)])
    (rule,) = [rule for rule in successor.state.rule_states.states_of(RIVER) if rule.endswith(".stage")]
    samples = getattr(successor.state.rule_states.states_of(RIVER)[rule], "samples")  # noqa: B009 - of a stage's state alone
    assert [level_m for _, level_m in samples] == pytest.approx([0.4, 0.41, 0.42, 0.44])
    successor.close()
