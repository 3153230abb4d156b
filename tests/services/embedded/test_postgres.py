"""The embedded PostgreSQL: settings, kills, leftover processes and interrupted creation."""

import os
import signal
from pathlib import Path
from threading import Thread

import psycopg

from services.embedded.child_process import start_supervised, unprivileged_uid
from services.embedded.postgres import SYSTEM_USER, Postgres, embedded_postgres
from tests.services.embedded.servers import has_ended, has_number, insert_number


def test_a_second_start_uses_the_same_data(folder: Path) -> None:
    with embedded_postgres(folder) as server:
        insert_number(server.url, 1)
        first = server.pid
    assert has_ended(first, 0)
    with embedded_postgres(folder) as server:
        assert has_number(server.url, 1)


def test_the_settings_make_commits_durable(folder: Path) -> None:
    with embedded_postgres(folder) as server, psycopg.connect(server.url) as connection:
        for name in ("synchronous_commit", "fsync", "full_page_writes", "data_checksums"):
            assert connection.execute(f"SHOW {name}").fetchone() == ("on",)


def test_a_killed_postgres_restarts_at_the_same_address_with_its_commits(folder: Path) -> None:
    with embedded_postgres(folder) as server:
        for number in (11, 12, 13):
            url = server.url
            insert_number(url, number)
            os.kill(server.pid, signal.SIGKILL)
            server.restart()
            assert server.url == url
            assert has_number(url, number)


def test_a_leftover_postgres_is_stopped_and_replaced(folder: Path) -> None:
    leftover = Postgres(folder)
    leftover.start()
    insert_number(leftover.url, 51)
    assert leftover._process is not None
    reaper = Thread(target=leftover._process.wait)
    reaper.start()
    with embedded_postgres(folder) as server:
        assert has_ended(leftover.pid, 0)
        assert has_number(server.url, 51)
    reaper.join(5)


def test_a_process_number_that_another_program_has_now_stops_nothing(folder: Path, tmp_path: Path) -> None:
    uid = unprivileged_uid(SYSTEM_USER)
    other_program = start_supervised(["/bin/sleep", "60"], tmp_path / "log", uid, signal.SIGKILL)
    pid_file = folder / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{other_program.pid}\n{folder}/postgres\n0\n5432\n\n127.0.0.1\n  1  1\nready\n")
    os.chown(pid_file, uid, -1)
    with embedded_postgres(folder) as server:
        assert has_number(server.url, 51)
    assert other_program.poll() is None
    other_program.kill()
    other_program.wait()


def test_an_interrupted_creation_starts_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with embedded_postgres(tmp_path) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("vigia",)
