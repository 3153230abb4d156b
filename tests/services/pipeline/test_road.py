"""The road on a real database: the rows, judgements, rejections and alerts of a batch stand or fall together."""

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from alerts.rules import dispatch
from ingest.mqtt.receiver import Receiver
from ingest.rejected import store_rejected
from models.reading import Message, Reason, Rejected
from models.rows import driver
from services.city.load import load
from services.pipeline.batch import Batch, decode_messages, split_by_size
from services.pipeline.lookahead import Lookahead
from services.pipeline.rejections import list_rejections, reingest
from services.pipeline.road import Pipeline
from services.runtime.retry import retry_while_unavailable
from tests.seeds import la_plata

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
RIVER = "gato-143-524"
TOPIC = f"vigia/v1/laplata/river/{RIVER}"


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
    """A pipeline for all kinds, with La Plata loaded."""
    with database.begin() as transaction:
        load(transaction, la_plata(), NOON)
    pipeline = Pipeline(database, clock, lane=None)
    yield pipeline
    pipeline.close()


def message(minute: float, level_m: float | None = None, *, topic: str = TOPIC, **more: object) -> Message:
    """What the gauge sends `minute` minutes after noon, received a second later."""
    observed_at = NOON + timedelta(minutes=minute)
    body = {"observed_at": observed_at.isoformat(), "level_m": level_m, **more}
    return Message(topic, json.dumps(body).encode(), observed_at + timedelta(seconds=1))


def rows(database: Engine, query: str) -> list[Any]:
    """Every row of a query."""
    with database.begin() as transaction:
        return [tuple(row) for row in transaction.execute(text(query))]


def one(database: Engine, query: str) -> Any:
    """The one value a query returns."""
    return rows(database, query)[0][0]


def story(pipeline: Pipeline, clock: Clock, *levels: tuple[float, float]) -> None:
    """Carry each (minute, level_m) in a batch of its own, at its own time."""
    for minute, level_m in levels:
        clock.now = NOON + timedelta(minutes=minute, seconds=2)
        pipeline.process_messages([message(minute, level_m)])


def test_a_reading_becomes_one_row_however_often_it_comes(pipeline: Pipeline, database: Engine) -> None:
    once = message(0, 0.4, boot="a", seq=1)
    pipeline.process_messages([once, once])
    pipeline.process_messages([once])
    assert rows(database, "SELECT level_m, seq, flags FROM river_readings") == [(0.4, 1, 0)]
    assert (pipeline.state.counts.readings, pipeline.state.counts.duplicates) == (1, 2)


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_a_different_value_at_the_same_key_is_kept_as_a_conflict(
    pipeline: Pipeline, database: Engine, in_one_batch: bool
) -> None:
    first, second = message(0, 0.4, seq=1), message(0, 0.9, seq=1)
    for batch in [[first, second]] if in_one_batch else [[first], [second]]:
        pipeline.process_messages(batch)
    assert rows(database, "SELECT level_m FROM river_readings") == [(0.4,)]
    kept = rows(database, "SELECT reason, topic, payload FROM rejected_messages")
    assert kept == [("conflict", TOPIC, second.payload)]


def test_a_flood_is_raised_escalated_and_cleared_with_its_evidence(
    pipeline: Pipeline, database: Engine, clock: Clock
) -> None:
    rise = [(minute, 0.5 + 0.02 * minute) for minute in range(70)]
    crest = [(70.0 + minute, 1.9) for minute in range(30)]
    fall = [(100.0 + minute, max(0.3, 1.9 - 0.04 * minute)) for minute in range(150)]
    story(pipeline, clock, *rise, *crest, *fall)
    moves = rows(database, f"SELECT before, after, change FROM transitions WHERE rule_id = '{RIVER}.stage' ORDER BY id")
    colours = [after for before, after, _ in moves if after != before]
    assert [after for _, after, change in moves if change == "observed"] == [1, 3]
    assert colours == [1, 2, 3, 2, 1, 0]
    # What the rule holds no more stays shown until a person confirms that it is over.
    assert rows(database, "SELECT state, highest_nar, rule_nar, nar FROM alerts") == [("cleared", 3, 0, 3)]
    evidence = one(database, "SELECT evidence FROM transitions ORDER BY id LIMIT 1")
    assert evidence["thresholds_m"] == [0.95, 1.3, 1.6]
    told = rows(database, "SELECT body ->> 'reason', (body ->> 'after')::int FROM notices ORDER BY id")
    assert told[0] == ("opened", 1)
    assert {after for _, after in told} == {1, 2, 3}
    assert rows(database, "SELECT nar FROM attention WHERE subject = 'basin:gato'") == [(0,)]


