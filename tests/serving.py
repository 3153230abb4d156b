"""Serves an application on a free port of the loopback with Vigía's own server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from services.runtime.settings import Settings
from services.web.server import LiveStreamServer, server_config
from tests.waiting import LIMIT_S, wait_until


@contextmanager
def listening(app: FastAPI, settings: Settings) -> Iterator[str]:
    """Serve an application on a free port; its address. `settings`: with port 0."""
    server = LiveStreamServer(server_config(app, settings), app.state.context.event_feed)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert server.started
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(LIMIT_S)
    assert not thread.is_alive()
