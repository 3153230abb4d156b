"""A table in an embedded PostgreSQL, and whether a process has ended."""

from time import monotonic, sleep

import psutil
import psycopg

from tests.waiting import LIMIT_S


def insert_number(url: str, number: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO numbers VALUES (%s)", [number])


def has_number(url: str, number: int) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT count(*) FROM numbers WHERE number = %s", [number]).fetchone() == (1,)


def has_ended(pid: int, wait_s: float = LIMIT_S) -> bool:
    deadline = monotonic() + wait_s
    while psutil.pid_exists(pid) and monotonic() < deadline:
        sleep(0.02)
    return not psutil.pid_exists(pid)