def test_an_alert_is_raised_once_however_often_its_readings_come(
    pipeline: Pipeline, database: Engine, clock: Clock
) -> None:
    clock.now = NOON + timedelta(minutes=10)
    batch = [message(minute, 2.0) for minute in range(5)]
    for _ in range(3):
        pipeline.process_messages(batch)
    assert one(database, "SELECT count(*) FROM alerts") == 1
    assert one(database, "SELECT count(*) FROM transitions WHERE change = 'raised'") == 1


def test_a_lone_spike_alerts_the_watch_and_colours_no_basin_until_something_backs_it(
    pipeline: Pipeline, database: Engine, clock: Clock
) -> None:
    story(pipeline, clock, *((float(minute), 0.3) for minute in range(5)), (5.0, 1.7))
    assert rows(database, "SELECT nar, confirmed FROM alerts") == [(3, False)]
    assert rows(database, "SELECT nar FROM attention WHERE subject = 'basin:gato'") in ([], [(0,)])
    story(pipeline, clock, (6.0, 1.7))
    assert rows(database, "SELECT nar, confirmed FROM alerts") == [(3, True)]
    assert rows(database, "SELECT nar FROM attention WHERE subject = 'basin:gato'") == [(3,)]


def test_what_another_version_remembered_costs_no_reading_and_no_colour(
    pipeline: Pipeline, database: Engine, clock: Clock
) -> None:
    story(pipeline, clock, (0.0, 1.7), (1.0, 1.7))
    with database.begin() as transaction:
        states = f'{{"{RIVER}.stage:stage": {{"nar": 3, "samples": "of another kind"}}}}'
        transaction.execute(text("UPDATE subject_states SET states = :states"), {"states": states})
        transaction.execute(text("UPDATE device_memories SET memory = '[\"of another kind\"]'"))
    pipeline.state.forget()
    story(pipeline, clock, *((float(minute), 0.3) for minute in range(2, 120)))
    assert one(database, "SELECT count(*) FROM river_readings") == 120
    assert rows(database, "SELECT state, highest_nar FROM alerts WHERE judgement = 'stage'") == [("cleared", 3)]


def test_an_unregistered_device_is_kept_and_seen_and_judged_by_nobody(pipeline: Pipeline, database: Engine) -> None:
    pipeline.process_messages(
        [message(minute, 9.0, topic="vigia/v1/laplata/river/nobody-knows") for minute in range(3)]
    )
    assert one(database, "SELECT count(*) FROM river_readings") == 3
    assert rows(database, "SELECT code FROM devices WHERE registered_at IS NULL") == [("nobody-knows",)]
    assert rows(database, "SELECT * FROM alerts") == []


def test_garbage_is_kept_with_its_reason_and_costs_its_neighbours_nothing(pipeline: Pipeline, database: Engine) -> None:
    garbage = Message("vigia/v1/laplata/river/x", b"\x00\xff{", NOON)
    foreign = Message("vigia/v1/laplata/toaster/x", b"{}", NOON)
    pipeline.process_messages([message(0, 0.3), garbage, foreign, message(1, 0.3)])
    assert one(database, "SELECT count(*) FROM river_readings") == 2
    kept = rows(database, "SELECT topic, payload FROM rejected_messages ORDER BY id")
    assert kept == [(garbage.topic, garbage.payload), (foreign.topic, foreign.payload)]


def test_a_hole_in_the_sequence_is_counted_and_filled_by_what_comes_late(pipeline: Pipeline, database: Engine) -> None:
    pipeline.process_messages([message(minute, 0.3, boot="b", seq=minute) for minute in (0, 1, 4)])
    assert rows(database, "SELECT first_seq, last_seq, filled FROM sequence_gaps") == [(2, 3, 0)]
    pipeline.process_messages([message(2, 0.3, boot="b", seq=2)])
    assert rows(database, "SELECT first_seq, last_seq, filled FROM sequence_gaps") == [(2, 3, 1)]


