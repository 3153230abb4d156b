"""Watch over the processes from the API: writes the API's own heartbeat, and knows which processes are dead.

It has a connection of its own, so that it works while visitors hold all others. Where that gets no answer, the database
hangs: then the connections of all requests are cut, so that they are answered.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from time import monotonic

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.queries.city.processes import API, CANARY_AGE, dead_processes, list_processes
from services.runtime.clock import Clock
from services.runtime.database import SessionLimits, open_database
from services.runtime.heartbeat import write_heartbeat
from services.runtime.open_connections import OpenConnections
from services.runtime.retry import error_summary

log = logging.getLogger(__name__)

NAME = API
WATCH_S = 1.0
LIMITS = SessionLimits(statement_s=5, idle_in_transaction_s=10)
HUNG_AFTER_S = 8.0
"""The database hangs where a look takes so long: longer than a statement may take, or a connection to be made."""


class ProcessWatch:
    """Which expected processes are dead, as of a second ago. `expected`: named by the setting.

    `answers`: whether the database answered lately. `engine`: that of the requests.
    """

    def __init__(
        self, engine: Engine, clock: Clock, expected: Collection[str], canary_age_s: Callable[[], float | None]
    ) -> None:
        """Opens nothing before `running`. `canary_age_s`: of the last test message that the live stream read."""
        self._canary_age_s = canary_age_s
        self._url = engine.url.render_as_string(hide_password=False)
        self._clock, self._expected = clock, expected
        self._stop = threading.Event()
        self._requests = OpenConnections(engine)
        self._asked_s: float | None = None
        """Since when a look waits for its answer, monotonic."""
        self._hung = False
        self.dead: tuple[str, ...] = ()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write heartbeats and look at those of others, in a thread, until the block is left."""
        database = open_database(self._url, name="vigia-watch", pool_size=1, limits=LIMITS)
        own = OpenConnections(database)
        tasks = (partial(self._run, database), partial(self._cut_where_hung, own))
        threads = [threading.Thread(target=task, name="process-watch", daemon=True) for task in tasks]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            database.dispose()

    @property
    def answers(self) -> bool:
        """False from when a look has waited for HUNG_AFTER_S, until the database answers one."""
        return not self._hung

    def look(self, database: Engine, started_at: datetime) -> None:
        """Write the heartbeat, and read those of all processes. Raises what the database raises."""
        self._asked_s = monotonic()
        try:
            age_s = self._canary_age_s()
            status: dict[str, object] = {} if age_s is None else {CANARY_AGE: round(age_s, 1)}
            write_heartbeat(database, NAME, started_at, self._clock, status)
            with database.connect() as connection:
                self.dead = dead_processes(list_processes(connection), self._expected)
            self._hung = False
        finally:
            self._asked_s = None

    def _run(self, database: Engine) -> None:
        started_at = self._clock()
        while not self._stop.is_set():
            try:
                self.look(database, started_at)
            except (SQLAlchemyError, psycopg.Error) as error:
                if getattr(getattr(error, "orig", error), "sqlstate", None) is not None:
                    self._hung = False  # an error of the server is an answer too
                log.info("no heartbeat written", extra={"action": "watch", "trouble": error_summary(error)})
            self._stop.wait(WATCH_S)

    def _cut_where_hung(self, own: OpenConnections) -> None:
        while not self._stop.wait(WATCH_S):
            asked_s = self._asked_s
            if asked_s is not None and monotonic() - asked_s >= HUNG_AFTER_S:
                self._hung = True
                own.cut()
            if self._hung:
                self._requests.cut()
