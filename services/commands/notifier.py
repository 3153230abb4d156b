"""`vigia notifier`: tell people what the alerts have to say, and keep house."""

import argparse

import httpx

from services.notifier import Notifier, want_webhook
from services.runtime import clock_of, migrated_database, start_logging, stop_on_signals
from services.settings import Settings

NAME = "notifier"
HELP = "Tell notices to their channels until stopped."


def arguments(_parser: argparse.ArgumentParser) -> None:
    """No options: everything is in the tables and the settings."""


def run(_arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM."""
    settings = Settings()
    clock, stop = clock_of(settings), stop_on_signals()
    start_logging(settings)
    with migrated_database(settings, "vigia-notifier", stop=stop) as database, httpx.Client() as client:
        if settings.webhook_url is not None:
            with database.begin() as transaction:
                want_webhook(transaction, settings.webhook_url.get_secret_value())
        Notifier(database, clock, client).run(stop)
    return 0
