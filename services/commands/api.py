"""`vigia api`: serve the API and the pages."""

import argparse
import sys

from sqlalchemy import Engine

from services.opening import configured_clock, configured_simulation, database_url, migrated_database
from services.people.accounts import FIRST_LOGIN, ensure_first_administrator
from services.people.api_keys import NoOperatorYet
from services.runtime.clock import Clock, credential_clock
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

    At the very first start, show the first administrator's one-time code.
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
        if not retry_while_unavailable(lambda: show_first_code(database, clock), stop) or stop.is_set():
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


def show_first_code(database: Engine, clock: Clock) -> None:
    """Make the first administrator where there is nobody, and show the one-time code."""
    try:
        with database.begin() as transaction:
            code = ensure_first_administrator(transaction, credential_clock(clock)())
    except NoOperatorYet as problem:
        print(problem, file=sys.stderr, flush=True)
        return
    if code is not None:
        show_code(code)


def show_code(code: str) -> None:
    """Print the first administrator's one-time code on standard error, never in the log."""
    print(
        f"\n  Para entrar por primera vez, en /entrar/primera-vez: usuario {FIRST_LOGIN}, código {code}\n"
        f"  First sign-in, at /entrar/primera-vez: login {FIRST_LOGIN}, one-time code {code}\n"
        "  (se muestra una sola vez / shown only once; `vigia people reset` da otro / gives another)\n",
        file=sys.stderr,
        flush=True,
    )
