"""One address leaves most sockets to others, and a full server some to operators."""

import pytest

from services.runtime.settings import parse_networks
from services.web.http import connection_shares
from services.web.http.connection_shares import ConnectionShares, Verdict

OPEN, SURPLUS, REFUSED = Verdict.OPEN, Verdict.SURPLUS, Verdict.REFUSED


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few sockets."""
    monkeypatch.setattr(connection_shares, "MAX_CONNECTIONS", 5)
    monkeypatch.setattr(connection_shares, "MAX_PER_ADDRESS", 2)
    monkeypatch.setattr(connection_shares, "SURPLUS_CONNECTIONS", 2)
    monkeypatch.setattr(connection_shares, "SURPLUS_PER_ADDRESS", 1)


class Spoken:
    """A socket that has sent the head of its request."""

    def make_room(self) -> None:
        """Never asked."""
        raise AssertionError


class Idle:
    """A socket that sends nothing."""

    def __init__(self, shares: ConnectionShares, host: str) -> None:
        self.shares, self.host, self.open = shares, host, True
        self.verdict = shares.admit(host, self)

    def make_room(self) -> None:
        """As a connection does."""
        self.shares.release(self.host, self.verdict)
        self.open = False


def admit(shares: ConnectionShares, host: str) -> Verdict:
    """A new socket that sends a request at once."""
    spoken = Spoken()
    verdict = shares.admit(host, spoken)
    shares.heard(spoken)
    return verdict


def test_idle_sockets_keep_no_operator_out_of_the_surplus() -> None:
    shares = ConnectionShares(())
    idle = [Idle(shares, "192.0.2.1") for _ in range(5)]
    assert [one.open for one in idle] == [True, True, False, False, True]
    assert admit(shares, "192.0.2.1") is SURPLUS  # behind the same address
    assert not idle[-1].open
    assert admit(shares, "192.0.2.1") is REFUSED  # those that asked stay
    others = [Idle(shares, f"198.51.100.{number}") for number in range(4)]
    assert admit(shares, "203.0.113.1") is SURPLUS
    assert [one.open for one in others] == [True, True, True, False]


def test_beyond_its_share_an_address_gets_only_a_surplus_socket() -> None:
    shares = ConnectionShares(())
    assert [admit(shares, "192.0.2.1") for _ in range(4)] == [OPEN, OPEN, SURPLUS, REFUSED]
    assert admit(shares, "192.0.2.2") is OPEN
    shares.release("192.0.2.1", OPEN)
    shares.release("192.0.2.1", REFUSED)
    assert [admit(shares, "192.0.2.1") for _ in range(2)] == [OPEN, REFUSED]
    shares.release("192.0.2.1", SURPLUS)
    assert admit(shares, "192.0.2.1") is SURPLUS


def test_the_addresses_of_one_ipv6_subscriber_share() -> None:
    shares = ConnectionShares(())
    assert [admit(shares, f"2001:db8::{last}") for last in range(1, 4)] == [OPEN, OPEN, SURPLUS]
    assert admit(shares, "2001:db8:0:1::1") is OPEN


def test_a_trusted_proxy_is_bounded_only_by_the_whole() -> None:
    shares = ConnectionShares(parse_networks("192.0.2.0/24"))
    assert [admit(shares, "192.0.2.1") for _ in range(6)] == [OPEN] * 5 + [SURPLUS]
    assert [admit(shares, "198.51.100.1") for _ in range(2)] == [SURPLUS, REFUSED]
    assert admit(shares, "198.51.100.2") is REFUSED
