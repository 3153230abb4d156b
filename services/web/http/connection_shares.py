"""How many sockets may be open: in all, and by address, with a reserve for requests that carry an operator's token."""

from collections import Counter
from enum import Enum, auto
from typing import Protocol

from services.runtime.settings import Network
from services.web.http.addresses import client_share, is_within

MAX_CONNECTIONS = 4_000
MAX_PER_ADDRESS = 1_200
"""A mobile carrier's address stands for some hundred telephones; one address still leaves most sockets to others."""
SURPLUS_CONNECTIONS = 100
"""Sockets beyond the limits, on which only operators are answered."""
SURPLUS_PER_ADDRESS = 10


class Verdict(Enum):
    """What becomes of a new socket."""

    OPEN = auto()
    SURPLUS = auto()
    """Beyond a limit: it is answered only where an operator's token comes with the request."""
    REFUSED = auto()
    """Closed at once."""


class Socket(Protocol):
    """A socket in the surplus."""

    def make_room(self) -> None:
        """Release the place of this socket and close it."""


class ConnectionShares:
    """Counts the open sockets of one server. `proxies`: carry the requests of many, so that no share limits them.

    In a full surplus, the socket that has been waiting longest for the head of its request makes room for a new one, so
    that idle sockets do not keep operators out.
    """

    def __init__(self, proxies: tuple[Network, ...]) -> None:
        self._proxies = proxies
        self._open: Counter[str] = Counter()
        self._surplus: Counter[str] = Counter()
        self._silent: dict[Socket, str] = {}
        """Sockets in the surplus that have sent no head yet, the oldest first, with their shares."""

    def admit(self, host: str, new: Socket) -> Verdict:
        """Decide about a new socket from this address, and count it unless it is refused."""
        share = client_share(host)
        within_share = self._open[share] < MAX_PER_ADDRESS or is_within(host, self._proxies)
        if within_share and self._open.total() < MAX_CONNECTIONS:
            self._open[share] += 1
            return Verdict.OPEN
        if not self._has_room(share):
            self._make_room(share)
        if self._has_room(share):
            self._surplus[share] += 1
            self._silent[new] = share
            return Verdict.SURPLUS
        return Verdict.REFUSED

    def heard(self, spoken: Socket) -> None:
        """Note that a socket has sent the head of a request."""
        self._silent.pop(spoken, None)

    def _has_room(self, share: str) -> bool:
        return self._surplus[share] < SURPLUS_PER_ADDRESS and self._surplus.total() < SURPLUS_CONNECTIONS

    def _make_room(self, share: str) -> None:
        own = self._surplus[share] >= SURPLUS_PER_ADDRESS
        oldest = next((one for one, other in self._silent.items() if not own or other == share), None)
        if oldest is not None:
            del self._silent[oldest]
            oldest.make_room()

    def release(self, host: str, verdict: Verdict) -> None:
        """Count a socket as closed. `verdict`: what `admit` returned for it."""
        counts = {Verdict.OPEN: self._open, Verdict.SURPLUS: self._surplus}.get(verdict)
        if counts is None:
            return
        share = client_share(host)
        counts[share] -= 1
        if not counts[share]:
            del counts[share]
