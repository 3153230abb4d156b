"""How much operators are told (salud de los avisos): rates, floods, chattering, standing alerts, top ten, colours."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection, Row, text

WINDOW = timedelta(minutes=10)
FLOOD_ABOVE = 10
"""More announcements than this in ten minutes are an alarm flood (EEMUA 191, ISA-18.2)."""
CHATTER_RAISES, CHATTER_WITHIN = 3, timedelta(hours=1)
"""A rule that raises its alert so often within this time chatters. ISA-18.2 says a minute; gauges report each few."""
STANDING_AFTER = timedelta(hours=24)
MAX_OFFENDERS = 10
_RAISES = (
    "SELECT t.subject, coalesce(s.name, t.subject) AS name, t.rule_id, t.before, t.after, t.decided_at AS at,"
    " t.announced IS NOT NULL AS announced FROM transitions t JOIN alerts a ON a.id = t.alert_id"
    " LEFT JOIN stations s ON s.id = t.subject WHERE t.decided_at > :since AND t.decided_at <= :now"
    " AND a.exercise IS NULL AND (t.after > t.before OR t.announced IS NOT NULL) ORDER BY t.decided_at, t.id"
)
_STANDING = (
    "SELECT a.id AS alert_id, a.subject, coalesce(s.name, a.subject) AS name, a.opened_at FROM alerts a"
    " LEFT JOIN stations s ON s.id = a.subject WHERE a.state <> 'closed' AND a.opened_at <= :before"
    " AND a.exercise IS NULL ORDER BY a.opened_at, a.id LIMIT 100"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offender:
    """A station and how often its alerts rose or were announced."""

    subject: Annotated[str, Field(examples=["gato-143-524"])]
    name: str
    times: Annotated[int, Field(examples=[5])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An alert that is open for more than a day."""

    alert_id: Annotated[int, Field(examples=[7])]
    subject: str
    name: str
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """An hour with announcements: how many, and how many came in its worst ten minutes."""

    at: datetime
    announced: Annotated[int, Field(examples=[6])]
    worst_10_min: Annotated[int, Field(examples=[4])]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmHealth:
    """What operators were told in a time. Ten minutes are those of the clock: 10:00, 10:10 and so on."""

    since: datetime
    until: datetime
    announced: Annotated[int, Field(examples=[17])]
    mean_10_min: Annotated[
        float, Field(description="Announcements in ten minutes, mean of the whole time", examples=[0.017])
    ]
    worst_10_min: Annotated[int, Field(examples=[4])]
    floods: Annotated[int, Field(description="Ten minutes with more than 10 announcements", examples=[0])]
    by_colour: Annotated[dict[str, int], Field(examples=[{"amarillo": 12, "naranja": 4, "rojo": 1}])]
    chattering: Annotated[list[Offender], Field(description="Raised three times within an hour")]
    top: Annotated[list[Offender], Field(description="The ten with the most rises")]
    standing: Annotated[list[Standing], Field(description="Open for more than 24 hours")]
    hours: list[Hour]


def alarm_health(connection: Connection, now: datetime, days: int) -> AlarmHealth:
    """The figures of the last days."""
    since = now - timedelta(days=days)
    rises = connection.execute(text(_RAISES), {"since": since, "now": now}).all()
    standing = connection.execute(text(_STANDING), {"before": now - STANDING_AFTER}).all()
    told = [one for one in rises if one.announced]
    bins = Counter(_floor(one.at, WINDOW) for one in told)
    return AlarmHealth(
        since=since,
        until=now,
        announced=len(told),
        mean_10_min=round(len(told) / ((now - since) / WINDOW), 3),
        worst_10_min=max(bins.values(), default=0),
        floods=sum(count > FLOOD_ABOVE for count in bins.values()),
        by_colour={name: sum(one.after == nar for one in told) for nar, name in _COLOURS.items()},
        chattering=_offenders([one for one in rises if one.rule_id in _chattering(rises)]),
        top=_offenders(rises),
        standing=[Standing(**one._mapping) for one in standing],
        hours=_hours(bins),
    )


_COLOURS = {1: "amarillo", 2: "naranja", 3: "rojo"}


def _floor(at: datetime, step: timedelta) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // step.total_seconds() * step.total_seconds(), at.tzinfo)


def _hours(bins: Counter[datetime]) -> list[Hour]:
    """The hours with announcements, oldest first."""
    found: dict[datetime, list[int]] = {}
    for at, count in sorted(bins.items()):
        found.setdefault(_floor(at, timedelta(hours=1)), []).append(count)
    return [Hour(at=at, announced=sum(counts), worst_10_min=max(counts)) for at, counts in found.items()]


def _chattering(rises: Sequence[Row[Any]]) -> set[str]:
    """The rules that raised their alert so often within a short time."""
    raised: dict[str, list[datetime]] = {}
    for one in rises:
        if one.before == 0 and one.after:
            raised.setdefault(one.rule_id, []).append(one.at)
    more = CHATTER_RAISES - 1
    return {
        rule
        for rule, times in raised.items()
        if any(later - first <= CHATTER_WITHIN for first, later in zip(times, times[more:], strict=False))
    }


def _offenders(rises: Sequence[Row[Any]]) -> list[Offender]:
    """The stations with the most rises, at most ten."""
    counted = Counter((one.subject, one.name) for one in rises if one.after > one.before)
    ordered = sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:MAX_OFFENDERS]
    return [Offender(subject=subject, name=name, times=times) for (subject, name), times in ordered]
