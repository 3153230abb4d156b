"""The timetable in force as a GTFS Schedule zip, written once for each version and kept in memory."""

import threading
from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar

from ingest.gtfs.feed import feed_bytes
from models.network import Network
from services.runtime.problem import HttpProblem, NotFound


class NoTimetable(NotFound):
    """Todavía no hay horarios cargados. / No timetable is loaded yet."""


class ScheduleBeingWritten(HttpProblem):
    """El archivo de horarios se está armando. / The timetable file is being written."""

    status: ClassVar[int] = 503
    retry_after_s: ClassVar[int | None] = 5


@dataclass(frozen=True, slots=True)
class ScheduleFeed:
    """A zip and its entity tag. The same version gives the same bytes in every process."""

    version: str
    content: bytes
    etag: str


class ScheduleFeedCache:
    """The zip of one application. Whoever asks while it is written is told to come back, and holds no thread."""

    def __init__(self) -> None:
        self._feed: ScheduleFeed | None = None
        self._writing = threading.Lock()

    def feed(self, network: Network) -> ScheduleFeed:
        """The zip of a network. Raises NoTimetable for one without trips, and ScheduleBeingWritten."""
        if not network.trips:
            raise NoTimetable
        feed = self._feed
        if feed is not None and feed.version == network.version:
            return feed
        if not self._writing.acquire(blocking=False):
            raise ScheduleBeingWritten
        try:
            content = feed_bytes(network)
            self._feed = feed = ScheduleFeed(
                network.version, content, f'"{blake2b(content, digest_size=16).hexdigest()}"'
            )
            return feed
        finally:
            self._writing.release()
