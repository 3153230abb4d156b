"""Watch over the processes from the API: writes the API's own heartbeat, and knows which processes are dead.

It has a connection of its own, so that it works while visitors hold all others.
"""

import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.queries.city.processes import dead_processes, list_processes
from services.runtime.clock import Clock
from services.runtime.database import SessionLimits, open_database
from services.runtime.heartbeat import write_heartbeat
from services.runtime.retry import error_summary

log = logging.getLogger(__name__)

NAME = "api"
WATCH_S = 1.0
LIMITS = SessionLimits(statement_s=5, idle_in_transaction_s=10)


class ProcessWatch:
    """Which expected processes are dead, as of a second ago. `expected`: named by the setting."""

    def __init__(self, engine: Engine, clock: Clock, expected: Collection[str]) -> None:
        """Opens nothing before `running`. Only the address of the engine is used."""
        self._url = engine.url.render_as_string(hide_password=False)
        self._clock, self._expected = clock, expected
        self._stop = threading.Event()
        self.dead: tuple[str, ...] = ()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write heartbeats and look at those of others, in a thread, until the block is left."""
        thread = threading.Thread(target=self._run, name="process-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def look(self, database: Engine, started_at: datetime) -> None:
        """Write the heartbeat, and read those of all processes. Raises what the database raises."""
        write_heartbeat(database, NAME, started_at, self._clock, {})
        with database.connect() as connection:
            self.dead = dead_processes(list_processes(connection), self._expected)

    def _run(self) -> None:
        started_at, database = self._clock(), open_database(self._url, name="vigia-watch", pool_size=1, limits=LIMITS)
        try:
            while not self._stop.is_set():
                try:
                    self.look(database, started_at)
                except (SQLAlchemyError, psycopg.Error) as error:
                    log.info("no heartbeat written", extra={"action": "watch", "trouble": error_summary(error)})
                self._stop.wait(WATCH_S)
        finally:
            database.dispose()
