"""A process's snapshot of the buses, refreshed from the database by a thread, so that requests read only memory."""

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
from services.transit.serving.landmark_queries import read_landmarks
from services.transit.serving.service_alert_queries import alerts_in_force
from services.transit.serving.snapshot import (
    TransitSnapshot,
    empty_snapshot,
    marked_stale,
    with_changes,
    with_landmarks,
)
from services.transit.timetable import versions

log = logging.getLogger(__name__)

REFRESH_S = 1.0
STALE_AFTER_S = 10.0
"""A snapshot that could not be refreshed for longer is marked stale."""
FIRST_COPY_WAIT_S = 10.0
"""How long a starting server waits for its first snapshot before it serves requests without one."""
NO_NETWORK = Network("", ZoneInfo("UTC"), {}, {}, {}, (), {}, {})

_CONSISTENT_READ = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class NotReadYet(HttpProblem):
    """Todavía no se pudo leer dónde están los micros. / Where the buses are could not be read yet."""

    status: ClassVar[int] = 503
    retry_after_s: ClassVar[int | None] = 5


class SnapshotCache:
    """The newest snapshot of the buses, refreshed by its own thread. Any number of threads may read it.

    Without a timetable in force, the snapshot is of a network without stops.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """Nothing is read before `running` or `refresh`. `engine`: with a statement timeout; the caller closes it."""
        self._engine, self._clock = engine, clock
        self._snapshot: TransitSnapshot | None = None
        self._pg_snapshot: str | None = None
        self._read_at_s = float("-inf")
        self._refreshing = threading.Lock()
        self._stop = threading.Event()

    @property
    def age_s(self) -> float:
        """Seconds since the last refresh; infinite before the first one."""
        return time.monotonic() - self._read_at_s

    def snapshot(self) -> TransitSnapshot:
        """The newest snapshot, older than REFRESH_S and one read only if marked stale. Raises NotReadYet."""
        if self._snapshot is None:
            raise NotReadYet
        return self._snapshot

    def refresh(self) -> None:
        """Read what changed. Raises what the database raises."""
        with self._refreshing, self._engine.connect().execution_options(**_CONSISTENT_READ) as connection:
            self._snapshot = self._next_snapshot(connection)
            self._read_at_s = time.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Refresh in a thread until the block is left. Enters after the first snapshot or FIRST_COPY_WAIT_S."""
        first_done = threading.Event()
        thread = threading.Thread(target=self._run, args=(first_done,), name="mirror", daemon=True)
        thread.start()
        first_done.wait(FIRST_COPY_WAIT_S)
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _run(self, first_done: threading.Event) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self.refresh()
                except (DBAPIError, NoConnectionFree) as trouble:
                    self._mark_stale(trouble)
                first_done.set()
                self._stop.wait(REFRESH_S)
        finally:
            first_done.set()
            if not self._stop.is_set() and self._snapshot is not None:  # a bug: the exception propagates
                self._snapshot = marked_stale(self._snapshot)

    def _mark_stale(self, trouble: Exception) -> None:
        snapshot = self._snapshot
        if snapshot is not None and not snapshot.stale and self.age_s > STALE_AFTER_S:
            log.warning("the snapshot of the buses is stale", extra={"action": "mirror", "trouble": str(trouble)})
            self._snapshot = marked_stale(snapshot)

    def _next_snapshot(self, connection: Connection) -> TransitSnapshot:
        previous, since = self._snapshot, self._pg_snapshot
        version = versions.current_version(connection)
        if previous is None or previous.network.version != (version or ""):
            network = versions.load(connection) or NO_NETWORK
            previous, since = empty_snapshot(network, revision=previous.revision if previous else 0), None
        previous = with_landmarks(previous, read_landmarks(connection))
        changes, alerts = read_changes(connection, since), alerts_in_force(connection, previous.stop_index)
        self._pg_snapshot = changes.pg_snapshot
        if changes.undecodable:
            log.warning(
                "some predictions could not be decoded", extra={"action": "mirror", "rows": changes.undecodable}
            )
        if (
            since is not None
            and not (changes.vehicle_predictions or changes.expected_journeys or previous.stale)
            and alerts == previous.alerts
        ):
            return previous
        return with_changes(
            previous, changes.vehicle_predictions, changes.expected_journeys, alerts, self._clock().timestamp()
        )