def test_a_rule_that_fails_costs_its_own_judgement_and_no_row(
    pipeline: Pipeline, database: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_for = dispatch.judge_for

    def broken(rule: Any, *arguments: Any) -> Any:
        if rule.subject == RIVER:
            raise ZeroDivisionError("a rule's bug")
        return judge_for(rule, *arguments)

    monkeypatch.setattr(dispatch, "judge_for", broken)
    other = "vigia/v1/laplata/river/perez-31-520"
    clock.now = NOON + timedelta(minutes=5)
    for _ in range(2):
        pipeline.process_messages([message(m, 3.0, topic=topic) for m in range(3) for topic in (TOPIC, other)])
    assert one(database, "SELECT count(*) FROM river_readings") == 6
    found = rows(database, "SELECT subject, judgement, cause FROM alerts ORDER BY subject")
    assert (RIVER, "evaluator", "evaluator") in found
    assert ("perez-31-520", "stage", "level") in found


def test_a_poisonous_message_is_set_aside_alone(
    pipeline: Pipeline, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = message(1, 0.5, boot="poison", seq=1)

    def poisoned(messages: Sequence[Message], foreign: str | None) -> Any:
        if poison in messages:
            raise RuntimeError("something nobody thought of")
        return decode_messages(messages, foreign)

    monkeypatch.setattr("services.pipeline.road.decode_messages", poisoned)
    pipeline.process_messages([message(0, 0.5), poison, *(message(minute, 0.5) for minute in range(2, 9))])
    assert one(database, "SELECT count(*) FROM river_readings") == 8
    assert rows(database, "SELECT reason, payload FROM rejected_messages") == [("poison", poison.payload)]


def test_a_rule_that_fails_as_time_passes_costs_its_own_judgement_and_stops_nobody(
    pipeline: Pipeline, database: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = dispatch.tick

    def broken(rule: Any, *arguments: Any) -> Any:
        if rule.subject == RIVER:
            raise ZeroDivisionError("a rule's bug")
        return tick(rule, *arguments)

    pipeline.process_messages([message(0, 0.3), message(0, 0.3, topic="vigia/v1/laplata/river/perez-31-520")])
    monkeypatch.setattr(dispatch, "tick", broken)
    for minute in (1, 20):
        clock.now = NOON + timedelta(minutes=minute)
        pipeline.tick_rules()
    found = rows(database, "SELECT subject, judgement FROM alerts WHERE subject IN ('perez-31-520', 'gato-143-524')")
    assert sorted(found) == [("gato-143-524", "evaluator"), ("perez-31-520", "silence")]


def test_an_array_of_contradictions_is_kept_once(pipeline: Pipeline, database: Engine) -> None:
    at = NOON.isoformat()
    payload = json.dumps([{"observed_at": at, "level_m": 0.01 * n, "seq": 1} for n in range(200)]).encode()
    pipeline.process_messages([Message(TOPIC, payload, NOON)])
    assert rows(database, "SELECT level_m FROM river_readings") == [(0.0,)]
    ((reason, kept, detail),) = rows(database, "SELECT reason, payload, detail FROM rejected_messages")
    assert (reason, kept) == ("conflict", payload)
    assert "198 more" in detail
    assert pipeline.state.counts.duplicates == 0


def test_two_rejections_of_one_device_are_taken_in_by_one_pipeline(pipeline: Pipeline, database: Engine) -> None:
    said = [message(minute, 0.3, seq=minute) for minute in range(3)]
    with database.begin() as transaction:
        store_rejected(transaction, [Rejected(one, Reason.POISON, "a bug, mended since") for one in said])
    for _ in said:
        with database.begin() as transaction:
            (oldest, *_) = list_rejections(transaction, ids=None, reason=None, limit=10)
            assert reingest(transaction, pipeline, oldest) is None
    pipeline.process_messages([message(3, 0.3, seq=3)])
    assert one(database, "SELECT count(*) FROM river_readings") == 4
    assert rows(database, "SELECT reason FROM rejected_messages WHERE reingested_at IS NULL") == []


@pytest.mark.parametrize("table", ["device_memories", "subject_states", "transitions"])
def test_a_message_the_database_cannot_take_is_set_aside_wherever_it_fails(
    pipeline: Pipeline, database: Engine, clock: Clock, table: str
) -> None:
    culprit = {
        "device_memories": "device_id <> (SELECT_ID)",
        "subject_states": f"subject <> '{RIVER}' OR version = 0",
        "transitions": f"subject <> '{RIVER}'",
    }[table]
    number = one(database, f"SELECT id FROM devices WHERE code = '{RIVER}'")
    with database.begin() as transaction:
        check = culprit.replace("(SELECT_ID)", str(number))
        transaction.execute(text(f"ALTER TABLE {table} ADD CONSTRAINT trap CHECK ({check}) NOT VALID"))
    clock.now = NOON + timedelta(minutes=1)
    other = "vigia/v1/laplata/river/perez-31-520"
    pipeline.process_messages([message(0, 3.0), *(message(m / 10, 0.3, topic=other) for m in range(5))])
    assert one(database, "SELECT count(*) FROM river_readings") == 5
    assert rows(database, "SELECT reason, topic FROM rejected_messages") == [("poison", TOPIC)]


def test_a_connection_ended_in_the_middle_costs_nothing(pipeline: Pipeline, database: Engine) -> None:
    pipeline.process_messages([message(0, 0.3)])
    write = Pipeline.write

    def slow(self: Pipeline, transaction: Any, batch: Batch, *, careful: bool, ahead: Lookahead | None = None) -> Any:
        if not ended:
            ended.append(True)
            with driver(transaction).cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
            threading.Event().wait(0.5)
        return write(self, transaction, batch, careful=careful, ahead=ahead)

    ended: list[bool] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Pipeline, "write", slow)
        assert retry_while_unavailable(lambda: pipeline.process_messages([message(1, 0.3)]), threading.Event())
    assert ended
    assert one(database, "SELECT count(*) FROM river_readings") == 2
    assert rows(database, "SELECT * FROM rejected_messages") == []


def test_who_did_not_listen_calls_nobody_silent(
    pipeline: Pipeline, database: Engine, clock: Clock, mqtt_url: str
) -> None:
    pipeline.process_messages([message(0, 0.3)])
    clock.now = NOON + timedelta(minutes=40)  # away meanwhile; what was sent waits in the broker
    broker, stop = Receiver(mqtt_url, client_id="just-started", filters=pipeline.topics, now=clock), threading.Event()
    threading.Timer(2.0, stop.set).start()
    pipeline.run(broker, 100, stop)
    broker.close()
    assert rows(database, "SELECT subject FROM alerts") == []
    pipeline.tick_rules()
    assert (RIVER,) in rows(database, "SELECT subject FROM alerts WHERE judgement = 'silence'")


def test_long_arrays_are_carried_in_portions_and_in_their_order() -> None:
    sizes = [10, 80, 20, 300, 5, 5, 90, 1]
    messages = [Message(TOPIC, b"x" * size, NOON) for size in sizes]
    carried = list(split_by_size(messages, 100))
    assert [[len(one.payload) for one in portion] for portion in carried] == [[10, 80], [20], [300], [5, 5, 90], [1]]
    assert [*split_by_size([], 100)] == []


def test_a_batch_of_long_arrays_is_told_in_several_events_and_all_of_it(pipeline: Pipeline, database: Engine) -> None:
    def array(device: str) -> Message:
        times = [(NOON + timedelta(seconds=second)).isoformat() for second in range(800)]
        payload = json.dumps([{"observed_at": at, "level_m": 0.3, "seq": n} for n, at in enumerate(times)]).encode()
        return Message(f"vigia/v1/laplata/river/{device}", payload, NOON + timedelta(minutes=15))

    pipeline.process_messages([array(device) for device in ("one", "two", "three")])
    sizes = rows(database, "SELECT json_array_length(data -> 'readings') FROM events WHERE event = 'readings'")
    assert sorted(sizes) == [(400,), (1000,), (1000,)]
