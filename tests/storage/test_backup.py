"""Tests of backup and restore on both databases: nothing is lost or changed, and what is wrong is refused."""

import stat
import threading
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import Connection, Engine, text

from models.migrations import upgrade
from models.migrations.timescale import has_timescale, hypertables
from services.backup.backup import back_up
from services.backup.contents import Contents
from services.backup.folder import DUMP, read_manifest
from services.backup.programs import BackupError
from services.backup.restore import restore
from tests.storage.conftest import NewDatabase, allow_timescale
from tests.storage.test_retention import devices

NOW = datetime(2026, 4, 2, 12, tzinfo=UTC)
_ADD = text(
    "INSERT INTO river_readings (device_id, observed_at, seq, received_at, level_m, flags)"
    " SELECT :device, moment, -1, moment, 1 + random(), 0"
    " FROM generate_series(CAST(:begin AS timestamptz), :end, make_interval(secs => :step_s)) moment"
)


def address(engine: Engine) -> str:
    """The URL of the database, with its password."""
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def fill(connection: Connection, step_s: float) -> int:
    """A schema and 60 days of one gauge, a row every `step_s`; the older chunks are compressed. Returns the gauge."""
    upgrade(connection)
    (device,) = devices(connection, 1)
    days = {"begin": datetime(2026, 2, 1, tzinfo=UTC), "end": datetime(2026, 4, 2, tzinfo=UTC)}
    connection.execute(_ADD, {"device": device, "step_s": step_s, **days})
    if has_timescale(connection):
        old = "show_chunks('river_readings', older_than => TIMESTAMPTZ '2026-03-15')"
        connection.execute(text(f"SELECT compress_chunk(chunk) FROM {old} chunk"))
    return device


def target_like(engine: Engine, new_database: NewDatabase) -> str:
    """An empty database with the extension of the other."""
    url = new_database()
    with engine.connect() as connection:
        if has_timescale(connection):
            allow_timescale(url)
    return url


def taken_under_load(engine: Engine, device: int, folder: Path, files: list[Path]) -> Contents:
    """A backup while a reading and an event a transaction arrive."""
    ended, began = threading.Event(), threading.Event()

    def send() -> None:
        second = 0
        while not ended.is_set():
            second += 1
            moment = datetime.fromtimestamp(NOW.timestamp() + second, UTC)
            with engine.begin() as transaction:
                transaction.execute(_ADD, {"device": device, "begin": moment, "end": moment, "step_s": 1})
                # Numbered by a sequence, which moves on while the backup is taken.
                transaction.execute(text("INSERT INTO events (at, event, data) VALUES (now(), 'readings', '{}')"))
            began.set()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        assert began.wait(30)
        return back_up(address(engine), folder, files, NOW)
    finally:
        ended.set()
        sender.join()


