"""Retries while the database is unavailable."""

import threading

import psycopg
import pytest

from services.runtime.retry import error_summary, retry_while_unavailable


def test_only_an_unavailable_database_is_retried() -> None:
    attempts: list[int] = []

    def operation() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise psycopg.OperationalError("away")

    assert retry_while_unavailable(operation, threading.Event())
    assert len(attempts) == 3
    with pytest.raises(ZeroDivisionError):
        retry_while_unavailable(lambda: 1 / 0, threading.Event())


def test_an_operation_that_was_stopped_while_waiting_did_not_succeed() -> None:
    stop = threading.Event()
    stop.set()

    def unavailable() -> None:
        raise psycopg.OperationalError("away")

    assert not retry_while_unavailable(unavailable, stop)


def test_the_summary_of_an_error_is_bounded_and_can_be_stored() -> None:
    assert error_summary(ValueError("a\0b")) == "ValueError: ab"
    assert len(error_summary(ValueError("x" * 10_000))) == 500
