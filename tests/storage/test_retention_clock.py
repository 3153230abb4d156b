"""Nothing is deleted by a clock that may be wrong: by ours, or by that of a server whose jobs delete."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, insert, select, text

from models.migrations import upgrade
from models.migrations.refused import ConversionRefused
from models.reading import Flag
from models.tables import METADATA
from models.tables.readings import READINGS, device_memories
from services.__main__ import main
from services.city.load import load
from services.commands.upkeep import run_daily_tasks
from services.runtime.clock import wall_clock
from services.runtime.database import open_database
from services.upkeep.retention_clock import RetentionRefusedError, require_right_clock
from tests.seeds import la_plata
from tests.storage.conftest import NewDatabase, allow_timescale
from tests.storage.test_retention import reading
from tests.storage.test_timescale import RAW, count, every, fill, run_jobs, server_time

A_MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def city(either: Engine) -> Engine:
    """La Plata, where nothing was heard yet."""
    return migrated(either)


def migrated(database: Engine) -> Engine:
    with database.begin() as connection:
        upgrade(connection)
        load(connection, la_plata(), wall_clock())
    return database


def gauges(connection: Connection) -> list[int]:
    """The registered river gauges."""
    devices = METADATA.tables["devices"]
    return list(
        connection.execute(select(devices.c.id).where(devices.c.kind == "river").order_by(devices.c.id)).scalars()
    )


def hear(city: Engine, *observed_at: datetime, flags: Flag = Flag.NONE) -> None:
    """Let the newest readings of as many gauges be of these times, and forget what was heard before."""
    with city.begin() as connection:
        connection.execute(device_memories.delete())
        for gauge, at in zip(gauges(connection), observed_at, strict=False):
            row = {"device_id": gauge, "version": 1, "memory": "[]", "latest": {}, "flags": int(flags)}
            connection.execute(insert(device_memories), row | {"observed_at": at, "received_at": at})


def refusal(city: Engine, clock: Callable[[], datetime] = wall_clock) -> str | None:
    """Why nothing may be deleted by this clock."""
    try:
        require_right_clock(city, clock)
    except RetentionRefusedError as error:
        return str(error)
    return None


def test_the_newest_readings_of_several_gauges_tell_whether_the_time_can_be(city: Engine) -> None:
    now = wall_clock()
    assert refusal(city) is None  # nothing was ever heard: there is nothing to go by
    hear(city, *[now - A_MINUTE] * 6)
    assert refusal(city) is None
    assert "the newest readings are of" in (refusal(city, lambda: now + 2 * DAY) or "")
    assert refusal(city, lambda: now + timedelta(hours=23)) is None
    hear(city, *[now - 2 * DAY] * 6, now)  # one whose clock is ahead
    assert "nothing was deleted" in (refusal(city) or "")
    hear(city, *[now - 2 * DAY] * 6, flags=Flag.SERVER_TIME)  # their time is ours
    assert refusal(city) is None


def test_a_clock_that_differs_from_the_database_s_deletes_nothing(city: Engine) -> None:
    def asked(is_real: bool, ahead: str) -> str | None:
        with city.begin() as connection:
            told: str | None = connection.execute(
                text(f"SELECT retention_refusal(clock_timestamp() + INTERVAL '{ahead}', :real)"), {"real": is_real}
            ).scalar_one()
            return told

    for ahead in ("10 minutes", "-10 minutes"):
        assert "the database's says" in (asked(True, ahead) or "")
        assert asked(False, ahead) is None  # a simulated clock
    assert asked(True, "1 minute") is None


def test_commands_that_delete_say_why_they_do_not(
    plain: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    city, now = migrated(plain), wall_clock()
    monkeypatch.setenv("VIGIA_DATABASE_URL", city.url.render_as_string(hide_password=False))
    with city.begin() as connection:
        connection.execute(
            text("INSERT INTO events (at, event, data) VALUES (:at, 'transition', '{}')"), {"at": now - 9 * DAY}
        )

    def stored() -> int:
        with city.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM events WHERE event = 'transition'")).scalar_one())

    hear(city, *[now - 2 * DAY] * 6)
    assert main(["retain"]) == 1
    told = capsys.readouterr().err
    assert "vigia retain: no se borró nada / nothing was deleted: el reloj dice" in told
    assert "set it by NTP" in told
    run_daily_tasks(city, wall_clock, threading.Event())
    assert stored() == 1
    assert main(["retain", "--clock-checked"]) == 0
    assert stored() == 0


def test_the_function_is_left_as_it_is_where_it_is_the_same(plain: Engine) -> None:
    migrated(plain)
    written = text("SELECT xmin FROM pg_proc WHERE proname = 'retention_refusal'")
    with plain.connect() as connection:
        before = connection.execute(written).scalar_one()
    migrated(plain)
    with plain.connect() as connection:
        assert connection.execute(written).scalar_one() == before


def test_the_jobs_of_timescaledb_delete_nothing_while_their_clock_may_be_wrong(timescale: Engine) -> None:
    city, now = migrated(timescale), wall_clock()
    with city.begin() as connection:
        connection.execute(insert(READINGS["river"]), reading(gauges(connection)[0], now - RAW - 30 * DAY, 0.4))

    def stored() -> int:
        with city.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM river_readings")).scalar_one())

    hear(city, *[now - 2 * DAY] * 6)
    run_jobs(city, "river_retain")
    assert stored() == 1
    with city.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CALL river_retain(0, '{\"clock_checked\": true}')"))
    assert stored() == 0
    with city.begin() as connection:
        connection.execute(insert(READINGS["river"]), reading(gauges(connection)[0], now - RAW - 30 * DAY, 0.4))
    hear(city, *[now] * 6)
    run_jobs(city, "river_retain")
    assert stored() == 0


def test_moving_to_timescaledb_deletes_no_reading_by_a_clock_that_may_be_wrong(new_database: NewDatabase) -> None:
    url = new_database()
    engine = open_database(url, name="test")
    try:
        now = server_time(engine)
        city = migrated(engine)
        fill(city, every(timedelta(hours=5), RAW + 9 * DAY, RAW + 7 * DAY), now)
        hear(city, now - RAW)
        stored = count(city, "SELECT count(*) FROM river_readings")
        engine.dispose()
        allow_timescale(url)
        with pytest.raises(ConversionRefused, match=r"river_readings.*--clock-checked"), city.begin() as connection:
            upgrade(connection)
        assert count(city, "SELECT count(*) FROM river_readings") == stored
        with city.begin() as connection:
            upgrade(connection, clock_checked=True)
        assert count(city, "SELECT count(*) FROM river_readings") == 0
        assert count(city, "SELECT count(*) FROM river_hourly_kept") > 0
    finally:
        engine.dispose()
