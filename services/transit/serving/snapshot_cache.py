"""A process's copy of what is known of the buses, so that a rider's question reads memory and never the database."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from models.network import Network
from services.runtime.clock import Clock
from services.runtime.problem import HttpProblem
from services.transit.serving.changed_predictions import read_changes
from services.transit.serving.service_alert_queries import alerts_in_force
from services.transit.serving.snapshot import TransitSnapshot, empty_snapshot, marked_stale, with_changes
from services.transit.timetable import versions

log = logging.getLogger(__name__)

REFRESH_S = 1.0
STALE_AFTER_S = 10.0
"""A copy that could not be refreshed for longer says that it is old."""
FIRST_COPY_WAIT_S = 10.0
"""How long a server that starts waits for its first copy before it answers without one."""
NO_NETWORK = Network("", ZoneInfo("UTC"), {}, {}, {}, (), {}, {})

_CONSISTENT_READ = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class NotReadYet(HttpProblem):
    """Todavía no se pudo leer dónde están los micros. / Where the buses are could not be read yet."""

    status: ClassVar[int] = 503
    retry_after_s: ClassVar[int | None] = 5


class SnapshotCache:
    """The view of the city's buses, refreshed by a thread of its own; any number of threads read it.

    Where no timetable is in force the view is of a network without stops.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """Nothing is read until `running` or `refresh`. `engine`: with a statement timeout, closed by the caller."""
        self._engine, self._clock = engine, clock
        self._snapshot: TransitSnapshot | None = None
        self._pg_snapshot: str | None = None
        self._read_at_s = float("-inf")
        self._refreshing = threading.Lock()
        self._stop = threading.Event()

    @property
    def age_s(self) -> float:
        """For how long it has not been refreshed, seconds; infinite before the first time."""
        return time.monotonic() - self._read_at_s

    def snapshot(self) -> TransitSnapshot:
        """What is known, at most REFRESH_S and a reading old, else `blind`. Raises NotReadYet."""
        if self._snapshot is None:
            raise NotReadYet
        return self._snapshot

    def refresh(self) -> None:
        """Read what changed; what the database raises is raised."""
        with self._refreshing, self._engine.connect().execution_options(**_CONSISTENT_READ) as connection:
            self._snapshot = self._next_snapshot(connection)
            self._read_at_s = time.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep it fresh for as long as this is entered, from the first copy on where that can be had soon."""
        first = threading.Event()
        thread = threading.Thread(target=self._run, args=(first,), name="mirror", daemon=True)
        thread.start()
        first.wait(FIRST_COPY_WAIT_S)
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _run(self, first: threading.Event) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self.refresh()
                except (DBAPIError, NoConnectionFree) as trouble:
                    self._mark_stale(trouble)
                first.set()
                self._stop.wait(REFRESH_S)
        finally:
            first.set()
            if not self._stop.is_set() and self._snapshot is not None:  # a bug: it is loud, and what is told is old
                self._snapshot = marked_stale(self._snapshot)

    def _mark_stale(self, trouble: Exception) -> None:
        snapshot = self._snapshot
        if snapshot is not None and not snapshot.stale and self.age_s > STALE_AFTER_S:
            log.warning("the copy of the buses grows old", extra={"action": "mirror", "trouble": str(trouble)})
            self._snapshot = marked_stale(snapshot)

    def _next_snapshot(self, connection: Connection) -> TransitSnapshot:
        before, since = self._snapshot, self._pg_snapshot
        version = versions.current_version(connection)
        if before is None or before.network.version != (version or ""):
            network = versions.load(connection) or NO_NETWORK
            before, since = empty_snapshot(network, number=before.revision if before else 0), None
        new, alerts = read_changes(connection, since), alerts_in_force(connection, before.stop_index)
        self._pg_snapshot = new.pg_snapshot
        if new.undecodable:
            log.warning("some buses are told of in unknown words", extra={"action": "mirror", "rows": new.undecodable})
        if (
            since is not None
            and not (new.vehicle_predictions or new.expected_journeys or before.stale)
            and alerts == before.alerts
        ):
            return before
        return with_changes(before, new.vehicle_predictions, new.expected_journeys, alerts, self._clock().timestamp())
