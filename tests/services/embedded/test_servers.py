"""The embedded servers through starts, kills, stale files and company."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from ingest.mqtt.receiver import Receiver
from services.embedded.child_process import start_supervised, unprivileged_uid
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import SYSTEM_USER, Postgres, embedded_postgres

ROOT = Path(__file__).parents[3]
OWNER = """
import json, sys, time
from pathlib import Path
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import embedded_postgres
folder = Path(sys.argv[1])
with embedded_postgres(folder) as database, embedded_broker(folder, 0) as broker:
    print(json.dumps({"pids": [database.pid, broker.pid], "url": database.url}), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for the module: creating it is the slow part."""
    made = tmp_path_factory.mktemp("embedded")
    with embedded_postgres(made) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (number int)")
    return made


def keep(url: str, number: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO kept VALUES (%s)", [number])


def is_kept(url: str, number: int) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT count(*) FROM kept WHERE number = %s", [number]).fetchone() == (1,)


def gone(pid: int, wait_s: float = 5.0) -> bool:
    deadline = monotonic() + wait_s
    while psutil.pid_exists(pid) and monotonic() < deadline:
        sleep(0.02)
    return not psutil.pid_exists(pid)


@pytest.fixture
def owner(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that owns both servers."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


def announced(owner: "subprocess.Popen[bytes]") -> tuple[list[int], str]:
    assert owner.stdout is not None
    said = json.loads(owner.stdout.readline())
    return said["pids"], said["url"]


def test_a_second_start_continues_on_the_same_data(folder: Path) -> None:
    with embedded_postgres(folder) as server:
        keep(server.url, 1)
        first = server.pid
    assert gone(first, 0)
    with embedded_postgres(folder) as server:
        assert is_kept(server.url, 1)


def test_the_settings_keep_what_is_committed(folder: Path) -> None:
    with embedded_postgres(folder) as server, psycopg.connect(server.url) as connection:
        for name in ("synchronous_commit", "fsync", "full_page_writes", "data_checksums"):
            assert connection.execute(f"SHOW {name}").fetchone() == ("on",)


def test_only_loopback_and_only_with_the_password(folder: Path) -> None:
    with embedded_postgres(folder) as database, embedded_broker(folder, 0) as broker:
        for pid in (database.pid, broker.pid):
            listening = [c for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
            assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
        address = urlsplit(database.url)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://vigia@127.0.0.1:{address.port}/vigia")
        assert address.password
        assert len(address.password) >= 32
        for name in ("postgres.password", "broker.password", "broker.toml"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        assert stat.S_IMODE((folder / "postgres").stat().st_mode) == 0o700


def test_a_killed_postgres_restarts_at_the_same_address_with_what_was_committed(folder: Path) -> None:
    with embedded_postgres(folder) as server:
        for number in (11, 12, 13):
            url = server.url
            keep(url, number)
            os.kill(server.pid, signal.SIGKILL)
            server.restart()
            assert server.url == url
            assert is_kept(url, number)


def test_a_killed_broker_restarts_at_the_same_address(tmp_path: Path) -> None:
    with embedded_broker(tmp_path, 0) as server:
        url = server.url
        os.kill(server.pid, signal.SIGKILL)
        server.restart()
        assert server.url == url
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=1).close()


def test_a_killed_owner_takes_its_servers_along_and_the_next_start_works(
    owner: "subprocess.Popen[bytes]", folder: Path
) -> None:
    pids, url = announced(owner)
    keep(url, 21)
    owner.kill()
    with embedded_postgres(folder) as server, embedded_broker(folder, 0):
        assert all(gone(pid) for pid in pids)
        assert is_kept(server.url, 21)


def test_others_share_what_one_owns_and_leave_it_running(owner: "subprocess.Popen[bytes]", folder: Path) -> None:
    pids, url = announced(owner)
    with embedded_postgres(folder) as server, embedded_broker(folder, 0) as broker:
        assert server.url == url
        assert broker.url
        with pytest.raises(ProcessLookupError):
            _ = server.pid
    assert all(psutil.pid_exists(pid) for pid in pids)
    keep(url, 31)


def test_both_stop_within_five_seconds_while_in_use(owner: "subprocess.Popen[bytes]") -> None:
    pids, url = announced(owner)
    connection = psycopg.connect(url)
    connection.execute("INSERT INTO kept VALUES (41)")
    assert owner.stdin is not None
    began = monotonic()
    owner.stdin.close()
    owner.wait(5)
    connection.close()
    assert monotonic() - began < 5
    assert all(gone(pid, 0) for pid in pids)


def test_a_postgres_left_behind_is_stopped_and_followed(folder: Path) -> None:
    left = Postgres(folder)
    left.start()
    keep(left.url, 51)
    assert left._process is not None
    reaper = Thread(target=left._process.wait)
    reaper.start()
    with embedded_postgres(folder) as server:
        assert gone(left.pid, 0)
        assert is_kept(server.url, 51)
    reaper.join(5)


def test_a_process_number_that_another_program_bears_now_stops_nobody(folder: Path, tmp_path: Path) -> None:
    uid = unprivileged_uid(SYSTEM_USER)
    stranger = start_supervised(["/bin/sleep", "60"], tmp_path / "log", uid, signal.SIGKILL)
    note = folder / "postgres" / "postmaster.pid"
    note.write_text(f"{stranger.pid}\n{folder}/postgres\n0\n5432\n\n127.0.0.1\n  1  1\nready\n")
    os.chown(note, uid, -1)
    with embedded_postgres(folder) as server:
        assert is_kept(server.url, 51)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_port_in_use_is_left_to_its_user(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with embedded_broker(tmp_path, port) as server:
            assert urlsplit(server.url).port != port


def test_the_wanted_port_is_taken_where_it_is_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with embedded_broker(tmp_path, port) as server:
        assert urlsplit(server.url).port == port


def test_a_creation_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with embedded_postgres(tmp_path) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("vigia",)


def test_the_broker_understands_both_versions(tmp_path: Path) -> None:
    with embedded_broker(tmp_path, 0) as server:
        for url in (server.url, server.url_3_1_1):
            receiver = Receiver(url, client_id="both", filters=["#"], now=lambda: datetime(2013, 4, 2, tzinfo=UTC))
            deadline = monotonic() + 5
            while not receiver.connected and monotonic() < deadline:
                receiver.receive(1, 0.1)
            assert receiver.connected
            receiver.close()
