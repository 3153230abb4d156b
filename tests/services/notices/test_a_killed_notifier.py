"""A notifier killed with -9 in the middle of an attempt: the next one takes its notices over, under the same keys."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import pytest
from sqlalchemy import Engine

from tests.architecture.repository import ROOT
from tests.services.notices.test_hostile_webhooks import Answer, accept, add_contact, hang, webhook
from tests.services.notices.test_notifier import raise_alert
from tests.waiting import wait_until

TAKEN_OVER_S = 20.0


@contextmanager
def notifier(database_url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A notifier in a process of its own; killed at the end."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("VIGIA_")}
    command = [sys.executable, "-m", "services", "notifier"]
    with subprocess.Popen(command, cwd=ROOT, env=environment | {"VIGIA_DATABASE_URL": database_url}) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.proof
def test_a_notice_of_a_killed_notifier_is_delivered_within_twenty_seconds(database: Engine, migrated_url: str) -> None:
    answers: list[Answer] = [hang, accept]

    def first_hangs(connection: socket.socket, ended: threading.Event) -> None:
        answers.pop(0)(connection, ended)

    with webhook(first_hangs) as (url, requests):
        add_contact(database, url)
        raise_alert(database)
        with notifier(migrated_url):
            wait_until(lambda: requests)
        killed_s = monotonic()
        with notifier(migrated_url):
            wait_until(lambda: len(requests) == 2)
            taken_over_s = monotonic() - killed_s
    print(f"taken over {taken_over_s:.1f} s after kill -9")
    assert len({re.search(rb"(?i)idempotency-key: (\S+)", request)[1] for request in requests}) == 1  # type: ignore[index]
    assert taken_over_s < TAKEN_OVER_S


@pytest.mark.proof
def test_the_watch_has_its_notice_within_seconds_while_a_webhook_hangs(database: Engine, migrated_url: str) -> None:
    delays_s, received = [], threading.Event()

    def quickly(connection: socket.socket, ended: threading.Event) -> None:
        accept(connection, ended)
        received.set()

    with webhook(hang) as (hanging, stuck), webhook(quickly) as (good, _), notifier(migrated_url):
        for url in (hanging, good):
            add_contact(database, url)
        for number in range(10):
            received.clear()
            raised_s = monotonic()
            raise_alert(database, f"station-{number}")
            assert received.wait(TAKEN_OVER_S)
            delays_s.append(monotonic() - raised_s)
        assert stuck
    print(f"beside a webhook that hangs, another has its notice after at most {max(delays_s):.1f} s")
    assert max(delays_s[1:]) < 2.0