def test_a_backup_under_load_is_restored_without_a_row_lost_or_changed(
    either: Engine, new_database: NewDatabase, tmp_path: Path
) -> None:
    with either.begin() as connection:
        device = fill(connection, 3600)
    secret = tmp_path / "secrets"
    secret.mkdir()
    (secret / "token").write_text("hidden")
    (secret / "token").chmod(0o444)
    before = taken_under_load(either, device, tmp_path / "copy", [secret])
    target = target_like(either, new_database)
    after, differing = restore(target, tmp_path / "copy", files_to=tmp_path / "brought")
    assert differing == []
    assert after["rows"] == before["rows"]
    assert any("PRIMARY KEY" in key for name, key in after["keys"].items() if name.startswith("river_readings "))
    assert (tmp_path / "brought" / "secrets" / "token").read_text() == "hidden"
    private = ((tmp_path / "copy", 0o700), (tmp_path / "copy" / "files", 0o700), (tmp_path / "copy" / DUMP, 0o600))
    for path, mode in (*private, (tmp_path / "brought" / "secrets" / "token", 0o444)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert not (tmp_path / "copy.partial").exists()
    with pytest.raises(BackupError, match="has tables already"):
        restore(target, tmp_path / "copy")


def test_the_database_records_the_newest_backup_and_none_that_failed(
    plain: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recorded() -> list[str]:
        with plain.connect() as connection:
            return list(connection.execute(text("SELECT folder FROM last_backup WHERE taken_at <= now()")).scalars())

    back_up(address(plain), tmp_path / "before", [], NOW)  # of a schema without the table: nothing is recorded
    with plain.begin() as connection:
        upgrade(connection)
    with pytest.raises(BackupError, match="no such file"):
        back_up(address(plain), tmp_path / "copy", [tmp_path / "absent"], NOW)
    assert recorded() == []
    back_up(address(plain), tmp_path / "first", [], NOW)
    monkeypatch.setenv("VIGIA_COMMIT", "0123abc")
    back_up(address(plain), tmp_path / "second", [], NOW)
    assert read_manifest(tmp_path / "second")["commit"] == "0123abc"
    assert recorded() == [str(tmp_path / "second")]


def test_a_role_that_only_reads_makes_a_whole_backup_and_is_told_that_its_age_is_not_watched(
    plain: Engine, new_database: NewDatabase, tmp_path: Path
) -> None:
    with plain.begin() as connection:
        upgrade(connection)
        connection.execute(text("CREATE ROLE vigia_reader LOGIN PASSWORD 'reader' IN ROLE pg_read_all_data"))
    try:
        reader = plain.url.set(drivername="postgresql", username="vigia_reader", password="reader")
        with pytest.raises(BackupError, match="is whole, but its age cannot be watched"):
            back_up(reader.render_as_string(hide_password=False), tmp_path / "copy", [], NOW)
        assert restore(new_database(), tmp_path / "copy")[1] == []
    finally:
        with plain.begin() as connection:
            connection.execute(text("DROP ROLE vigia_reader"))


def test_files_are_put_back_into_empty_folders_of_their_names_only(
    plain: Engine, new_database: NewDatabase, tmp_path: Path
) -> None:
    with plain.begin() as connection:
        upgrade(connection)
    for name in ("broker", "secrets"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        (tmp_path / name).chmod(0o750)
    back_up(address(plain), tmp_path / "copy", [tmp_path / "broker", tmp_path / "secrets"], NOW)
    target, city = new_database(), tmp_path / "city"
    with pytest.raises(BackupError, match="is there already"):
        restore(target, tmp_path / "copy", files_into=tmp_path)
    (city / "broker").mkdir(parents=True)
    _, differing = restore(target, tmp_path / "copy", files_into=city)  # which the refusal left empty
    assert differing == []
    assert [path.name for path in city.iterdir()] == ["broker"]
    assert (city / "broker" / "file").read_text() == "broker"
    assert stat.S_IMODE((city / "broker").stat().st_mode) == 0o750


def test_a_damaged_or_interrupted_backup_is_refused(plain: Engine, new_database: NewDatabase, tmp_path: Path) -> None:
    with plain.begin() as connection:
        upgrade(connection)
    with pytest.raises(BackupError, match="no such file"):
        back_up(address(plain), tmp_path / "copy", [tmp_path / "absent"], NOW)
    assert not (tmp_path / "copy").exists()
    with pytest.raises(BackupError, match="no whole backup"):
        restore(new_database(), tmp_path / "copy.partial")
    back_up(address(plain), tmp_path / "copy", [], NOW)
    with (tmp_path / "copy" / "database.dump").open("ab") as dump:
        dump.write(b"x")
    with pytest.raises(BackupError, match="damaged"):
        restore(new_database(), tmp_path / "copy")


def test_a_city_moves_from_plain_to_timescale(plain: Engine, timescale: Engine, tmp_path: Path) -> None:
    with plain.begin() as connection:
        fill(connection, 3600)
    before = back_up(address(plain), tmp_path / "copy", [], NOW)
    with pytest.raises(BackupError, match="TimescaleDB"):
        restore(address(timescale), tmp_path / "copy")
    after, differing = restore(address(timescale), tmp_path / "copy", own=True)
    assert (differing, after["rows"]) == ([], before["rows"])
    with timescale.begin() as connection:
        upgrade(connection)
        assert "river_readings" in hypertables(connection)
        assert connection.execute(text("SELECT count(*) FROM river_readings")).scalar_one() == 60 * 24 + 1


@pytest.mark.proof
@pytest.mark.parametrize("millions", [1, 10])
def test_how_long_a_backup_and_a_restore_take(
    either: Engine, new_database: NewDatabase, tmp_path: Path, millions: int
) -> None:
    with either.begin() as connection:
        fill(connection, 60 * 86_400 / (millions * 1_000_000))
    target = target_like(either, new_database)
    began_s = monotonic()
    before = back_up(address(either), tmp_path / "copy", [], NOW)
    copied_s = monotonic()
    _, differing = restore(target, tmp_path / "copy")
    restored_s = monotonic()
    print(
        f"{before['rows']['river_readings']}: backup {copied_s - began_s:.1f} s, restore {restored_s - copied_s:.1f} s"
    )
    assert differing == []
