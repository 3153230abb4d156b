"""Admission of requests: each takes a slot before a thread and a database connection, or is refused quickly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from services.runtime.problem import HttpProblem

WAIT_S = 2.0
"""Longest wait for a slot. A visitor told to come back sooner than this loses nothing."""
OPERATOR_WAIT_S = 10.0
SIGN_IN_WAIT_S = 10.0
MAX_SIGN_INS_WAITING = 40
"""About as many as are verified in SIGN_IN_WAIT_S."""
MAX_WAITING = 200
"""Requests that wait at once. More than these would wait for longer than WAIT_S anyway."""
INTERNAL_CONNECTIONS = 2
"""Of the pool, for what the server reads for itself: the copy of the buses, and the list of operators."""


class TooBusy(HttpProblem):
    """Hay demasiados pedidos a la vez: probá en unos segundos. / Too many requests at once: try again in seconds."""

    status = 503
    retry_after_s = 2


class Slots:
    """A number of requests that may work at once. Others wait their turn, a bounded number for a bounded time."""

    def __init__(self, count: int, wait_s: float, max_waiting: int = MAX_WAITING) -> None:
        self.count = count
        self._free = asyncio.Semaphore(count)
        self.waiting = 0
        self._wait_s, self._max_waiting = wait_s, max_waiting

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Hold a slot while the block runs. Raises TooBusy where none becomes free in time."""
        if self.waiting >= self._max_waiting:
            raise TooBusy
        self.waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise TooBusy from None
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._free.release()


@dataclass(frozen=True, slots=True)
class Admission:
    """The slots of one server. Together they are no more than its database connections, so that none waits for one."""

    visitors: Slots
    operators: Slots
    health: Slots
    """For supervisors, load balancers and scrapers."""
    sign_ins: Slots
    """One at a time, so that a flood of wrong passwords takes one thread, one core and nobody else's slot."""

    providers: Slots
    """One at a time, so that an identity provider that does not answer takes nobody else's slot."""

    @classmethod
    def for_pool(cls, connections: int) -> Self:
        """Share a pool: INTERNAL_CONNECTIONS for the server, one each for health, sign-ins and providers, a third of
        the rest for operators.
        """
        rest = max(connections - INTERNAL_CONNECTIONS - 3, 2)
        operators = max(rest // 3, 1)
        sign_ins = Slots(1, SIGN_IN_WAIT_S, MAX_SIGN_INS_WAITING)
        providers = Slots(1, SIGN_IN_WAIT_S, MAX_SIGN_INS_WAITING)
        visitors, reserve = Slots(rest - operators, WAIT_S), Slots(operators, OPERATOR_WAIT_S)
        return cls(visitors, reserve, Slots(1, WAIT_S), sign_ins, providers)
