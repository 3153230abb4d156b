"""A device that sends local time as UTC raises no alert without the alert saying how old its readings are."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from models.alert import NAR
from models.reading import Message
from models.tables.alerts import alerts, notices, transitions
from services.city.load import load
from services.pipeline.road import Pipeline
from tests.alerts.town import NOON, town


def send_flood(database: Engine, behind: timedelta) -> Any:
    """Five rising readings, each said to be so much older than it is; the alert that they raise."""
    with database.begin() as transaction:
        load(transaction, town(["head"], thresholds_m=(1.0, 1.5, 2.0)), NOON)
    now = [NOON]
    pipeline = Pipeline(database, lambda: now[0], lane=None)
    for minute in range(5):
        now[0] = NOON + timedelta(minutes=minute)
        body = {"observed_at": (now[0] - behind).isoformat(), "level_m": 1.6}
        pipeline.process_messages([Message("vigia/v1/azul/river/head", json.dumps(body).encode(), now[0])])
    pipeline.close()
    with database.begin() as transaction:
        assert transaction.execute(select(notices.c.id)).first() is not None
        changes = transaction.execute(select(transitions.c.evidence).where(transitions.c.after > 0)).scalars().all()
        return transaction.execute(select(alerts.c.nar, alerts.c.evidence)).one(), changes


@pytest.mark.parametrize(("behind_s", "is_said"), [(0, False), (600, False), (3 * 3600, True)])
def test_an_alert_says_when_its_readings_are_older_than_is_allowed(
    database: Engine, behind_s: int, is_said: bool
) -> None:
    alert, changes = send_flood(database, timedelta(seconds=behind_s))
    assert alert.nar == NAR.NARANJA
    assert alert.evidence.get("reading_age_s") == (behind_s if is_said else None)
    assert {"reading_age_s" in evidence for evidence in changes} == {is_said}
