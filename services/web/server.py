"""The HTTP server: uvicorn with bounded connections and waits, which closes live streams when it stops."""

import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import monotonic

import uvicorn

from services.runtime.settings import Settings, parse_networks
from services.web.http.bounded_protocol import BoundedProtocol
from services.web.http.connection_shares import MAX_CONNECTIONS, SURPLUS_CONNECTIONS, ConnectionShares
from services.web.live.event_feed import EventFeed

POOL_SIZE = 15
"""Database connections of one server. `services.web.http.admission` shares them; the live stream has its own."""
KEEP_ALIVE_TIMEOUT_S = 15
SHUTDOWN_GRACE_S = 2
"""Longest wait for open requests when the server stops."""
OTHER_FILES = 256
"""File descriptors beside the sockets of clients: database connections, logs, sockets about to be refused."""
ACCEPTS_A_TURN = 16
"""New connections that one turn of the event loop takes: few, since each step of a request waits for a turn."""
WAITING_CONNECTIONS = 2_048
"""Connections that wait in the kernel to be taken."""
SWEEP_TICKS = 10
"""uvicorn's ticks of 0.1 s between two looks for overdue connections."""


def server_config(app: object, settings: Settings) -> uvicorn.Config:
    """Configuration of uvicorn, with limits for connections and waits, and with the proxies that are trusted.

    Of X-Forwarded-For, the rightmost address counts that is no trusted proxy; from others the header is ignored.
    """
    shares = ConnectionShares(parse_networks(settings.trusted_proxies))
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=ACCEPTS_A_TURN,
        timeout_keep_alive=KEEP_ALIVE_TIMEOUT_S,
        timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
        http=partial(BoundedProtocol, shares=shares),  # type: ignore[arg-type]
        ws="none",
        proxy_headers=True,
        forwarded_allow_ips=[part.strip() for part in settings.trusted_proxies.split(",") if part.strip()],
    )


def allow_open_files() -> None:
    """Let this process open a file for each connection, as far as the system lets it: often only 1,024 at first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SURPLUS_CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        highest = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))


class LiveStreamServer(uvicorn.Server):
    """A server that closes live streams when it stops. Otherwise they would keep it running."""

    def __init__(self, config: uvicorn.Config, feed: EventFeed, stop: threading.Event | None = None) -> None:
        """`stop`: ends the server too, also where a signal set it before the server began to listen to signals."""
        super().__init__(config)
        self._feed = feed
        self._stop = stop or threading.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM without raising them again, so that the caller can close its resources."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous_handlers = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in previous_handlers.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and let the kernel hold more connections than one turn takes: asyncio has one number for both."""
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                with socket.socket(fileno=os.dup(listening.fileno())) as same:
                    same.listen(WAITING_CONNECTIONS)

    async def on_tick(self, counter: int) -> bool:
        """Every second, close the connections whose time is over. True where the server must stop."""
        if counter % SWEEP_TICKS == 0:
            now_s = monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.close_if_overdue(now_s)
        return await super().on_tick(counter) or self._stop.is_set()

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Close the live streams, then shut down."""
        self._feed.close()
        await super().shutdown(list(sockets) if sockets is not None else None)
