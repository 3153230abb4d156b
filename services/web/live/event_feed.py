"""Event feed of the live stream: one reader, woken by NOTIFY, fills a bounded ring that all clients share."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Engine

from alerts.delivery.live_events import CANARY, CHANNEL
from services.runtime.clock import Clock
from services.web.live.event_levels import EventLevels
from services.web.live.stream_position import StreamPosition, covers

log = logging.getLogger(__name__)

MAX_RING_EVENTS = 4_096
MAX_RING_BYTES = 32 * 1024 * 1024
PAGE_EVENTS = 200
POLL_S = 1.0
"""Longest delay of the stream where a notification is lost."""
RETRY_S = 0.5
CONNECT_TIMEOUT_S = 5
MAX_REPLAYED_EVENTS = 5_000
MAX_REPLAY_AGE_S = 15 * 60
"""A client away for longer starts anew. Events must be stored at least this long."""
MAX_CONCURRENT_REPLAYS = 4
CATCH_UP_TIMEOUT_S = 5.0
READINGS = "readings"
"""Name of the event of new readings."""

_CURRENT_POSITION = "SELECT extract(epoch FROM now())::bigint AS taken_s, pg_current_snapshot()::text AS snapshot"
# One statement has one snapshot, so it sees exactly what `after` sees. Without new events: one row of nulls.
_NEXT_EVENTS = """
    SELECT extract(epoch FROM now())::bigint AS taken_s, s.after::text,
        e.xid::text::bigint AS xid, e.id, e.event, e.data
    FROM (SELECT coalesce(%(after)s::pg_snapshot, pg_current_snapshot()) AS after) s
    LEFT JOIN LATERAL (
        SELECT xid, id, event, data::text FROM events
        WHERE xid >= pg_snapshot_xmin(%(before)s::pg_snapshot)
        AND NOT pg_visible_in_snapshot(xid, %(before)s::pg_snapshot) AND pg_visible_in_snapshot(xid, s.after)
        AND (xid, id) > (%(xid)s::text::xid8, %(id)s)
        ORDER BY xid, id LIMIT %(limit)s
    ) e ON true ORDER BY e.xid, e.id
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its encoded bytes, its name to filter by, and the stream position after it."""

    position: str
    name: str
    encoded: bytes


@dataclass(slots=True)
class Subscription:
    """Where a client starts: the events that it missed, then the ring from `next_index` on.

    `resync`: the client missed too much and must read the state again.
    """

    missed: list[Event]
    next_index: int
    position: str
    resync: bool = False


class ClientTooSlow(Exception):
    """A client fell behind the ring. It is dropped, and reads what it missed when it connects again."""


class FeedClosed(Exception):
    """The server is stopping."""


class EventFeed:
    """Reads events on a database connection of its own for any number of clients of one event loop."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """Opens nothing before `running`. Only the address of the engine is used."""
        self._levels = EventLevels(engine, clock)
        self._address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._ring: deque[Event] = deque()
        self._bytes = 0
        self._end = 0
        self._position: StreamPosition | None = None
        self._more_pages = False
        self._changed = asyncio.Event()
        self._canary_s: float | None = None
        self._replays = asyncio.Semaphore(MAX_CONCURRENT_REPLAYS)
        self._closed = False
        self.connected = False
        self.clients = 0
        self.clients_by_address: Counter[str] = Counter()
        self.dropped_clients = 0
        self.changes = 0
        """Events that every visitor must see at once: all but readings, of which there are many a second."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the events while the context is open."""
        task = asyncio.create_task(self._run())
        task.add_done_callback(self._log_failure)
        try:
            yield
        finally:
            self.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._levels.close()

    def close(self) -> None:
        """End the streams of all clients, so that the server can stop."""
        self._closed = True
        self._notify_clients()

    async def subscribe(self, last: str | None) -> Subscription:
        """Subscribe from the position `last` of a client, or from the newest event where it has none.

        Waits up to CATCH_UP_TIMEOUT_S for an unavailable database, then raises TimeoutError. Raises FeedClosed when
        the server stops.
        """
        async with asyncio.timeout(CATCH_UP_TIMEOUT_S):
            while self._position is None:
                await self._wait_for_change()
        if last is None or last == str(self._position):
            return Subscription([], self._end, str(self._position))
        for index, event in enumerate(self._ring):
            if event.position == last:
                return Subscription([], self._end - len(self._ring) + index + 1, last)
        position = StreamPosition.parse(last)
        missed = await self._read_missed(position) if position else None
        if missed is None:
            return Subscription([], self._end, str(self._position), resync=True)
        return missed

    async def events_from(self, index: int, wait_s: float) -> tuple[list[Event], str]:
        """The events from `index` on and the position after them; no events where none comes within `wait_s`.

        Raises ClientTooSlow where the ring no longer holds `index`, FeedClosed when the server stops.
        """
        if index == self._end and not self._closed:
            try:
                async with asyncio.timeout(wait_s):
                    while index == self._end and not self._closed:
                        await self._changed.wait()
            except TimeoutError:
                pass
        if self._closed:
            raise FeedClosed
        ring_start = self._end - len(self._ring)
        if index < ring_start:
            raise ClientTooSlow
        return [self._ring[offset] for offset in range(index - ring_start, len(self._ring))], str(self._position)

    async def _wait_for_change(self) -> None:
        await self._changed.wait()
        if self._closed:
            raise FeedClosed

    def _notify_clients(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _run(self) -> None:
        while True:
            try:
                async with await self._connect() as connection:
                    await self._follow(connection)
            except psycopg.Error as error:
                if self.connected:
                    log.warning("the live stream lost the database", extra={"action": "follow", "trouble": str(error)})
                self.connected = False
                await asyncio.sleep(RETRY_S)

    def _log_failure(self, task: asyncio.Task[None]) -> None:
        """Log why the reader ended. It ends when it is cancelled or by a bug; health and pulses then show it."""
        self.connected = False
        if not task.cancelled() and task.exception() is not None:
            log.error("the live stream broke", extra={"action": "follow"}, exc_info=task.exception())

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(
            self._address,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            row_factory=namedtuple_row,
            application_name="vigia-live",
        )

    async def _follow(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(f"LISTEN {CHANNEL}")
        if self._position is None:
            self._position = await _current_position(connection)
        self.connected = True
        while True:
            await self._catch_up(connection)
            async for _ in connection.notifies(timeout=POLL_S, stop_after=1):
                pass

    async def _catch_up(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Read all events up to the present. A range that a lost connection interrupted is first read to its end."""
        assert self._position is not None
        after = self._position.after if self._more_pages else None
        if after is None:
            self._position = replace(self._position, before=self._position.after, xid=0, id=0)
        while True:
            events, self._position = await _read_page(connection, self._levels, self._position, after)
            for event in events:
                self._append(event)
            after, self._more_pages = self._position.after, len(events) == PAGE_EVENTS
            self._notify_clients()
            if not self._more_pages:
                return

    @property
    def canary_age_s(self) -> float | None:
        """Real time since the last of Vigía's own test messages came through to here; None where none did yet."""
        return None if self._canary_s is None else monotonic() - self._canary_s

    def _append(self, event: Event) -> None:
        if event.name == CANARY:
            self._canary_s = monotonic()
            return
        self.changes += event.name != READINGS
        self._ring.append(event)
        self._bytes += len(event.encoded)
        self._end += 1
        while len(self._ring) > MAX_RING_EVENTS or (self._bytes > MAX_RING_BYTES and len(self._ring) > 1):
            self._bytes -= len(self._ring.popleft().encoded)

    async def _read_missed(self, position: StreamPosition) -> Subscription | None:
        """Read the events between a position and the ring's end from the database. None where there are too many."""
        try:
            async with asyncio.timeout(CATCH_UP_TIMEOUT_S), self._replays, await self._connect() as connection:
                present = await _current_position(connection)
                if not 0 <= present.taken_s - position.taken_s <= MAX_REPLAY_AGE_S or not covers(
                    present.after, position.after
                ):
                    return None
                await connection.execute("SELECT pg_notify(%s, '')", [CHANNEL])
                # While a range is read page by page, the ring lacks some events that its snapshot sees.
                while self._position is None or self._more_pages or not covers(self._position.after, position.after):
                    await self._wait_for_change()
                target, end = self._position, self._end
                missed = await _read_range(connection, self._levels, position)
                missed += await _read_range(
                    connection, self._levels, replace(position, before=position.after, after=target.after, xid=0, id=0)
                )
        except (psycopg.Error, TimeoutError):
            return None
        missed = [event for event in missed if event.name != CANARY]
        return Subscription(missed, end, str(target)) if len(missed) <= MAX_REPLAYED_EVENTS else None


async def _current_position(connection: psycopg.AsyncConnection[Any]) -> StreamPosition:
    """The present position: all events before it count as read."""
    taken_s, snapshot = (await (await connection.execute(_CURRENT_POSITION)).fetchall())[0]
    return StreamPosition(taken_s, snapshot, snapshot)


async def _read_range(
    connection: psycopg.AsyncConnection[Any], levels: EventLevels, position: StreamPosition
) -> list[Event]:
    """All events from a position to its own `after`; more than MAX_REPLAYED_EVENTS where there are too many."""
    all_events: list[Event] = []
    while len(all_events) <= MAX_REPLAYED_EVENTS:
        events, position = await _read_page(connection, levels, position, position.after)
        all_events += events
        if len(events) < PAGE_EVENTS:
            break
    return all_events


async def _read_page(
    connection: psycopg.AsyncConnection[Any], levels: EventLevels, position: StreamPosition, after: str | None
) -> tuple[list[Event], StreamPosition]:
    """The next events after a position that the snapshot `after` sees, and the position behind them.

    `after` None: the present snapshot.
    """
    parameters = {
        "before": position.before,
        "after": after,
        "xid": str(position.xid),
        "id": position.id,
        "limit": PAGE_EVENTS,
    }
    rows = await (await connection.execute(_NEXT_EVENTS, parameters)).fetchall()
    position = replace(position, taken_s=rows[0].taken_s, after=rows[0].after)
    found = [row for row in rows if row.id is not None]
    events = []
    for row, data in zip(found, await levels.added([(row.event, row.data) for row in found]), strict=True):
        position = replace(position, xid=row.xid, id=row.id)
        events.append(Event(str(position), row.event, encode_event(str(position), row.event, data)))
    return events, position


def encode_event(position: str, event: str, data: str) -> bytes:
    """Encode one server-sent event. `data`: JSON on one line, as PostgreSQL writes it."""
    return f"id: {position}\nevent: {event}\ndata: {data}\n\n".encode()
