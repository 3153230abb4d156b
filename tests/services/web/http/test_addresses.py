"""Limits by address count a subscriber once, however many addresses the subscriber has."""

import pytest

from services.runtime.settings import parse_networks
from services.web.http.addresses import client_share, is_within


@pytest.mark.parametrize(
    ("address", "share"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("[2001:db8:1:3::1]:443", "2001:db8:1:3::/64"),
        ("unknown", ""),
        ("06.6.6.6", ""),
        ("", ""),
    ],
)
def test_an_ipv6_subscriber_counts_by_the_whole_network(address: str, share: str) -> None:
    assert client_share(address) == share


def test_an_address_belongs_to_the_networks_of_a_setting() -> None:
    networks = parse_networks("127.0.0.1, 172.31.13.0/24,2001:db8::/32")
    for inside in ("127.0.0.1", "172.31.13.9", "::ffff:172.31.13.9", "2001:db8:5::1"):
        assert is_within(inside, networks)
    for outside in ("127.0.0.2", "172.31.14.1", "2001:db9::1", "localhost", ""):
        assert not is_within(outside, networks)
    assert not is_within("127.0.0.1", parse_networks(""))
