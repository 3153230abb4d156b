"""One device that sends far too much delays no other, loses no reading, and is told as a fault until it stops."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ingest import registry
from ingest.sender_rates import UNREGISTERED, sending_rate
from models.reading import Message
from services.city.load import load
from services.pipeline import backlog
from services.pipeline.backlog import TURN_MESSAGES
from services.pipeline.batch import TOO_MANY_NAMES, decode_messages
from services.pipeline.intake import batch_of
from services.pipeline.road import Pipeline
from services.pipeline.sender_faults import CALM, SenderFaults
from services.runtime.clock import PeriodicTimer
from tests.seeds import la_plata

NOON = datetime.fromisoformat("2026-04-02T12:00:00+00:00")
FLOODER, GAUGE = "vigia/v1/laplata/river/gato-143-524", "vigia/v1/laplata/river/gato-tolosa"
BURST = sending_rate(FLOODER).burst
STOP = threading.Event()


class Clock:
    """A clock the story sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Noon, until the story says otherwise."""
    return Clock()


@pytest.fixture
def pipeline(database: Engine, clock: Clock) -> Iterator[Pipeline]:
    """A pipeline for all kinds, with La Plata loaded, that has heard one gauge."""
    with database.begin() as transaction:
        load(transaction, la_plata(), NOON)
    pipeline = Pipeline(database, clock, lane=None)
    receive(pipeline, [said(GAUGE, 0)])
    yield pipeline
    pipeline.close()


def said(topic: str, number: int, level_m: float | None = None, *, at: datetime = NOON) -> Message:
    """The number-th reading of a device, a millisecond after the one before it."""
    observed_at = NOON - timedelta(hours=1) + timedelta(milliseconds=number)
    body = {"observed_at": observed_at.isoformat(), "seq": number, "level_m": level_m or 0.5 + number % 2 / 100}
    return Message(topic, json.dumps(body).encode(), at)


def flood(first: int, count: int, *, at: datetime = NOON) -> list[Message]:
    """Readings of one device, far more than it may send."""
    return [said(FLOODER, number, at=at) for number in range(first, first + count)]


def receive(pipeline: Pipeline, messages: list[Message]) -> None:
    """Process what is received at once, as `Pipeline.run` does."""
    pipeline.process(batch_of(None, messages, pipeline.state.rates))


def take_turn(pipeline: Pipeline, *, pressed: bool = False) -> None:
    """Process postponed messages, if it is time."""
    assert pipeline.backlog.run_due(pipeline.process, STOP, pressed=pressed)


def drain(pipeline: Pipeline) -> int:
    """Process all postponed messages. Returns the turns it took."""
    turns = 0
    while pipeline.state.rates.postponed:
        take_turn(pipeline)
        turns += 1
    return turns


def rows(database: Engine, query: str) -> list[Any]:
    """The rows of a query."""
    with database.begin() as transaction:
        return [tuple(row) for row in transaction.execute(text(query))]


def stored(database: Engine, topic: str) -> list[Any]:
    """`seq` and flags of a device's readings, in the order in which they were stored."""
    code = topic.rsplit("/", 1)[-1]
    return rows(
        database,
        "SELECT seq, flags FROM river_readings r JOIN devices d ON d.id = r.device_id"
        f" WHERE d.code = '{code}' ORDER BY r.observed_at",
    )


def test_a_flooding_device_waits_behind_the_others_and_loses_no_reading(pipeline: Pipeline, database: Engine) -> None:
    receive(pipeline, flood(0, BURST))
    for first in range(BURST, BURST + 3_000, 1_000):
        receive(pipeline, [*flood(first, 999), said(GAUGE, first), *flood(first + 999, 1)])
        assert stored(database, GAUGE)[-1][0] == first
        assert len(stored(database, FLOODER)) == BURST
    assert pipeline.state.rates.postponed == {FLOODER: 3_000}
    assert drain(pipeline) == 3_000 // TURN_MESSAGES
    assert stored(database, FLOODER) == [(number, 0) for number in range(BURST + 3_000)]
    assert rows(database, "SELECT * FROM postponed_messages") == []
    gaps = "SELECT 1 FROM sequence_gaps g JOIN devices d ON d.id = g.device_id WHERE d.code = 'gato-143-524'"
    assert rows(database, gaps) == []
    receive(pipeline, flood(BURST + 3_000, 1))
    assert len(stored(database, FLOODER)) == BURST + 3_001


def test_a_gauge_that_empties_its_buffer_is_processed_at_once(pipeline: Pipeline, database: Engine) -> None:
    receive(pipeline, flood(0, BURST))
    assert stored(database, FLOODER) == [(number, 0) for number in range(BURST)]
    assert pipeline.state.rates.postponed == {}


