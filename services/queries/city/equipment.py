"""Devices as a technician needs them, with or without a station: what each sent last, its clock, what was rejected."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import Connection, Row, select, true

from ingest.sender_rates import topic_sender
from models.kind import SensorKind
from models.kinds import KINDS, KINDS_BY_NAME
from models.reading import Flag
from models.tables.city import devices, municipalities
from models.tables.operations import heartbeats
from models.tables.readings import READINGS, rejected_messages

MAX_DEVICES = 1_000
MAX_UNDECLARED = 200
"""Of the devices that nobody declared, those heard first: a sender that invents names fills no page."""
MAX_LOOKED_AT = 2_000
"""The newest rejected messages among which the page looks."""
MAX_REJECTIONS = 100
"""Devices and reasons on the page."""
REJECTIONS_WITHIN = timedelta(days=7)
CLOCK_ERROR_S = 60.0
"""A difference between observation and receipt that is worth a remark."""
SILENT_AFTER = timedelta(minutes=15)
"""Without a message for so long, a device's clock and value say nothing of the present."""
MAX_DETAILS = 3
"""Different details shown of one sender's rejections for one reason."""
_DIGITS = re.compile(r"\d+")
_ZONE_STEP_S, _ZONE_SLACK_S, _MOST_ZONE_S = 1800.0, 180.0, 14 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """A device and its newest reading, raw. `lag_s`: receipt minus observation, negative for a clock that is ahead."""

    municipality: str
    kind: SensorKind
    code: str
    station: str | None
    first_seen_at: datetime | None
    observed_at: datetime | None
    received_at: datetime | None
    value: float | None
    flags: Flag

    @property
    def topic(self) -> str:
        """Where it publishes."""
        return f"vigia/v1/{self.municipality}/{self.kind.name}/{self.code}"

    @property
    def lag_s(self) -> float | None:
        """How long after its observation the newest reading was received, s; None without one, or without a clock."""
        if self.observed_at is None or self.received_at is None or self.flags & Flag.SERVER_TIME:
            return None
        return (self.received_at - self.observed_at).total_seconds()

    def is_silent(self, now: datetime) -> bool:
        """Whether there is no recent message to judge by."""
        return self.received_at is None or now - self.received_at > SILENT_AFTER

    @property
    def clock_error_s(self) -> float | None:
        """The lag where it is worth a remark, s."""
        lag_s = self.lag_s
        return lag_s if lag_s is not None and abs(lag_s) > CLOCK_ERROR_S else None

    @property
    def wrong_zone(self) -> bool:
        """Whether the clock error looks like local time that is sent as UTC: a multiple of half an hour."""
        error_s = abs(self.clock_error_s or 0.0)
        steps = round(error_s / _ZONE_STEP_S)
        return steps > 0 and error_s <= _MOST_ZONE_S and abs(error_s - steps * _ZONE_STEP_S) <= _ZONE_SLACK_S


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedOfSender:
    """Rejected messages of a sender for one reason: what the newest of each sort lacked, and how many were stored."""

    sender: str
    reason: str
    details: Sequence[str]
    at: datetime
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedComments:
    """Comments in the lines of the seed, in the language of the page."""

    name: str
    municipality: str
    position: str
    thresholds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentPage:
    """All that the page shows at one instant. `undeclared`: devices without a station of kinds that have stations."""

    declared: Sequence[Equipment]
    undeclared: Sequence[Equipment]
    seed_lines: str
    rejections: Sequence[RejectedOfSender]
    unread_topics: Sequence[str]
    """Topics on which somebody publishes and nobody reads, as far as upkeep saw any (`unread_topics`)."""


def equipment_page(transaction: Connection, now: datetime, comments: SeedComments) -> EquipmentPage:
    """Read the page's contents."""
    found = list(_equipment(transaction, declared=True, limit=MAX_DEVICES))
    undeclared = list(_equipment(transaction, declared=False, limit=MAX_UNDECLARED))
    rows = transaction.execute(select(municipalities.c.id, municipalities.c.latitude, municipalities.c.longitude))
    positions = {row.id: (row.latitude, row.longitude) for row in rows}
    return EquipmentPage(
        declared=found,
        undeclared=undeclared,
        seed_lines="\n".join(seed_lines(one, positions.get(one.municipality), comments) for one in undeclared),
        rejections=_rejections(transaction, now),
        unread_topics=_unread_topics(transaction),
    )


