"""Client addresses: which share of a limit an address counts to, and whether it belongs to a network."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.requests import HTTPConnection

from services.runtime.settings import Network

NO_ADDRESS = ""
"""The share of what is no address."""
IPV6_PREFIX = 64
"""Bits of an IPv6 address that name one subscriber: whoever has one address has all addresses of the /64."""


def is_within(host: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address belongs to one of the networks. False for what is no address."""
    address = _parse(host)
    return address is not None and any(address in network for network in networks)


def client_share(host: str) -> str:
    """What limits by address count by: an IPv4 address, or the /64 of an IPv6 address.

    All other text is one share: a proxy that passes on what clients invent gives nobody a limit of their own.
    """
    address = _parse(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), IPV6_PREFIX), strict=False))
    return NO_ADDRESS if address is None else str(address)


def client_of(connection: HTTPConnection) -> str:
    """The share that a request counts to. uvicorn has applied the X-Forwarded-For of trusted proxies before."""
    return client_share(connection.client.host) if connection.client else ""


def _parse(host: str) -> IPv4Address | IPv6Address | None:
    """The address; an IPv4 address where it is written as IPv6 (::ffff:192.0.2.1)."""
    try:
        address = ip_address(host.removeprefix("[").split("]")[0])  # some gateways write brackets and a port
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
