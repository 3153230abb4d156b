"""Barman sets the city back to a moment with the files of deploy/barman: what was deleted later is there again."""

import getpass
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from services.embedded.child_process import HOST, free_port, start_supervised, stop_child, unprivileged_uid
from services.embedded.postgres import SYSTEM_USER, embedded_postgres, postgres_programs
from tests.waiting import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy" / "barman"
BARMAN = os.environ.get("VIGIA_TEST_BARMAN") or shutil.which("barman")
PASSWORD = "for-this-test-alone"

pytestmark = [
    pytest.mark.proof,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (BARMAN and shutil.which("rsync")), reason="Barman or rsync is not here"),
]


class Barman:
    """Barman on a machine of its own, with the configuration that is shipped."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir()
        self.home = folder
        shipped = (
            (DEPLOY / "vigia.conf").read_text().replace("host=database.internal port=5432", f"host={HOST} port={port}")
        )
        head = f"[barman]\nbarman_user = {getpass.getuser()}\nbarman_home = {folder}\nlog_file = {folder}/log\n"
        (folder / "barman.conf").write_text(f"{head}{shipped}path_prefix = {postgres_programs()}\n")
        passwords = folder / "pgpass"
        passwords.write_text(f"{HOST}:{port}:*:vigia_wal:{PASSWORD}\n")
        passwords.chmod(0o600)
        self.environment = os.environ | {"PGPASSFILE": str(passwords)}

    def run(self, *words: str) -> str:
        """What a command of Barman says. It must succeed."""
        command = [str(BARMAN), "-c", str(self.home / "barman.conf"), *words]
        ended = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert not ended.returncode, (words, ended.stdout, ended.stderr)
        return ended.stdout

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Changes arrive while the block runs. `cron` is what the machine's timer starts each minute."""
        self.run("cron")
        try:
            wait_until(lambda: "receive-wal running: OK" in self.check(), why=self.check)
            yield
        finally:
            self.run("receive-wal", "--stop", "vigia")

    def check(self) -> str:
        """What Barman thinks of the server, good or bad."""
        command = [str(BARMAN), "-c", str(self.home / "barman.conf"), "check", "vigia"]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False).stdout


def test_what_was_deleted_is_there_again_at_the_moment_before(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path / "city") as postgres:
        make_role(postgres.url)
        barman = Barman(tmp_path / "barman", urlsplit(postgres.url).port or 0)
        with psycopg.connect(postgres.url, autocommit=True) as city:
            city.execute("CREATE TABLE readings AS SELECT generate_series(1, 1000) AS number")
            with barman.receiving():
                barman.run("switch-wal", "--force", "--archive", "vigia")
                barman.run("backup", "--wait", "vigia")
                city.execute("INSERT INTO readings SELECT generate_series(1001, 2000)")
                (moment,) = city.execute("SELECT clock_timestamp()::text").fetchall()[0]
                city.execute("SELECT pg_sleep(1.1)")
                city.execute("DELETE FROM readings")
                barman.run("switch-wal", "--force", "--archive", "vigia")
            again = tmp_path / "again"
            barman.run("recover", "--target-time", moment, "--target-action", "promote", "vigia", "latest", str(again))
    with recovered(again, urlsplit(postgres.url).password or "") as connection:
        assert connection.execute("SELECT count(*), max(number) FROM readings").fetchone() == (2000, 2000)


def test_the_role_of_barman_alters_nothing(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path) as postgres:
        make_role(postgres.url)
        make_role(postgres.url)
        parts = urlsplit(postgres.url)
        with psycopg.connect(
            host=HOST, port=parts.port, user="vigia_wal", password=PASSWORD, dbname="vigia", autocommit=True
        ) as connection:
            for statement in ("CREATE TABLE intruder ()", "CREATE ROLE intruder", "ALTER SYSTEM SET port = 1"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())


def make_role(url: str) -> None:
    """As the page says, by psql."""
    script = [str(postgres_programs() / "psql"), url, "--no-psqlrc", "--set", f"password={PASSWORD}"]
    subprocess.run([*script, "--file", str(DEPLOY / "role.sql")], check=True, capture_output=True)


@contextmanager
def recovered(data: Path, password: str) -> Iterator[psycopg.Connection]:
    """A server on the recovered data, once it takes writes."""
    uid = unprivileged_uid(SYSTEM_USER)
    for path in (data, *data.rglob("*")):
        os.chown(path, uid, -1, follow_symlinks=False)
    data.chmod(0o700)
    data.parent.chmod(0o711)
    port = free_port(0)
    program = [
        str(postgres_programs() / "postgres"),
        "-D",
        str(data),
        "-c",
        f"port={port}",
        "-c",
        f"listen_addresses={HOST}",
    ]
    program += ["-c", "unix_socket_directories="]
    log = data.with_suffix(".log")
    server = start_supervised(program, log, uid, signal.SIGQUIT)
    try:
        address = f"host={HOST} port={port} user=vigia password={password} dbname=vigia connect_timeout=2"

        def writable() -> bool:
            try:
                with psycopg.connect(address) as connection:
                    return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
            except psycopg.Error:
                return False

        wait_until(writable, why=log.read_text)
        with psycopg.connect(address) as connection:
            yield connection
    finally:
        stop_child(server, signal.SIGINT, signal.SIGQUIT)