def seed_lines(one: Equipment, position: tuple[float, float] | None, comments: SeedComments) -> str:
    """Lines of `city.toml` that declare a device at a station of its own. What only people know is marked with #."""
    at = "[0.0, 0.0]" if position is None else f"[{position[0]:g}, {position[1]:g}]"
    lines = [
        "[[station]]",
        f'id = "{one.code}"',
        f'name = "{one.code}"  # {comments.name}',
        f'municipality = "{one.municipality}"' + (f"  # {comments.municipality}" if position is None else ""),
        f'kind = "{one.kind.name}"',
        f"position = {at}  # {comments.position}",
    ]
    if one.kind.unit == "m":
        thresholds = 'rules.stage = { thresholds_m = [1.0, 1.5, 2.0], origin = "derived" }'
        lines.append(f"{thresholds}  # {comments.thresholds}")
    return "\n".join([*lines, ""])


def _equipment(transaction: Connection, *, declared: bool, limit: int) -> Iterator[Equipment]:
    """Devices of kinds with rules; the others, such as buses, have no stations and are declared nowhere."""
    for kind in KINDS:
        if not kind.judgements:
            continue
        table = READINGS[kind.name]
        newest = (
            select(table.c.observed_at, table.c.received_at, table.c[kind.measure].label("value"), table.c.flags)
            .where(table.c.device_id == devices.c.id)
            .order_by(table.c.observed_at.desc())
            .limit(1)
            .lateral()
        )
        has_station = devices.c.station_id.is_not(None)
        rows = transaction.execute(
            select(devices, newest.c.observed_at, newest.c.received_at, newest.c.value, newest.c.flags)
            .select_from(devices.outerjoin(newest, true()))
            .where(devices.c.kind == kind.name, has_station if declared else ~has_station)
            .where(devices.c.first_seen_at.is_not(None) | has_station)
            .order_by(devices.c.municipality, devices.c.code)
            .limit(limit)
        )
        for row in rows:
            yield Equipment(
                municipality=row.municipality,
                kind=KINDS_BY_NAME[row.kind],
                code=row.code,
                station=row.station_id,
                first_seen_at=row.first_seen_at,
                observed_at=row.observed_at,
                received_at=row.received_at,
                value=row.value,
                flags=Flag(row.flags or 0),
            )


def _rejections(transaction: Connection, now: datetime) -> list[RejectedOfSender]:
    """Rejections of each sender and reason among the newest messages, the newest first."""
    newest = transaction.execute(
        select(rejected_messages.c.topic, rejected_messages.c.reason, rejected_messages.c.detail)
        .add_columns(rejected_messages.c.received_at)
        .where(rejected_messages.c.reingested_at.is_(None), rejected_messages.c.received_at > now - REJECTIONS_WITHIN)
        .order_by(rejected_messages.c.received_at.desc(), rejected_messages.c.id.desc())
        .limit(MAX_LOOKED_AT)
    ).all()
    groups: dict[tuple[str, str], list[Row[tuple[str, str, str, datetime]]]] = {}
    for row in newest:
        groups.setdefault((topic_sender(row.topic), row.reason), []).append(row)
    return [
        RejectedOfSender(
            sender=_shown_sender(sender, rows[0].topic),
            reason=reason,
            details=_different(row.detail for row in rows),
            at=rows[0].received_at,
            messages=len(rows),
        )
        for (sender, reason), rows in islice(groups.items(), MAX_REJECTIONS)
    ]


def _different(details: Iterable[str]) -> list[str]:
    """The first detail of each sort; two that differ in numbers only are of one sort."""
    by_sort: dict[str, str] = {}
    for detail in details:
        by_sort.setdefault(_DIGITS.sub("0", detail), detail)
    return list(islice(by_sort.values(), MAX_DETAILS))


def _unread_topics(transaction: Connection) -> list[str]:
    status = transaction.execute(select(heartbeats.c.status).where(heartbeats.c.process == "upkeep")).scalar()
    found = status.get("unread_topics", []) if isinstance(status, dict) else []
    return [str(topic) for topic in found]


def _shown_sender(sender: str, topic: str) -> str:
    """The sender's topic; where a topic names no device, the topic of its newest message."""
    return topic if sender.startswith("(") else sender
