"""`vigia notifier`: send notices of alerts to their channels."""

import argparse
from datetime import datetime

from sqlalchemy import Engine

from alerts.declared.declaration_log import follow_time
from alerts.exercise_log import follow_exercises
from services.notices.escalation.escalation import Escalation
from services.notices.notifier import Notifier
from services.notices.outbox import set_webhook
from services.notices.senders.configured import configured_senders
from services.opening import configured_clock, configured_simulation, migrated_database
from services.runtime.clock import PeriodicTimer
from services.runtime.database import NOTIFIER_LIMITS
from services.runtime.process import start_logging, stop_on_signals
from services.runtime.retry import retry_while_unavailable
from services.runtime.settings import Settings
from services.self_check.self_check import SelfCheck

NAME = "notifier"
LEVELS_PERIOD_S = 1.0
"""How often declared levels are looked at for their end, and exercises for their next step."""
MAX_CONNECTIONS = 4
"""Shared by all workers: none holds one while it waits for a recipient."""
HELP = "Send notices to their channels, until stopped."


def arguments(_parser: argparse.ArgumentParser) -> None:
    """No options: the tables and the settings have everything."""


def run(_arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM."""
    settings = Settings()
    clock, stop = configured_clock(settings), stop_on_signals()
    start_logging(settings)
    with migrated_database(
        settings, "vigia-notifier", stop=stop, pool_size=MAX_CONNECTIONS, limits=NOTIFIER_LIMITS
    ) as database:
        url = settings.webhook_url
        retry_while_unavailable(
            lambda: _register_webhook(database, None if url is None else url.get_secret_value(), clock()), stop
        )
        simulation = configured_simulation(settings, clock)
        notifier = Notifier(database, clock, settings.public_address, simulation, configured_senders(settings))
        check, levels = SelfCheck(database, clock, settings.expected), PeriodicTimer(LEVELS_PERIOD_S)
        escalation = Escalation(database, clock)

        def also() -> None:
            escalation.run()
            check.run_due()
            if levels.due():
                with database.begin() as transaction:
                    follow_time(transaction, clock())
                    follow_exercises(transaction, clock())

        notifier.run(stop, also)
    return 0


def _register_webhook(database: Engine, url: str | None, now: datetime) -> None:
    with database.begin() as transaction:
        set_webhook(transaction, url, now)
