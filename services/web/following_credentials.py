"""Reads regularly which tokens are in force, and writes which of them were used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from services.people import api_keys, sessions
from services.runtime.clock import Clock, PeriodicTimer
from services.web.http.credentials import KnownOperators

REFRESH_S = 2.0
"""How soon the requests of a new token use the operators' slots."""
NOTE_USE_S = 30.0
"""How exact the last use of a token is written. Not with each request: none waits for it."""


@asynccontextmanager
async def following_credentials(known: KnownOperators, engine: Engine, clock: Clock) -> AsyncIterator[None]:
    """Read which tokens are in force every REFRESH_S while the block runs. Without a database, none change."""
    timer = PeriodicTimer(NOTE_USE_S)

    def read() -> None:
        now = clock()
        with engine.connect() as connection:
            keys = api_keys.hashes_in_force(connection, now)
            known.replace([*keys, *sessions.hashes_of_open_sessions(connection, now)])
        if timer.due() and (used := known.take_used()):
            with engine.begin() as transaction:
                api_keys.note_used(transaction, used, now)
                sessions.note_seen(transaction, used, now)

    async def follow() -> None:
        while True:
            with suppress(DBAPIError, NoConnectionFree):
                await run_in_threadpool(read)
            await asyncio.sleep(REFRESH_S)

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
