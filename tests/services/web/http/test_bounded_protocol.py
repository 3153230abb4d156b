"""A served city's sockets: who says nothing, half a request or too much is let go, and others are answered."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from services.web.http import bounded_protocol, connection_shares, protection
from tests.services.web.api.conftest import City
from tests.waiting import LIMIT_S, wait_until

HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
GET = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes the sockets of a test."""
    with ExitStack() as stack:
        yield stack


def connect(city: City, opened: ExitStack) -> socket.socket:
    """A new connection to the city."""
    address = (city.client.base_url.host, city.client.base_url.port or 80)
    return opened.enter_context(socket.create_connection(address, timeout=LIMIT_S))


def answered(connection: socket.socket) -> bytes:
    """The whole answer to GET."""
    answer = b""
    while not answer.endswith(b'{"alive":true}'):
        answer += connection.recv(1000)
    return answer


@pytest.mark.parametrize("said", [[], [HALF_A_HEAD], [GET, HALF_A_HEAD]], ids=["nothing", "half", "one and a half"])
def test_a_head_that_never_ends_is_not_waited_for(
    quiet_city: City, opened: ExitStack, monkeypatch: pytest.MonkeyPatch, said: list[bytes]
) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", 0.2)
    slow = connect(quiet_city, opened)
    for part in said:
        slow.sendall(part)
        if part is GET:
            answered(slow)
    assert slow.recv(1000) == b""


def test_bytes_that_drip_do_not_prolong_a_head(
    quiet_city: City, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_TIMEOUT_S", 0.5)
    slow = connect(quiet_city, opened)
    slow.sendall(HALF_A_HEAD)
    slow.settimeout(0.05)

    def is_closed() -> bool:
        try:
            slow.sendall(b"X-More: x\r\n")
            return not slow.recv(1000)
        except TimeoutError:
            return False
        except OSError:
            return True

    wait_until(is_closed)


def test_a_connection_that_waits_between_two_requests_is_kept(quiet_city: City, opened: ExitStack) -> None:
    patient = connect(quiet_city, opened)
    for _ in range(2):
        patient.sendall(GET)
        assert answered(patient).startswith(b"HTTP/1.1 200")


def test_a_body_that_never_comes_leaves_no_open_socket(
    quiet_city: City, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protection, "BODY_TIMEOUT_S", 0.2)
    slow = connect(quiet_city, opened)
    slow.sendall(b"POST /api/v1/sms HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
    answer = b""
    while received := slow.recv(1000):
        answer += received
    assert answer.startswith(b"HTTP/1.1 408")


def test_beyond_the_share_of_an_address_only_operators_are_answered(
    city: City, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    city.operator_is_known()
    monkeypatch.setattr(connection_shares, "MAX_PER_ADDRESS", 3)
    city.client.get("/health/live")  # the client's own connection stays open
    for _ in range(2):
        connect(city, opened)
    with httpx.Client(base_url=city.client.base_url) as late:
        refused = late.get("/health/live")
        assert (refused.status_code, refused.headers["connection"]) == (503, "close")
        assert refused.headers["retry-after"]
        assert late.get("/health/live", headers=city.operator).status_code == 200
    assert city.client.get("/health/live").status_code == 200
