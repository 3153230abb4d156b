"""The pipeline's log says why a device's messages are no readings, once a device and minute."""

import json
import logging
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from models.reading import Message, Reason, Rejected
from services.city.load import load
from services.pipeline.rejection_log import MAX_SENDERS, RejectionLog
from services.pipeline.road import Pipeline
from tests.alerts.town import NOON, town


def test_a_device_has_one_line_a_minute_that_counts_the_others(
    database: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with database.begin() as transaction:
        load(transaction, town(["head"]), NOON)
    now = [NOON]
    pipeline = Pipeline(database, lambda: now[0], lane=None)

    def send(device: str, **fields: object) -> None:
        body = json.dumps({"observed_at": now[0].isoformat(), **fields}).encode()
        pipeline.process_messages([Message(f"vigia/v1/azul/river/{device}", body, now[0])])

    with caplog.at_level(logging.WARNING, "services.pipeline.rejection_log"):
        for second in range(5):
            now[0] = NOON + timedelta(seconds=second)
            send("head", level_cm=142)
            send("head-2", level_m=0.2)
        now[0] = NOON + timedelta(seconds=61)
        send("head", level_cm=142)
    pipeline.close()
    said = [record.__dict__ for record in caplog.records if record.name == "services.pipeline.rejection_log"]
    assert [(one["action"], one["topic"].rpartition("/")[2], one.get("not_logged_before")) for one in said] == [
        ("reject", "head", 0),
        ("undeclared", "head-2", None),
        ("reject", "head", 4),
    ]
    assert said[0]["detail"] == "level_m: Field required; 'level_cm' was sent: did you mean level_m, in m?"


def test_invented_names_fill_neither_the_log_nor_the_memory(caplog: pytest.LogCaptureFixture) -> None:
    log = RejectionLog()
    with caplog.at_level(logging.WARNING):
        for minute in range(2):
            for number in range(2 * MAX_SENDERS):
                item = Rejected(Message(f"{minute}-{number}", b"", NOON), Reason.TOPIC, "no device")
                log.note_rejected([(item.message.topic, item)], NOON + timedelta(minutes=minute))
    assert len(caplog.records) == 2 * MAX_SENDERS
