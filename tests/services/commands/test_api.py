"""`vigia api`, `token` and `people` as people meet them: a code shown once, a server that stops when told."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy.engine import make_url

from services.__main__ import parser
from tests.architecture.repository import ROOT
from tests.deploy.conftest import free_port
from tests.waiting import LIMIT_S

STOP_S = 5.0


@contextmanager
def vigia_api(database_url: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A server process."""
    port = free_port()
    environment = os.environ | {"VIGIA_DATABASE_URL": database_url, "VIGIA_API_PORT": str(port)}
    command = [sys.executable, "-m", "services", "api"]
    with (
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=LIMIT_S) as client,
    ):
        try:
            while process.poll() is None:
                with suppress(httpx.TransportError):
                    client.get("/health/live")
                    break
                time.sleep(0.05)
            yield process, client
        finally:
            process.kill()


def vigia_token(database_url: str, name: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    environment = os.environ | {"VIGIA_DATABASE_URL": database_url}
    command = [sys.executable, "-m", "services", "token", name]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def said_and_over(process: subprocess.Popen[str], number: int, stop_s: float = LIMIT_S) -> list[str]:
    """Stop the server, which must succeed in time, and return the one-time codes that it printed."""
    process.send_signal(number)
    words = process.communicate(timeout=stop_s)[1]
    assert process.returncode == 0
    return re.findall(r"one-time code (\S+)", words)


@pytest.mark.proof
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_server_stops_within_five_seconds_though_a_screen_is_watching(
    migrated_url: str, number: signal.Signals
) -> None:
    with vigia_api(migrated_url) as (process, client), client.stream("GET", "/api/v1/live") as watching:
        assert next(watching.iter_lines()).startswith("retry: ")
        said_and_over(process, number, STOP_S)


def test_the_first_code_is_shown_once_sets_a_password_once_and_the_server_stops_though_a_screen_is_watching(
    migrated_url: str,
) -> None:
    with vigia_api(migrated_url) as (process, client), client.stream("GET", "/api/v1/live") as watching:
        assert next(watching.iter_lines()).startswith("retry: ")
        (code,) = said_and_over(process, signal.SIGINT)
    with vigia_api(migrated_url) as (process, client):
        form = {"login": "administracion", "code": code, "password": "cuatro palabras muy sueltas"}
        headers = {"Origin": str(client.base_url).rstrip("/")}
        assert client.post("/entrar/primera-vez", data=form | {"code": "admin"}, headers=headers).status_code == 401
        assert client.post("/entrar/primera-vez", data=form, headers=headers).status_code == 303
        assert "Administración" in client.get("/personas").text
        client.cookies.clear()
        assert client.post("/entrar/primera-vez", data=form, headers=headers).status_code == 401
        assert said_and_over(process, signal.SIGTERM) == []


def test_the_server_waits_for_a_database_that_is_away_at_its_start(database_url: str, migrated_url: str) -> None:
    name = Identifier(make_url(migrated_url).database or "")
    with psycopg.connect(database_url, autocommit=True) as server, vigia_waiting(migrated_url, server, name) as process:
        server.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
        assert process.stderr is not None
        assert any("one-time code" in line for line in process.stderr), "it serves, and shows the first code"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0


@contextmanager
def vigia_waiting(url: str, server: psycopg.Connection[Any], name: Identifier) -> Iterator[subprocess.Popen[str]]:
    """A server process that waits for a database which lets nobody in."""
    server.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
    environment = os.environ | {"VIGIA_DATABASE_URL": url, "VIGIA_API_PORT": str(free_port())}
    command = [sys.executable, "-m", "services", "api"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "waiting for the database" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def test_a_server_that_waits_for_its_database_stops_when_told(database_url: str, migrated_url: str) -> None:
    name = Identifier(make_url(migrated_url).database or "")
    with psycopg.connect(database_url, autocommit=True) as server, vigia_waiting(migrated_url, server, name) as process:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0


def test_an_operator_is_added_with_a_token_and_never_twice(migrated_url: str) -> None:
    made = vigia_token(migrated_url, "Ana María")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("vigia_")
    again = vigia_token(migrated_url, "Ana María")
    assert again.returncode == 1
    assert "vigia_" not in again.stdout


@pytest.mark.parametrize("name", ["  ", "a\nb", "x" * 61])
def test_a_name_of_an_operator_must_be_printable(name: str) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["token", name])


def vigia_people(database_url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    environment = os.environ | {"VIGIA_DATABASE_URL": database_url}
    command = [sys.executable, "-m", "services", "people", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_people_are_added_listed_and_ended_at_the_terminal(migrated_url: str) -> None:
    made = vigia_people(migrated_url, "add", "Ana", "--name", "Ana Pérez", "--roles", "operator,device_admin")
    assert re.match(r"ana: \S{16}\n", made.stdout), made
    assert vigia_people(migrated_url, "list").stdout == "ana\tAna Pérez\tdevice_admin,operator\tno password yet\n"
    assert vigia_people(migrated_url, "disable", "ana").returncode == 0
    assert "disabled 20" in vigia_people(migrated_url, "list").stdout
    refused = vigia_people(migrated_url, "roles", "luis", "operator")
    assert (refused.returncode, "No hay una persona con ese usuario" in refused.stdout) == (1, True)


@pytest.mark.parametrize("words", [["add", "ana maría", "--name", "Ana"], ["roles", "ana", "root"]])
def test_a_wrong_login_or_role_is_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["people", *words])
    assert re.search("a login has 1 to 60|root: the roles are", capsys.readouterr().err)
