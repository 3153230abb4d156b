"""The one place that opens things: clocks, databases that are away, logs in lines, and ending between two batches."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep

import httpx
import psycopg
import pytest
import sqlalchemy.exc
from pydantic import ValidationError
from sqlalchemy import text

from alerts.delivery.channels import post_webhook
from models.migrations import current
from services.demo import lock_demo_folder, publish_clock
from services.embedded.child_process import free_port
from services.opening import configured_clock, migrated_database
from services.runtime.clock import FasterClock, PeriodicTimer, parse_clock, wall_clock
from services.runtime.database import open_database
from services.runtime.process import start_logging
from services.runtime.retry import error_summary, retry_while_unavailable
from services.runtime.settings import Settings, SettingsError
from tests.waiting import LIMIT_S

ROOT = Path(__file__).parents[3]
START = datetime(2013, 4, 2, 18, 30, tzinfo=UTC)


def test_a_faster_clock_goes_on_from_its_start_at_its_pace() -> None:
    real = wall_clock() - timedelta(seconds=10)
    now = FasterClock(START, 60, real)()
    assert timedelta(minutes=10) <= now - START <= 60 * (wall_clock() - real)


def test_several_processes_share_one_simulated_time() -> None:
    clock = parse_clock("2013-04-02T15:30:00-03:00@60")
    assert clock.simulated == START
    other = parse_clock(str(clock))
    assert other == clock
    assert abs(other() - clock()) < timedelta(seconds=30)


@pytest.mark.parametrize(
    "words",
    ["", "soon", "2013-04-02@fast", "2013-04-02T15:30:00-03:00@0", "2013-04-02T15:30:00-03:00@4000", "@", "1@2@3"],
)
def test_a_wrong_clock_is_explained(words: str) -> None:
    with pytest.raises(SettingsError, match="VIGIA_CLOCK"):
        parse_clock(words)


def test_a_simulated_time_never_meets_a_real_city(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "2013-04-02T15:30:00-03:00@60"
    assert isinstance(configured_clock(Settings(clock=words)), FasterClock)
    assert configured_clock(Settings()) is wall_clock
    for name in ("VIGIA_DATABASE_URL", "VIGIA_MQTT_URL"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "mqtt://city")
            with pytest.raises(SettingsError, match="embedded"):
                configured_clock(Settings(clock=words))


def test_the_time_has_its_zone() -> None:
    assert wall_clock().tzinfo is UTC


def test_settings_are_read_once_stay_as_they_are_and_keep_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIA_DATABASE_URL", "postgresql://vigia:hunter2@db/vigia")
    monkeypatch.setenv("VIGIA_WEBHOOK_URL", "")
    settings = Settings()
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump())
    assert settings.webhook_url is None
    with pytest.raises(ValidationError):
        settings.batch = 7  # type: ignore[misc]


@pytest.mark.parametrize(("name", "value"), [("BATCH", "0"), ("API_PORT", "99999"), ("LOG_LEVEL", "LOUD")])
def test_a_setting_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"VIGIA_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_every_connection_waits_for_the_disk_in_utc_and_within_bounds(database_url: str) -> None:
    engine = open_database(database_url, name="test", statement_timeout_s=3, pool_size=1)
    wanted = {"timezone": "UTC", "synchronous_commit": "on", "statement_timeout": "3s", "application_name": "test"}
    with engine.connect() as connection:
        found = {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in wanted}
    engine.dispose()
    assert found == wanted


def test_a_database_is_brought_to_this_schema_by_whoever_comes_first(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIA_DATABASE_URL", migrated_url)
    for _ in range(2):
        with migrated_database(Settings(), "test") as engine, engine.connect() as connection:
            assert current(connection) is not None


def test_a_database_that_is_away_is_raised_or_waited_for_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIA_DATABASE_URL", f"postgresql://vigia@127.0.0.1:{free_port(0)}/vigia")
    with pytest.raises(sqlalchemy.exc.OperationalError), migrated_database(Settings(), "test"):
        pass
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with migrated_database(Settings(), "test", stop=stop):
        assert stop.is_set()


def test_only_a_lost_database_is_outlasted() -> None:
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise psycopg.OperationalError("away")

    assert retry_while_unavailable(work, threading.Event())
    assert len(tries) == 3
    with pytest.raises(ZeroDivisionError):
        retry_while_unavailable(lambda: 1 / 0, threading.Event())


def test_whoever_is_told_to_stop_while_waiting_did_not_do_it() -> None:
    stop = threading.Event()
    stop.set()

    def away() -> None:
        raise psycopg.OperationalError("away")

    assert not retry_while_unavailable(away, stop)


def test_an_error_is_told_in_bounds_and_can_be_kept() -> None:
    assert error_summary(ValueError("a\0b")) == "ValueError: ab"
    assert len(error_summary(ValueError("x" * 10_000))) == 500


def test_a_task_is_due_at_once_and_then_once_a_period() -> None:
    every = PeriodicTimer(3_600)
    assert (every.due(), every.due()) == (True, False)
    every.postpone(0.0)
    assert (every.due(), every.due()) == (True, False)


def test_each_line_of_the_log_is_one_object_with_what_was_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = io.StringIO()
    monkeypatch.setattr(sys, "stderr", heard)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        start_logging(Settings(log_level="INFO"))
        log = logging.getLogger("vigia.test")
        log.debug("not kept")
        log.info("kept a batch\nof two lines", extra={"action": "keep", "messages": 500})
        try:
            raise ValueError("ñandú")
        except ValueError:
            log.exception("a bug")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    first, second = map(json.loads, heard.getvalue().splitlines())
    assert (first["message"], first["action"], first["messages"]) == ("kept a batch\nof two lines", "keep", 500)
    assert datetime.fromisoformat(first["at"]).tzinfo is not None
    assert second["level"] == "ERROR"
    assert "ValueError: ñandú" in second["exception"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_told_to_stop_ends_by_itself(number: signal.Signals) -> None:
    program = (
        "from services.runtime.process import stop_on_signals\n"
        "stop = stop_on_signals()\n"
        "print('ready', flush=True)\n"
        "print('ended' if stop.wait(20) else 'waited in vain')\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("VIGIA_")}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "ended\n"
        assert process.wait(LIMIT_S) == 0


def test_whoever_was_not_asked_for_long_knows_it_and_can_wait() -> None:
    every = PeriodicTimer(0.01)
    assert every.overdue_s > 1e9
    assert every.due()
    sleep(0.1)
    assert 0.08 < every.overdue_s < LIMIT_S
    every.postpone(60)
    assert not every.due()


def test_every_command_beside_a_demo_goes_by_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FasterClock(START, 60, wall_clock())
    settings = Settings(data_dir=tmp_path)
    assert configured_clock(settings) is wall_clock
    with lock_demo_folder(tmp_path):
        assert configured_clock(settings) is wall_clock
        publish_clock(tmp_path, clock)
        assert configured_clock(settings) == clock
        monkeypatch.setenv("VIGIA_DATABASE_URL", "postgresql://city")
        assert configured_clock(Settings(data_dir=tmp_path)) is wall_clock
    assert configured_clock(settings) is wall_clock


def test_a_webhooks_address_is_never_logged(capsys: pytest.CaptureFixture[str]) -> None:
    root, level, handlers = logging.getLogger(), logging.getLogger().level, logging.getLogger().handlers[:]
    try:
        start_logging(Settings(log_level="DEBUG"))
        with httpx.Client() as client:
            post_webhook(client, f"http://127.0.0.1:{free_port(0)}/hooks/hunter2", "key", {})
        logging.getLogger("services").info("and yet it logs")
    finally:
        root.handlers, root.level = handlers, level
    said = capsys.readouterr().err
    assert "and yet it logs" in said
    assert "hunter2" not in said
