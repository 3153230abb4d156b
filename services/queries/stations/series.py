"""Time series of a station: raw values while they are few, else minimum, mean and maximum by interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection, select, text

from models.kind import SensorKind
from models.migrations.readings import HOURLY
from models.migrations.timescale import has_timescale
from models.reading import UNTRUSTED, Flag, Quality, flag_names, quality_code
from models.tables.city import devices
from models.tables.readings import READINGS

MAX_POINTS = 2_100
"""Points in one answer: a week of 5 min, three weeks of 15 min, twelve weeks of hours."""
MAX_DEVICES = 20
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
UNKNOWN_ZONE = "Etc/GMT+3"
"""PostgreSQL's name of UTC-3, which stands for a zone that this system does not know."""
ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Resolution:
    """Intervals of one length, and the longest period in one answer (`page`)."""

    name: str
    length: timedelta
    page: timedelta


RAW = "raw"
RESOLUTIONS = (
    Resolution("5m", timedelta(minutes=5), timedelta(days=7)),
    Resolution("15m", timedelta(minutes=15), timedelta(days=21)),
    Resolution("1h", HOUR, timedelta(days=84)),
    Resolution("1d", DAY, timedelta(days=400)),
)
BY_NAME = {resolution.name: resolution for resolution in RESOLUTIONS}


@dataclass(frozen=True, slots=True)
class Interval:
    """The trusted values of one interval that starts at `at`, in the kind's unit, over all the station's devices."""

    at: datetime
    count: Annotated[int, Field(examples=[60])]
    min: Annotated[float, Field(examples=[0.41])]
    mean: Annotated[float, Field(examples=[0.44])]
    max: Annotated[float, Field(examples=[0.52])]
    total: Annotated[float, Field(description="Sum of the values; for rain the amount", examples=[26.4])]


@dataclass(frozen=True, slots=True)
class RawValue:
    """One reading as it was sent, trusted or not."""

    at: datetime
    received_at: datetime
    device: Annotated[str, Field(examples=["gato-143-524"])]
    seq: Annotated[int, Field(description="-1 where the device sends no number", examples=[8127])]
    value: Annotated[float | None, Field(examples=[0.44])]
    quality: Annotated[Quality, Field(description="QARTOD: 1 good, 3 suspect, 4 fail, 9 missing", examples=[1])]
    flags: Annotated[tuple[str, ...], Field(examples=[["jump"]])]


@dataclass(frozen=True, slots=True)
class RawCursor:
    """The reading after which a page of raw readings begins."""

    at: datetime
    device_id: int
    seq: int


def device_codes(connection: Connection, station_id: str) -> dict[int, str]:
    """The codes of a station's devices by device number."""
    query = select(devices.c.id, devices.c.code).where(devices.c.station_id == station_id).order_by(devices.c.id)
    return {row.id: row.code for row in connection.execute(query.limit(MAX_DEVICES))}


def finest_resolution(
    connection: Connection, kind: SensorKind, device_ids: Sequence[int], start: datetime, end: datetime
) -> Resolution | None:
    """The finest resolution that fits a period in one answer; None where the raw readings fit."""
    statement = text(
        f"SELECT count(*) FROM (SELECT 1 FROM {kind.name}_readings WHERE device_id = ANY(:devices)"
        " AND observed_at >= :start AND observed_at < :end LIMIT :most) AS few"
    )
    count = connection.execute(
        statement, {"devices": list(device_ids), "start": start, "end": end, "most": MAX_POINTS + 1}
    ).scalar_one()
    if 0 < count <= MAX_POINTS:
        return None
    # No raw reading may mean that they were deleted and only their hourly aggregates are left.
    shortest = HOUR if count == 0 else RESOLUTIONS[0].length
    return next((one for one in RESOLUTIONS if one.length >= shortest and end - start <= one.page), RESOLUTIONS[-1])


def list_intervals(
    connection: Connection,
    kind: SensorKind,
    device_ids: Sequence[int],
    resolution: Resolution,
    start: datetime,
    end: datetime,
    zone: tzinfo,
) -> list[Interval]:
    """The intervals from the one that holds `start` up to `end`, at most one page. Empty ones are left out.

    They begin with the clock: five minutes at 12:00 and 12:05, days at midnight in the city's `zone`.
    """
    first, last = _interval_start(resolution, start, zone), min(end, page_end(resolution, start, zone))
    is_rolled_up = _has_rollup(connection, resolution)
    sources = [_from_rollup(kind, resolution) if is_rolled_up else _from_raw(kind, resolution)]
    if resolution.length >= HOUR:
        sources.append(_from_hours(f"{kind.name}_hourly_kept", resolution))
    query = text(
        "SELECT at, sum(n)::bigint, min(least), sum(total) / sum(n), max(greatest), sum(total)"
        f" FROM ({' UNION ALL '.join(sources)}) AS pieces GROUP BY at ORDER BY at"
    )
    period: dict[str, object] = {"start": first, "end": last}
    period |= (
        {"zone": getattr(zone, "key", UNKNOWN_ZONE)}
        if resolution.length == DAY
        else {"length": resolution.length, "origin": ORIGIN}
    )
    return [Interval(*row) for row in connection.execute(query, {"devices": list(device_ids), **period})]


