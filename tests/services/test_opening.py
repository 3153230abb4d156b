"""Which database and clock a process opens: configured or embedded, real or simulated."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy.exc

from models.migrations import current
from services.demo import lock_demo_folder, publish_clock
from services.embedded.child_process import free_port
from services.opening import configured_clock, migrated_database
from services.runtime.clock import FasterClock, wall_clock
from services.runtime.settings import Settings, SettingsError

START = datetime(2013, 4, 2, 18, 30, tzinfo=UTC)


def test_a_simulated_clock_is_refused_with_a_configured_database_or_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = "2013-04-02T15:30:00-03:00@60"
    assert isinstance(configured_clock(Settings(clock=setting)), FasterClock)
    assert configured_clock(Settings()) is wall_clock
    for name in ("VIGIA_DATABASE_URL", "VIGIA_MQTT_URL"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "mqtt://city")
            with pytest.raises(SettingsError, match="embedded"):
                configured_clock(Settings(clock=setting))


def test_the_first_process_migrates_the_database(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIA_DATABASE_URL", migrated_url)
    for _ in range(2):
        with migrated_database(Settings(), "test") as engine, engine.connect() as connection:
            assert current(connection) is not None


def test_an_unavailable_database_is_raised_or_retried_as_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIA_DATABASE_URL", f"postgresql://vigia@127.0.0.1:{free_port(0)}/vigia")
    with pytest.raises(sqlalchemy.exc.OperationalError), migrated_database(Settings(), "test"):
        pass
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with migrated_database(Settings(), "test", stop=stop):
        assert stop.is_set()


def test_commands_beside_a_demo_use_its_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
