"""Servers of one data folder: their owner, processes that share them, and how they are protected."""

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import embedded_postgres
from tests.services.embedded.servers import has_ended, has_number, insert_number
from tests.waiting import LIMIT_S, wait_until

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


@pytest.fixture
def owner(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that owns both servers."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


def started_servers(owner: "subprocess.Popen[bytes]") -> tuple[list[int], str]:
    assert owner.stdout is not None
    line = json.loads(owner.stdout.readline())
    return line["pids"], line["url"]


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


def test_the_servers_of_a_killed_owner_end_and_the_next_start_works(
    owner: "subprocess.Popen[bytes]", folder: Path
) -> None:
    pids, url = started_servers(owner)
    insert_number(url, 21)
    owner.kill()
    owner.wait(LIMIT_S)  # until then it holds the lock, and its servers would be shared
    with embedded_postgres(folder) as server, embedded_broker(folder, 0):
        wait_until(lambda: all(has_ended(pid) for pid in pids))
        assert has_number(server.url, 21)


def test_other_processes_share_the_owners_servers_and_leave_them_running(
    owner: "subprocess.Popen[bytes]", folder: Path
) -> None:
    pids, url = started_servers(owner)
    with embedded_postgres(folder) as server, embedded_broker(folder, 0) as broker:
        assert server.url == url
        assert broker.url
        with pytest.raises(ProcessLookupError):
            _ = server.pid
    assert all(psutil.pid_exists(pid) for pid in pids)
    insert_number(url, 31)


def test_both_stop_while_in_use(owner: "subprocess.Popen[bytes]") -> None:
    seconds_to_stop(owner)


@pytest.mark.proof
def test_both_stop_within_five_seconds_while_in_use(owner: "subprocess.Popen[bytes]") -> None:
    assert seconds_to_stop(owner) < 5


def seconds_to_stop(owner: "subprocess.Popen[bytes]") -> float:
    """Stop the owner while a connection is open; when it has ended, both servers have ended too."""
    pids, url = started_servers(owner)
    connection = psycopg.connect(url)
    connection.execute("INSERT INTO numbers VALUES (41)")
    assert owner.stdin is not None
    began_s = monotonic()
    owner.stdin.close()
    owner.wait(LIMIT_S)
    took_s = monotonic() - began_s
    connection.close()
    assert all(has_ended(pid, 0) for pid in pids)
    return took_s
