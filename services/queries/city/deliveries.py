"""Attempts to tell people, counted by channel and outcome, for monitoring."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from models.tables.alerts import notice_deliveries, notices

COUNTED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DeliveryFigures:
    """`last_day`: of the last day, by channel and outcome; `oldest_due_s`: by channel of the notice."""

    last_day: Mapping[tuple[str, str], int]
    oldest_due_s: Mapping[str, float]


def delivery_figures(connection: Connection, now: datetime) -> DeliveryFigures:
    """What was tried to tell people in the last day, and how long the oldest waiting notice waits."""
    told = connection.execute(
        select(notice_deliveries.c.channel, notice_deliveries.c.outcome, func.count())
        .where(notice_deliveries.c.last_at > now - COUNTED)
        .group_by(notice_deliveries.c.channel, notice_deliveries.c.outcome)
    )
    due = connection.execute(
        select(notices.c.channel, func.min(notices.c.not_before))
        .where(notices.c.sent_at.is_(None), notices.c.refused.is_(None), notices.c.not_before <= now)
        .group_by(notices.c.channel)
    )
    return DeliveryFigures(
        {(row[0], row[1]): row[2] for row in told}, {row[0]: (now - row[1]).total_seconds() for row in due}
    )
