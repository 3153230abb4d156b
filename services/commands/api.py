"""`vigia api`: serve the API and the pages."""

import argparse
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn

from services.api.access import ensure_first_operator
from services.api.app import create_app
from services.api.feed import Feed
from services.runtime import clock_of, database_url, migrated_database, open_database, start_logging
from services.settings import Settings

NAME = "api"
HELP = "Serve the API and the pages, until stopped."
POOL = 10
KEEP_ALIVE_S = 15
GRACE_S = 2
"""How long open requests may take to end once the server is told to stop."""
MOST_CONNECTIONS = 1_000


def arguments(_parser: argparse.ArgumentParser) -> None:
    """No options: address and port are settings."""


def run(_arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM. At the very first start, show the first operator's token."""
    settings = Settings()
    clock = clock_of(settings)
    start_logging(settings)
    with migrated_database(settings, "vigia-api", pool_size=1) as database, database_url(settings) as url:
        with database.begin() as transaction:
            token = ensure_first_operator(transaction, clock())
        if token is not None:
            show_token(token)
        engine = open_database(url, pool_size=POOL, statement_timeout_s=settings.statement_timeout_s, name="vigia-api")
        try:
            app = create_app(settings, engine, clock)
            StoppingServer(server_config(app, settings), app.state.context.feed).run()
        finally:
            engine.dispose()
    return 0


def show_token(token: str) -> None:
    """Say the first operator's token to whoever started the service: on standard error, and never in the log."""
    print(
        f"\n  Código del operador (se muestra una sola vez): {token}\n"
        "  Operator token (shown only once); `vigia token NAME` makes more.\n",
        file=sys.stderr,
        flush=True,
    )


def server_config(app: object, settings: Settings) -> uvicorn.Config:
    """How the server runs: bounded in connections and in patience."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=MOST_CONNECTIONS,
    )


class StoppingServer(uvicorn.Server):
    """A server whose live streams end when it is told to stop: they would hold it up for ever."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
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