def page_end(resolution: Resolution, start: datetime, zone: tzinfo) -> datetime:
    """The end of the page that starts at `start`, where the next page begins."""
    first = _interval_start(resolution, start, zone)
    if resolution.length == DAY:  # in local time, in which a day may have 23 or 25 hours
        return (first.astimezone(zone) + resolution.page + resolution.length).astimezone(UTC)
    return first + resolution.page + resolution.length


def _interval_start(resolution: Resolution, at: datetime, zone: tzinfo) -> datetime:
    """The start of the interval that holds an instant."""
    if resolution.length == DAY:
        return datetime.combine(at.astimezone(zone), time(), zone).astimezone(UTC)
    return at - (at - ORIGIN) % resolution.length


def _interval_of(column: str, resolution: Resolution) -> str:
    """SQL for the start of the interval that holds the time in a column."""
    if resolution.length == DAY:
        return f"date_trunc('day', {column}, :zone)"
    return f"date_bin(:length, {column}, :origin)"


def list_raw_values(
    connection: Connection,
    kind: SensorKind,
    codes: dict[int, str],
    start: datetime,
    end: datetime,
    *,
    after: RawCursor | None,
) -> tuple[list[RawValue], RawCursor | None]:
    """Readings as sent, oldest first, at most MAX_POINTS, and the cursor of the next page; None on the last page."""
    table = READINGS[kind.name]
    query = text(
        f"SELECT r.observed_at, r.received_at, r.device_id, r.seq, r.{kind.measure} AS value, r.flags"
        " FROM unnest(CAST(:devices AS int[])) AS d (id) CROSS JOIN LATERAL ("
        f" SELECT * FROM {table.name} WHERE device_id = d.id AND observed_at >= :start AND observed_at < :end"
        " AND (observed_at, device_id, seq) > (:at, :device, :seq) ORDER BY observed_at, seq LIMIT :most"
        ") AS r ORDER BY r.observed_at, r.device_id, r.seq LIMIT :most"
    )
    position = after or RawCursor(start - timedelta(seconds=1), 0, 0)
    rows = connection.execute(
        query,
        {
            "devices": list(codes),
            "start": max(start, position.at),
            "end": end,
            "at": position.at,
            "device": position.device_id,
            "seq": position.seq,
            "most": MAX_POINTS + 1,
        },
    ).all()
    page = rows[:MAX_POINTS]
    values = [_raw_value(row, codes) for row in page]
    if len(rows) == len(page):
        return values, None
    last = page[-1]
    return values, RawCursor(last.observed_at, last.device_id, last.seq)


def _raw_value(row: Any, codes: dict[int, str]) -> RawValue:
    flags = Flag(row.flags)
    return RawValue(
        at=row.observed_at,
        received_at=row.received_at,
        device=codes[row.device_id],
        seq=row.seq,
        value=row.value,
        quality=quality_code(flags),
        flags=flag_names(flags),
    )


def _has_rollup(connection: Connection, resolution: Resolution) -> bool:
    """Whether a stored roll-up is the source. On plain PostgreSQL the roll-up is a view that uses no index on time."""
    return resolution.length >= HOUR and has_timescale(connection)


def _from_raw(kind: SensorKind, resolution: Resolution) -> str:
    measure = kind.measure
    return (
        f"SELECT {_interval_of('observed_at', resolution)} AS at, count({measure}) AS n, min({measure}) AS least,"
        f" sum({measure}) AS total, max({measure}) AS greatest FROM {kind.name}_readings"
        " WHERE device_id = ANY(:devices) AND observed_at >= :start AND observed_at < :end"
        f" AND flags & {int(UNTRUSTED)} = 0 AND {measure} IS NOT NULL GROUP BY 1"
    )


def _from_rollup(kind: SensorKind, resolution: Resolution) -> str:
    return _from_hours(f"{kind.name}_{HOURLY.name}", resolution)


def _from_hours(hours: str, resolution: Resolution) -> str:
    return (
        f"SELECT {_interval_of('bucket', resolution)} AS at, n, least, total, greatest FROM {hours}"
        " WHERE device_id = ANY(:devices) AND bucket >= :start AND bucket < :end"
    )
