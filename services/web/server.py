"""The HTTP server: uvicorn with bounded connections, which closes live streams when it stops."""

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
"""Longest wait for open requests when the server stops."""
MAX_CONNECTIONS = 1_000


def server_config(app: object, settings: Settings) -> uvicorn.Config:
    """Configuration of uvicorn, with limits for connections and waits."""
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
    """A server that closes live streams when it stops. Otherwise they would keep it running."""

    def __init__(self, config: uvicorn.Config, feed: EventFeed) -> None:
        super().__init__(config)
        self._feed = feed

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

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Close the live streams, then shut down."""
        self._feed.close()
        await super().shutdown(list(sockets) if sockets is not None else None)
