"""What was no reading is found again, and taken in once device, rule or code was mended: on the same road, once."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ingest.rejected import store_rejected
from models.reading import Message, Reason, Rejected
from services.__main__ import main
from services.city.load import load
from services.commands.rejections import printable
from services.pipeline.rejections import list_rejections, reingest
from services.pipeline.road import Pipeline
from tests.alerts.town import NOON, town

TOPIC = "vigia/v1/azul/river/head"


@pytest.fixture
def pipeline(database: Engine) -> Iterator[Pipeline]:
    """A pipeline a day later, with a town of one gauge."""
    with database.begin() as transaction:
        load(transaction, town(["head"]), NOON)
    pipeline = Pipeline(database, lambda: NOON + timedelta(days=1), lane=None)
    yield pipeline
    pipeline.close()


def body(minute: float, level_m: float, **more: object) -> bytes:
    """What the gauge says."""
    at = NOON + timedelta(minutes=minute)
    return json.dumps({"observed_at": at.isoformat(), "level_m": level_m, **more}).encode()


def reject(database: Engine, payload: bytes, *, topic: str = TOPIC, reason: Reason = Reason.POISON) -> int:
    """Something that was set aside, with its number."""
    with database.begin() as transaction:
        store_rejected(transaction, [Rejected(Message(topic, payload, NOON), reason, "because")])
        return int(transaction.execute(text("SELECT max(id) FROM rejected_messages")).scalar_one())


def again(database: Engine, pipeline: Pipeline, number: int) -> str | None:
    """Try one of them once more."""
    with database.begin() as transaction:
        (one,) = list_rejections(transaction, ids=[number], reason=None, limit=1)
        return reingest(transaction, pipeline, one)


def rows(database: Engine, query: str) -> list[Any]:
    """Every row of a query."""
    with database.begin() as transaction:
        return [tuple(row) for row in transaction.execute(text(query))]


def test_what_is_a_reading_by_now_is_taken_in_with_the_time_it_first_came(database: Engine, pipeline: Pipeline) -> None:
    number = reject(database, body(0, 0.4, seq=3))
    assert again(database, pipeline, number) is None
    assert rows(database, "SELECT level_m, seq, received_at FROM river_readings") == [(0.4, 3, NOON)]
    assert rows(database, "SELECT reingested_at FROM rejected_messages") == [(NOON + timedelta(days=1),)]
    with database.begin() as transaction:
        assert list_rejections(transaction, ids=None, reason=None, limit=10) == []


def test_what_is_still_none_stays_as_it_was_and_costs_nothing(database: Engine, pipeline: Pipeline) -> None:
    number = reject(database, b'{"level_m": "wet"}', reason=Reason.FIELD)
    trouble = again(database, pipeline, number)
    assert trouble
    assert again(database, pipeline, number) == trouble
    assert rows(database, "SELECT count(*), count(reingested_at) FROM rejected_messages") == [(1, 0)]


def test_half_an_array_is_not_taken_in_twice(database: Engine, pipeline: Pipeline) -> None:
    good = json.loads(body(0, 0.4))
    bad = good | {"level_m": "wet"}
    payload = json.dumps([good, bad]).encode()
    pipeline.process_messages([Message(TOPIC, payload, NOON)])
    ((number, reason),) = rows(database, "SELECT id, reason FROM rejected_messages")
    assert reason == "field"
    assert again(database, pipeline, number)
    assert rows(database, "SELECT count(*) FROM river_readings") == [(1,)]


def test_a_contradiction_is_still_one_and_leaves_no_second_rejection(database: Engine, pipeline: Pipeline) -> None:
    pipeline.process_messages([Message(TOPIC, body(0, level_m), NOON) for level_m in (0.4, 0.9)])
    ((number, reason),) = rows(database, "SELECT id, reason FROM rejected_messages")
    assert reason == "conflict"
    assert "already kept" in (again(database, pipeline, number) or "")
    assert rows(database, "SELECT level_m FROM river_readings") == [(0.4,)]
    assert rows(database, "SELECT count(*), count(reingested_at) FROM rejected_messages") == [(1, 0)]


def test_yesterdays_flood_is_kept_and_raises_nothing_today(database: Engine, pipeline: Pipeline) -> None:
    pipeline.process_messages([Message(TOPIC, body(60, 0.4), NOON + timedelta(hours=1))])
    numbers = [reject(database, body(minute, 2.6)) for minute in range(-5, 0)]
    assert [again(database, pipeline, number) for number in numbers] == [None] * 5
    assert rows(database, "SELECT count(*) FROM river_readings") == [(6,)]
    assert rows(database, "SELECT * FROM alerts") == []


def test_they_are_found_by_number_and_reason_oldest_first(database: Engine) -> None:
    numbers = [reject(database, b"x", reason=reason) for reason in (Reason.SYNTAX, Reason.TIME, Reason.SYNTAX)]
    with database.begin() as transaction:
        found = list_rejections(transaction, ids=None, reason="syntax", limit=10)
        assert [one.id for one in found] == [numbers[0], numbers[2]]
        assert [one.id for one in list_rejections(transaction, ids=numbers[1:], reason=None, limit=1)] == [numbers[1]]
        assert list_rejections(transaction, ids=[], reason=None, limit=10) == []
    assert found[0].message == Message(TOPIC, b"x", NOON)


def test_the_command_lists_them_and_takes_them_in(
    migrated_url: str, database: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIGIA_DATABASE_URL", migrated_url)
    with database.begin() as transaction:
        load(transaction, town(["head"]), NOON)
    good, bad = reject(database, body(0, 0.4)), reject(database, b"\xff wet", reason=Reason.ENCODING)
    assert main(["rejections", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [str(good), str(bad)]
    assert "\\xff wet" in lines[1]
    assert main(["rejections", "reingest"]) == 1
    assert "1 taken in, 1 still no reading" in capsys.readouterr().out
    assert main(["rejections", "reingest", "--reason", "poison"]) == 0
    assert rows(database, "SELECT count(*) FROM river_readings") == [(1,)]


def test_a_number_that_is_not_there_is_nobodys(database: Engine) -> None:
    with database.begin() as transaction:
        assert list_rejections(transaction, ids=[99], reason=None, limit=10) == []


def test_what_is_listed_cannot_command_the_terminal() -> None:
    assert printable("\x1b[2J\tñandú\n\u202e") == r"\x1b[2J\tñandú\n\u202e"
