"""Dependencies of a route: the application's parts, a database snapshot or transaction, and the current time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection, Engine

from services.people.oidc.provider import Provider
from services.runtime.clock import Clock, FasterClock, credential_clock
from services.runtime.settings import Settings
from services.runtime.simulation import Simulation
from services.transit.serving.feed_cache import FeedCache
from services.transit.serving.schedule_feed import ScheduleFeedCache
from services.transit.serving.snapshot import TransitSnapshot
from services.transit.serving.snapshot_cache import SnapshotCache
from services.web.http.admission import Admission
from services.web.http.credentials import KnownOperators
from services.web.http.prepared_answers import PreparedAnswers, PreparedRoutes
from services.web.http.rate_limit import RateLimit
from services.web.http.wrong_tokens import WrongTokens
from services.web.live.event_feed import EventFeed
from services.web.live.process_watch import ProcessWatch

MAX_REPORTS_PER_MINUTE = 10
"""Riders' reports from one address in a minute. Several telephones may share an address."""


MAX_SMS_ANSWERS_PER_MINUTE = 5
"""Text messages of one number in a minute: a code has four digits."""


def _sms_answer_limit() -> RateLimit:
    return RateLimit(MAX_SMS_ANSWERS_PER_MINUTE)


def _rider_report_limit() -> RateLimit:
    return RateLimit(MAX_REPORTS_PER_MINUTE)


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one application, stored as `app.state.context`."""

    settings: Settings
    engine: Engine
    clock: Clock
    event_feed: EventFeed
    process_watch: ProcessWatch
    snapshot_cache: SnapshotCache
    feed_cache: FeedCache
    wrong_tokens: WrongTokens
    known_operators: KnownOperators
    admission: Admission
    prepared_answers: PreparedAnswers
    prepared_routes: PreparedRoutes
    simulation: Simulation | None = None
    """What is not real in this city; None in a real one."""
    provider: Provider | None = None
    """The identity provider by which people may sign in; None where the settings name none."""
    rider_report_limit: RateLimit = field(default_factory=_rider_report_limit)
    """Limits riders' reports by address."""
    sms_answer_limit: RateLimit = field(default_factory=_sms_answer_limit)
    """Limits people's answers by number."""
    schedule_feed: ScheduleFeedCache = field(default_factory=ScheduleFeedCache)

    @property
    def credential_clock(self) -> Clock:
        """The clock by which sessions and keys expire."""
        return credential_clock(self.clock)

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


# These two wait for nothing: a thread for them would cost more than they do.
async def _now(request: Request) -> datetime:
    return context_of(request).clock()


async def _transit_snapshot(request: Request) -> TransitSnapshot:
    return context_of(request).snapshot_cache.snapshot()


# Both end before the response is sent, so that no client sees success before the commit.
DatabaseSnapshot = Annotated[Connection, Depends(_database_snapshot, scope="function")]
"""A read-only connection on which all queries see the same snapshot of the database."""
Transaction = Annotated[Connection, Depends(_transaction, scope="function")]
"""A transaction that commits when the route returns and rolls back when it raises."""
CONNECTIONS = frozenset({_database_snapshot, _transaction})
"""The dependencies that hold a database connection until the route returns."""
Now = Annotated[datetime, Depends(_now)]
"""The current time by the application's clock."""
CurrentTransitSnapshot = Annotated[TransitSnapshot, Depends(_transit_snapshot)]
"""The current state of public transport, from memory. Raises NotReadYet before the first copy was read."""
