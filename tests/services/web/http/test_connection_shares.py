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


def test_beyond_its_share_an_address_gets_only_a_surplus_socket() -> None:
    shares = ConnectionShares(())
    assert [shares.admit("192.0.2.1") for _ in range(4)] == [OPEN, OPEN, SURPLUS, REFUSED]
    assert shares.admit("192.0.2.2") is OPEN
    shares.release("192.0.2.1", OPEN)
    shares.release("192.0.2.1", REFUSED)
    assert [shares.admit("192.0.2.1") for _ in range(2)] == [OPEN, REFUSED]
    shares.release("192.0.2.1", SURPLUS)
    assert shares.admit("192.0.2.1") is SURPLUS


def test_the_addresses_of_one_ipv6_subscriber_share() -> None:
    shares = ConnectionShares(())
    assert [shares.admit(f"2001:db8::{last}") for last in range(1, 4)] == [OPEN, OPEN, SURPLUS]
    assert shares.admit("2001:db8:0:1::1") is OPEN


def test_a_trusted_proxy_is_bounded_only_by_the_whole() -> None:
    shares = ConnectionShares(parse_networks("192.0.2.0/24"))
    assert [shares.admit("192.0.2.1") for _ in range(6)] == [OPEN] * 5 + [SURPLUS]
    assert [shares.admit("198.51.100.1") for _ in range(2)] == [SURPLUS, REFUSED]
    assert shares.admit("198.51.100.2") is REFUSED
