"""How many sockets may be open: in all, and by address, with a reserve for requests that carry an operator's token."""

from collections import Counter
from enum import Enum, auto

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


class ConnectionShares:
    """Counts the open sockets of one server. `proxies`: carry the requests of many, so that no share limits them."""

    def __init__(self, proxies: tuple[Network, ...]) -> None:
        self._proxies = proxies
        self._open: Counter[str] = Counter()
        self._surplus: Counter[str] = Counter()

    def admit(self, host: str) -> Verdict:
        """Decide about a new socket from this address, and count it unless it is refused."""
        share = client_share(host)
        within_share = self._open[share] < MAX_PER_ADDRESS or is_within(host, self._proxies)
        if within_share and self._open.total() < MAX_CONNECTIONS:
            self._open[share] += 1
            return Verdict.OPEN
        if self._surplus[share] < SURPLUS_PER_ADDRESS and self._surplus.total() < SURPLUS_CONNECTIONS:
            self._surplus[share] += 1
            return Verdict.SURPLUS
        return Verdict.REFUSED

    def release(self, host: str, verdict: Verdict) -> None:
        """Count a socket as closed. `verdict`: what `admit` returned for it."""
        counts = {Verdict.OPEN: self._open, Verdict.SURPLUS: self._surplus}.get(verdict)
        if counts is None:
            return
        share = client_share(host)
        counts[share] -= 1
        if not counts[share]:
            del counts[share]
