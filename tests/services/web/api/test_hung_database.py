"""A database that hangs, with its connections open, leaves nobody waiting, and an open page hears of it."""

import json
import signal
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import SecretStr

from services.embedded.postgres import embedded_postgres
from services.opening import migrated_database
from services.runtime.clock import wall_clock
from services.runtime.settings import Settings
from services.web.app import create_app
from services.web.live import process_watch
from tests.serving import listening
from tests.waiting import wait_until

ADDRESSES = ("/", "/api/v1/alerts", "/api/v1/stations", "/api/v1/health/ready")
TIMEOUT_S = 40.0
"""Longer than any answer takes on a busy machine."""


@contextmanager
def frozen(postmaster: int) -> Iterator[None]:
    """A database that does not run, while its connections stay open."""
    server = psutil.Process(postmaster)
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def pulses(url: str) -> Generator[bool]:
    """What the pulses of the live stream say of the database."""
    with httpx.stream("GET", f"{url}/api/v1/live?events=device", timeout=TIMEOUT_S) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: ") and "connected" in line:
                yield json.loads(line.removeprefix("data: "))["connected"]


def test_a_database_that_hangs_is_told_and_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_watch, "HUNG_AFTER_S", 2.0)
    monkeypatch.setattr("services.web.api.live.PULSE_S", 0.2)
    with embedded_postgres(tmp_path) as postgres:
        settings = Settings(database_url=SecretStr(postgres.url), api_port=0)
        with migrated_database(settings, "test", pool_size=14) as database:
            app = create_app(settings, database, wall_clock, prepared_s=0.0)
            with listening(app, settings) as url, ThreadPoolExecutor(16) as threads:
                told = pulses(url)
                wait_until(lambda: next(told))
                with frozen(postgres.pid):
                    waiting = [
                        threads.submit(httpx.get, url + ADDRESSES[number % len(ADDRESSES)], timeout=TIMEOUT_S)
                        for number in range(16)
                    ]
                    wait_until(lambda: not next(told))
                    assert {one.result().status_code for one in waiting} == {HTTPStatus.SERVICE_UNAVAILABLE}
                    assert httpx.get(f"{url}/api/v1/health/live", timeout=TIMEOUT_S).is_success
                wait_until(lambda: next(told))
                wait_until(lambda: all(httpx.get(url + one, timeout=TIMEOUT_S).is_success for one in ADDRESSES))
                told.close()
