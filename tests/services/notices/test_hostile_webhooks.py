"""A webhook that hangs, drips, redirects or sends a bomb delays only its own notices, and is cut off at a deadline."""

import gc
import gzip
import logging
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime

import pytest
from sqlalchemy import Engine, text

from services.notices import channels
from services.notices.channels import MAX_TROUBLE_CHARS, post_webhook
from services.notices.notifier import MAX_CHANNEL_WORKERS, Notifier
from services.notices.outcomes import Refused, Retry, Sent, Unknown
from tests.alerts.town import NOON
from tests.services.notices.test_notifier import raise_alert, rows
from tests.waiting import LIMIT_S, wait_until

Answer = Callable[[socket.socket, threading.Event], None]
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@contextmanager
def webhook(answer: Answer) -> Iterator[tuple[str, list[bytes]]]:
    """A server on the loopback interface that answers each request as told; yields its address and the requests."""
    listener, requests, ended = socket.create_server(("127.0.0.1", 0)), list[bytes](), threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head and (part := connection.recv(65_536)):
                head += part
            requests.append(head)
            answer(connection, ended)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook", requests
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()


def hang(_connection: socket.socket, ended: threading.Event) -> None:
    """Take the request and say nothing."""
    ended.wait(LIMIT_S)


def accept(connection: socket.socket, _ended: threading.Event) -> None:
    """Answer as asked."""
    connection.sendall(OK)


def saying(head: bytes, endless: bytes = b"", pace_s: float = 0.0) -> Answer:
    """Send this, and then `endless` again and again."""

    def answer(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(head)
        while endless and not ended.wait(pace_s):
            connection.sendall(endless)

    return answer


BOMB = gzip.compress(gzip.compress(bytes(64 << 20)))
SLOW = {
    "hangs": hang,
    "drips its head": saying(b"HTTP/1.1 200 OK\r\nX-A: ", b"a", 0.02),
    "drips a refusal": saying(b"HTTP/1.1 500 No\r\nContent-Length: 200\r\n\r\n", b"a", 0.02),
    "sends interim answers without end": saying(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}
OTHERS = {
    "sends a head without end": saying(b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 65_536),
    "refuses without end": saying(b"HTTP/1.1 500 No\r\n\r\n", b"a" * 65_536),
    "refuses with a bomb": saying(
        b"HTTP/1.1 500 No\r\nContent-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(BOMB), BOMB)
    ),
    "refuses with zero bytes": saying(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n\0bad\x1b[2J\xff"),
    "redirects": saying(b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
    "redirects to nothing": saying(b"HTTP/1.1 302 Go\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n"),
    "speaks no HTTP": saying(b"220 smtp ready\r\n"),
}


@pytest.fixture
def notifier(database: Engine) -> Notifier:
    """A notifier whose clock stands still."""

    def noon() -> datetime:
        return NOON

    return Notifier(database, noon)


@pytest.fixture
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that a test can wait for."""
    monkeypatch.setattr(channels, "ATTEMPT_TIMEOUT_S", 0.5)


@pytest.mark.usefixtures("short_deadline")
@pytest.mark.parametrize("hostile", SLOW)
def test_an_attempt_ends_at_its_deadline_whatever_the_webhook_does(hostile: str) -> None:
    with webhook(SLOW[hostile]) as (url, requests):
        outcome = post_webhook(url, "key", {})
    assert isinstance(outcome, Unknown)
    assert "TimeoutError" in outcome.trouble
    assert b"accept-encoding: identity" in requests[0].lower()


@pytest.mark.parametrize("hostile", OTHERS)
def test_little_is_read_of_an_answer_and_nothing_unpacked(hostile: str, database: Engine, notifier: Notifier) -> None:
    with webhook(OTHERS[hostile]) as (url, requests):
        raise_alert(database, url=url)
        tracemalloc.start()
        try:
            notifier.drain()
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()
        assert len(requests) == 1
    (stored,) = rows(database, "SELECT sent_at, refused, trouble FROM notices WHERE channel = 'webhook'")
    assert stored[:2] == (None, None)
    assert 0 < len(stored[2]) <= MAX_TROUBLE_CHARS
    assert stored[2].isprintable()


@pytest.mark.parametrize("hostile", OTHERS)
def test_an_attempt_leaves_nothing_open_that_is_logged_as_an_error(
    hostile: str, caplog: pytest.LogCaptureFixture
) -> None:
    with webhook(OTHERS[hostile]) as (url, _):
        post_webhook(url, "key", {})
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_an_accepting_status_is_enough_however_long_the_answer() -> None:
    with webhook(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", b"a", 0.02)) as (url, _):
        assert post_webhook(url, "key", {}) == Sent()


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http://", "no address", "http://[::1", "http://\0/", "http://a:b/"]
)
def test_what_is_no_address_is_refused_for_good(url: str) -> None:
    assert isinstance(post_webhook(url, "key", {}), Refused | Retry | Unknown)


def test_a_name_that_is_looked_up_for_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "ATTEMPT_TIMEOUT_S", 0.2)
    found = threading.Event()

    def look_up(*_: object, **__: object) -> list[object]:
        found.wait(LIMIT_S)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        outcome = post_webhook("http://webhook.test/", "key", {})
    finally:
        found.set()
    assert isinstance(outcome, Unknown)
    assert "TimeoutError" in outcome.trouble


def add_contact(database: Engine, url: str) -> None:
    """One more webhook that gets every notice."""
    with database.begin() as transaction:
        transaction.execute(
            text("INSERT INTO contacts (name, channel, address, least_nar) VALUES (:url, 'webhook', :url, 0)"),
            {"url": url},
        )


def test_while_one_webhook_hangs_the_watch_and_the_others_have_all_their_notices(
    database: Engine, notifier: Notifier
) -> None:
    stop = threading.Event()
    with webhook(hang) as (hanging, stuck), webhook(accept) as (good, received):
        for url in (hanging, good):
            add_contact(database, url)
        running = threading.Thread(target=notifier.run, args=(stop,))
        for number in range(5):
            raise_alert(database, f"station-{number}")
        running.start()
        wait_until(lambda: stuck)
        for number in range(5, 10):
            raise_alert(database, f"station-{number}")
        delivered = (
            "SELECT count(*) FROM notices WHERE sent_at IS NOT NULL AND (channel = 'console' OR recipient = '{}')"
        )
        wait_until(lambda: rows(database, delivered.format(good)) == [(20,)])
        assert (len(received), len(stuck)) == (10, 1)
        assert rows(database, f"SELECT count(*) FROM notices WHERE recipient = '{hanging}' AND sent_at IS NULL") == [
            (10,)
        ]
        stop.set()
    running.join(LIMIT_S)
    assert not running.is_alive()


def test_a_live_webhook_has_its_turn_among_more_dead_ones_than_there_are_workers(
    database: Engine, notifier: Notifier
) -> None:
    with ExitStack() as opened:
        refusing = saying(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        dead = [opened.enter_context(webhook(refusing)) for _ in range(MAX_CHANNEL_WORKERS)]
        good, received = opened.enter_context(webhook(accept))
        for url in [*(url for url, _ in dead), good]:
            add_contact(database, url)
        for number in range(3):
            raise_alert(database, f"station-{number}")
        notifier.drain()
        assert len(received) == 3
        assert [len(requests) for _, requests in dead] == [3] * MAX_CHANNEL_WORKERS