def test_while_messages_wait_postponed_ones_of_each_sender_get_their_turns(
    pipeline: Pipeline, database: Engine
) -> None:
    other = "vigia/v1/laplata/river/gato-ringuelet"
    for topic in (FLOODER, other):
        receive(pipeline, [said(topic, number) for number in range(BURST)])
    receive(pipeline, [said(topic, BURST + number) for number in range(1_000) for topic in (FLOODER, other)])
    take_turn(pipeline, pressed=True)
    take_turn(pipeline, pressed=True)  # too soon after the first
    assert [len(stored(database, topic)) for topic in (FLOODER, other)] == [BURST + TURN_MESSAGES, BURST]
    while len(stored(database, other)) == BURST:
        take_turn(pipeline, pressed=True)
    assert [len(stored(database, topic)) for topic in (FLOODER, other)] == [BURST + TURN_MESSAGES] * 2
    drain(pipeline)
    assert [len(stored(database, topic)) for topic in (FLOODER, other)] == [BURST + 1_000] * 2


def test_the_next_process_goes_on_with_what_was_postponed(pipeline: Pipeline, database: Engine, clock: Clock) -> None:
    receive(pipeline, flood(0, BURST))
    receive(pipeline, flood(BURST, 1_000))
    take_turn(pipeline)
    successor = Pipeline(database, clock, lane=None)
    successor.backlog.load()
    assert successor.state.rates.postponed == {FLOODER: 1_000 - TURN_MESSAGES}
    receive(successor, flood(BURST + 900, 200))  # 100 of them redelivered
    drain(successor)
    successor.close()
    assert stored(database, FLOODER) == [(number, 0) for number in range(BURST + 1_100)]
    assert rows(database, "SELECT * FROM postponed_messages") == []


