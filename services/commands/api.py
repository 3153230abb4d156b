"""`vigia api`: serve the API and the pages."""

import argparse
import sys

from sqlalchemy import Engine

from services.opening import configured_clock, configured_simulation, database_url, migrated_database
from services.people.api_keys import NoOperatorYet, ensure_first_api_key
from services.runtime.clock import Clock
from services.runtime.database import open_database
from services.runtime.process import start_logging, stop_on_signals
from services.runtime.retry import retry_while_unavailable
from services.runtime.settings import Settings
from services.web.app import create_app
from services.web.server import POOL_SIZE, LiveStreamServer, allow_open_files, server_config

NAME = "api"
HELP = "Serve the API and the pages, until stopped."


def arguments(_parser: argparse.ArgumentParser) -> None:
    """No options: address and port are settings."""


def run(_arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM; wait for a database that is away at the start.

    At the very first start, show the first operator's token.
    """
    settings = Settings()
    settings.refuse_open_address()
    clock, stop = configured_clock(settings), stop_on_signals()
    start_logging(settings)
    allow_open_files()
    with (
        migrated_database(settings, "vigia-api", pool_size=1, stop=stop) as database,
        database_url(settings) as url,
    ):
        if not retry_while_unavailable(lambda: show_first_token(database, clock), stop) or stop.is_set():
            return 0
        engine = open_database(
            url, pool_size=POOL_SIZE, statement_timeout_s=settings.statement_timeout_s, name="vigia-api"
        )
        try:
            app = create_app(settings, engine, clock, simulation=configured_simulation(settings, clock))
            LiveStreamServer(server_config(app, settings), app.state.context.event_feed, stop).run()
        finally:
            engine.dispose()
    return 0


def show_first_token(database: Engine, clock: Clock) -> None:
    """Make the first operator where there is none, and show the token."""
    try:
        with database.begin() as transaction:
            token = ensure_first_api_key(transaction, clock())
    except NoOperatorYet as problem:
        print(problem, file=sys.stderr, flush=True)
        return
    if token is not None:
        show_token(token)


def show_token(token: str) -> None:
    """Print the first operator's token on standard error, never in the log."""
    print(
        f"\n  Código del operador (se muestra una sola vez): {token}\n"
        "  Operator token (shown only once); `vigia token NAME` makes more.\n",
        file=sys.stderr,
        flush=True,
    )
