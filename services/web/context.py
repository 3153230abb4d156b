"""What a request works with: the application's parts, one consistent view or one transaction, and the time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection, Engine

from services.runtime.clock import Clock, FasterClock
from services.runtime.settings import Settings
from services.transit.serving.feed_cache import FeedCache
from services.transit.serving.snapshot import TransitSnapshot
from services.transit.serving.snapshot_cache import SnapshotCache
from services.web.http.rate_limit import RateLimit
from services.web.http.wrong_tokens import WrongTokens
from services.web.live.event_feed import EventFeed

MAX_REPORTS_PER_MINUTE = 10
"""Riders' reports from one address in a minute: a few telephones may share one."""


def _rider_report_limit() -> RateLimit:
    return RateLimit(MAX_REPORTS_PER_MINUTE)


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one application; stands in `app.state.context`."""

    settings: Settings
    engine: Engine
    clock: Clock
    event_feed: EventFeed
    snapshot_cache: SnapshotCache
    feed_cache: FeedCache
    wrong_tokens: WrongTokens
    rider_report_limit: RateLimit = field(default_factory=_rider_report_limit)
    """Of riders, by address."""

    @property
    def clock_factor(self) -> float:
        """How many times as fast as real time the clock runs: 1 outside simulations."""
        return self.clock.factor if isinstance(self.clock, FasterClock) else 1.0


def context_of(request: Request) -> Context:
    """The application's parts."""
    context: Context = request.app.state.context
    return context


def _database_snapshot(request: Request) -> Iterator[Connection]:
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with context_of(request).engine.connect().execution_options(**options) as connection:
        yield connection


def _transaction(request: Request) -> Iterator[Connection]:
    with context_of(request).engine.begin() as connection:
        yield connection


# These two wait for nothing, and a thread for them would cost more than all they do.
async def _now(request: Request) -> datetime:
    return context_of(request).clock()


async def _transit_snapshot(request: Request) -> TransitSnapshot:
    return context_of(request).snapshot_cache.snapshot()


# Both end before the answer leaves: nobody is told "done" of what is not committed.
DatabaseSnapshot = Annotated[Connection, Depends(_database_snapshot, scope="function")]
"""A read-only view of one moment, however many queries look at it."""
Transaction = Annotated[Connection, Depends(_transaction, scope="function")]
"""Commits when the endpoint returns, rolls back when it raises."""
Now = Annotated[datetime, Depends(_now)]
"""The time of the application's clock."""
CurrentTransitSnapshot = Annotated[TransitSnapshot, Depends(_transit_snapshot)]
"""What is known of the city's buses, from memory. Asking for it raises NotReadYet before the first copy."""
