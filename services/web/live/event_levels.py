"""Adds to events about alerts the level of their stream now. Has a connection of its own: visitors hold the others."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.queries.alerts.alerts import LevelNow
from services.queries.watch.levels import levels_now
from services.runtime.clock import Clock
from services.runtime.database import SessionLimits, open_database
from services.runtime.retry import error_summary

log = logging.getLogger(__name__)

ABOUT_ALERTS = frozenset({"transition", "alert"})
LIMITS = SessionLimits(statement_s=2, idle_in_transaction_s=10)


class EventLevels:
    """Reads current levels for events. `engine`: only its address is used."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """Connects at the first event about an alert."""
        url = engine.url.render_as_string(hide_password=False)
        self._database, self._clock = open_database(url, name="vigia-live-levels", pool_size=1, limits=LIMITS), clock

    def close(self) -> None:
        """Close the connection."""
        self._database.dispose()

    async def added(self, events: Sequence[tuple[str, str]]) -> list[str]:
        """The data of events given as (name, JSON). Those about alerts get `level_now`, null for what is no stream.

        An event never waits for more than a statement's limit: where levels cannot be read, it comes without.
        """
        told = [_about_a_subject(name, data) for name, data in events]
        subjects = [one["subject"] for one in told if one is not None]
        levels = await asyncio.to_thread(self._read, subjects) if subjects else {}
        return [
            data if one is None else _with_level(one, levels) for one, (_name, data) in zip(told, events, strict=True)
        ]

    def _read(self, subjects: Sequence[str]) -> Mapping[str, LevelNow]:
        try:
            with self._database.connect() as connection:
                return levels_now(connection, self._clock(), subjects)
        except (SQLAlchemyError, psycopg.Error) as error:
            log.warning("an event goes without level", extra={"action": "follow", "trouble": error_summary(error)})
            return {}


def _about_a_subject(name: str, data: str) -> dict[str, Any] | None:
    """The data of an event about an alert that names its subject; None for all others."""
    event = orjson.loads(data) if name in ABOUT_ALERTS else None
    return event if isinstance(event, dict) and isinstance(event.get("subject"), str) else None


def _with_level(event: dict[str, Any], levels: Mapping[str, LevelNow]) -> str:
    return orjson.dumps(event | {"level_now": levels.get(event["subject"])}).decode()
