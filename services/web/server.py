"""The HTTP server: uvicorn, bounded in connections, whose live streams end when it is told to stop."""

import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn

from services.runtime.settings import Settings
from services.web.live.event_feed import EventFeed

POOL_SIZE = 10
"""Database connections of one server."""
KEEP_ALIVE_TIMEOUT_S = 15
SHUTDOWN_GRACE_S = 2
"""How long open requests may take to end once the server is told to stop."""
MAX_CONNECTIONS = 1_000


def server_config(app: object, settings: Settings) -> uvicorn.Config:
    """How the server runs: bounded in connections and in patience."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_TIMEOUT_S,
        timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
        limit_concurrency=MAX_CONNECTIONS,
    )


class LiveStreamServer(uvicorn.Server):
    """A server whose live streams end when it is told to stop: they would hold it up for ever."""

    def __init__(self, config: uvicorn.Config, feed: EventFeed) -> None:
        super().__init__(config)
        self._feed = feed

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM without dying of them afterwards: there are things to close."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Send live clients home first."""
        self._feed.close()
        await super().shutdown(list(sockets) if sockets is not None else None)
