"""HTTP protocol of uvicorn with shares of connections, and time limits for request heads and unread responses."""

import asyncio
from time import monotonic
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from services.web.http.connection_shares import ConnectionShares, Verdict
from services.web.http.protection import SURPLUS

HEAD_TIMEOUT_S = 10.0
"""Longest time from the first byte of a request, or from the connection, to the end of its head."""
SURPLUS_HEAD_TIMEOUT_S = 2.0
"""The same on a connection beyond the shares: there are few of these, and operators need them."""
UNREAD_TIMEOUT_S = 30.0
"""Longest time that a client may leave a response unread."""
CLOSE_TIMEOUT_S = 5.0
"""Longest time for the rest of a response to leave a socket that is being closed."""


class BoundedProtocol(H11Protocol):
    """One connection. uvicorn bounds only the time between two requests; the server calls `close_if_overdue`.

    A connection beyond the shares is marked: `ProtectionMiddleware` answers only operators on it.
    """

    def __init__(self, *arguments: Any, shares: ConnectionShares, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._shares = shares
        self._verdict = Verdict.REFUSED
        self._peer = ""
        self._head_began_s: float | None = None
        self._unread_since_s: float | None = None
        self._closing_since_s: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, or close it at once."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        self._verdict = self._shares.admit(self._peer, self)
        self._head_began_s = monotonic()
        if self._verdict is Verdict.REFUSED:
            transport.abort()
        elif self._verdict is Verdict.SURPLUS:
            self.app_state = {**self.app_state, SURPLUS: True}

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection as closed."""
        self._shares.heard(self)
        self._shares.release(self._peer, self._verdict)
        super().connection_lost(exc)

    def make_room(self) -> None:
        """Release the place of this connection and close it."""
        self._shares.release(self._peer, self._verdict)
        self._verdict = Verdict.REFUSED
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Note when a request's head begins and that it is complete."""
        if self._head_began_s is None and self._awaits_request():
            self._head_began_s = monotonic()
        super().data_received(data)
        if not self._awaits_request():
            self._head_began_s = None
            self._shares.heard(self)

    def pause_writing(self) -> None:
        """Note since when the client leaves the response unread."""
        self._unread_since_s = monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._unread_since_s = None
        super().resume_writing()

    def close_if_overdue(self, now_s: float) -> None:
        """Close the connection where a time limit has passed. `now_s`: by the monotonic clock. Called each second."""
        if self.transport.is_closing():
            if self._closing_since_s is None:
                self._closing_since_s = now_s
            elif now_s - self._closing_since_s > CLOSE_TIMEOUT_S:
                self.transport.abort()
        elif self._unread_since_s is not None and now_s - self._unread_since_s > UNREAD_TIMEOUT_S:
            self.transport.abort()
        elif self._head_began_s is not None and now_s - self._head_began_s > self._head_timeout_s():
            self.transport.close()

    def _head_timeout_s(self) -> float:
        return SURPLUS_HEAD_TIMEOUT_S if self._verdict is Verdict.SURPLUS else HEAD_TIMEOUT_S

    def _awaits_request(self) -> bool:
        # uvicorn declares the cycle as always there; before the first request it is None.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]