def test_what_a_second_process_of_the_lane_postponed_and_left_is_taken_up_without_a_restart(
    pipeline: Pipeline, database: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.backlog.load()
    take_turn(pipeline)  # has looked for what others left
    second = Pipeline(database, clock, lane=None)
    receive(second, flood(0, BURST))
    receive(second, flood(BURST, 1_000))
    second.close()
    take_turn(pipeline)
    assert pipeline.state.rates.postponed == {}, "too soon to look again"
    monkeypatch.setattr(PeriodicTimer, "due", lambda _: True)
    take_turn(pipeline)
    drain(pipeline)
    assert stored(database, FLOODER) == [(number, 0) for number in range(BURST + 1_000)]
    assert rows(database, "SELECT * FROM postponed_messages") == []


def test_a_postponed_message_that_breaks_something_is_set_aside_alone(
    pipeline: Pipeline, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(pipeline, flood(0, BURST))
    receive(pipeline, flood(BURST, 500))
    poison = f'"seq": {BURST + 77},'.encode()

    def explode(messages: Any, foreign: str | None) -> Any:
        assert not any(poison in message.payload for message in messages)
        return decode_messages(messages, foreign)

    monkeypatch.setattr("services.pipeline.road.decode_messages", explode)
    drain(pipeline)
    assert [seq for seq, _ in stored(database, FLOODER)] == [n for n in range(BURST + 500) if n != BURST + 77]
    assert rows(database, "SELECT reason FROM rejected_messages") == [("poison",)]
    assert rows(database, "SELECT * FROM postponed_messages") == []


def test_garbage_above_the_rate_is_not_postponed_but_counted(pipeline: Pipeline, database: Engine) -> None:
    garbage = [Message(FLOODER, b"x" * 30_000 + str(number).encode(), NOON) for number in range(2_000)]
    for first in range(0, 2_000, 500):
        receive(pipeline, garbage[first : first + 500])
    receive(pipeline, garbage[:500])
    kept, size = rows(database, "SELECT count(*), sum(length(payload)) FROM rejected_messages")[0]
    assert size < 200_000
    assert rows(database, "SELECT sender, reason, messages FROM rejection_counts") == [
        (FLOODER, "syntax", 2_500 - kept)
    ]
    assert rows(database, "SELECT * FROM postponed_messages") == []
    assert pipeline.state.counts.rejected == 2_500
    assert pipeline.state.rates.split([said(FLOODER, 0, at=NOON + timedelta(hours=1))])[1] == ()


def test_beyond_the_most_postponed_messages_the_flooder_alone_loses_and_is_told_so(
    pipeline: Pipeline, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "MAX_POSTPONED", 1_200)
    receive(pipeline, flood(0, BURST))
    receive(pipeline, flood(BURST, 1_000))
    receive(pipeline, [*flood(BURST + 1_000, 1_000), said(GAUGE, 1)])
    assert len(stored(database, GAUGE)) == 2
    assert pipeline.state.rates.postponed == {FLOODER: 1_200}
    kept = rows(database, "SELECT count(*) FROM rejected_messages WHERE reason = 'overflow'")[0][0]
    counted = rows(database, "SELECT sum(messages) FROM rejection_counts WHERE reason = 'overflow'")[0][0]
    assert kept + counted == 800
    drain(pipeline)
    assert len(stored(database, FLOODER)) == BURST + 1_200


def test_invented_names_have_a_cap_beyond_which_known_devices_are_stored_all_the_same(
    pipeline: Pipeline, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_UNREGISTERED", 50)
    commits = pipeline.state.generation
    invented = [said(f"vigia/v1/laplata/river/invented-{number}", 0) for number in range(400)]
    receive(pipeline, [*invented, said(GAUGE, 1)])
    assert len(stored(database, GAUGE)) == 2
    assert rows(database, "SELECT count(*) FROM devices WHERE registered_at IS NULL") == [(50,)]
    kept = rows(database, "SELECT DISTINCT reason, detail FROM rejected_messages")
    assert kept == [("unregistered", TOO_MANY_NAMES)]
    assert pipeline.state.counts.set_aside == 0
    assert pipeline.state.generation == commits  # in one transaction, without a failure
    receive(pipeline, invented[:50])
    assert rows(database, "SELECT count(*) FROM river_readings") == [(52,)]


def test_names_that_nobody_registered_share_one_allowance(pipeline: Pipeline, database: Engine) -> None:
    for first in range(0, 12_000, 1_000):
        receive(pipeline, [said(f"vigia/v1/laplata/river/i-{n % 40}", n) for n in range(first, first + 1_000)])
    receive(pipeline, [said("vigia/v1/laplata/river/i-1", 20_001), said(GAUGE, 1)])
    assert len(stored(database, GAUGE)) == 2
    assert pipeline.state.rates.postponed[UNREGISTERED] >= 1_001


def test_who_stays_above_the_rate_is_told_at_its_station_until_it_is_calm(
    pipeline: Pipeline, database: Engine, clock: Clock
) -> None:
    faults = SenderFaults(pipeline.state, None)
    told = "SELECT subject, judgement, cause, state, nar, evidence ->> 'sender' FROM alerts"
    for second in range(12):
        clock.now = NOON + timedelta(seconds=second)
        receive(pipeline, flood(second * BURST, BURST, at=clock.now))
        faults.tick()
        assert (rows(database, told) == []) == (second < 11)  # above its rate since the second 1
    station = rows(database, "SELECT station_id FROM devices WHERE code = 'gato-143-524'")[0][0]
    assert rows(database, told) == [(station, "fault", "rate", "firing", 1, FLOODER)]
    assert rows(database, "SELECT count(*) FROM notices")[0][0] >= 1
    SenderFaults(pipeline.state, None).tick()  # a restart tells nothing twice
    drain(pipeline)
    clock.now += CALM / 2
    faults.tick()
    assert rows(database, told)[0][3] == "firing"
    clock.now += CALM
    faults.tick()
    assert rows(database, "SELECT state, nar, cause FROM alerts") == [("cleared", 0, "resumed")]


def test_more_rejections_than_are_kept_are_told_at_the_municipality(
    pipeline: Pipeline, database: Engine, clock: Clock
) -> None:
    faults = SenderFaults(pipeline.state, None)
    topics = [f"vigia/v1/laplata/river/gato-{name}" for name in ("tolosa", "ringuelet", "143-524")]
    for topic in topics:
        receive(pipeline, [Message(topic, b"[" * 10_000, NOON) for _ in range(30)])
    faults.tick()
    told = "SELECT subject, cause, state FROM alerts"
    assert rows(database, told) == [("municipality:laplata", "rejections", "firing")]
    clock.now += 2 * CALM
    faults.tick()
    assert rows(database, told) == [("municipality:laplata", "resumed", "cleared")]


def test_the_rules_judge_postponed_readings_like_new_ones(pipeline: Pipeline, database: Engine) -> None:
    receive(pipeline, flood(0, BURST))
    receive(pipeline, [*flood(BURST, 500), *(said(FLOODER, BURST + 500 + n, 3.0) for n in range(3))])
    assert rows(database, "SELECT * FROM transitions") == []
    drain(pipeline)
    assert rows(database, "SELECT max(after) FROM transitions") == [(3,)]
