"""The city's own skill: how often and how early it warned, how often in vain, and how soon people heard and answered.

Event: the level of a stream at or above the threshold of a colour; crossings up to 6 h apart are one event. Alert: the
station's stage rule holds the colour or a graver one; pauses up to 3 h are one alert. Hit: an alert was on when the
event began, or began within the 6 h before or the 10 min after it. The lead of a late one is negative. False alert: one
that was no event's: none began while it was on or within 6 h after its beginning, and it began in none.
POD = hits / events, FAR = false / (hits + false). An event counts in the month in which it began, a false alert in that
of its beginning, both by the city's calendar. Pure.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta, tzinfo
from statistics import median

from models.alert import NAR

EVENT_MERGE = timedelta(hours=6)
ALERT_MERGE = timedelta(hours=3)
MAX_LEAD = timedelta(hours=6)
MAX_LATE = timedelta(minutes=10)
"""A value that needs a second one to confirm it raises a colour some minutes after the first."""
COLOURS = (NAR.AMARILLO, NAR.NARANJA, NAR.ROJO)


@dataclass(frozen=True, slots=True)
class Span:
    """From the first to the last instant of an event or an alert. `end`: of an alert, when it was over."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class StationHistory:
    """One station: thresholds by colour, high levels and changes of colour, both in order of time."""

    thresholds_m: Sequence[float]
    levels: Sequence[tuple[datetime, float]]
    changes: Sequence[tuple[datetime, NAR]]


@dataclass(frozen=True, slots=True)
class Response:
    """A colour that was raised, and how long after it the first notice was sent and a person acknowledged it."""

    nar: NAR
    at: datetime
    notice_s: float | None
    acknowledge_s: float | None


@dataclass(frozen=True, slots=True)
class MonthSkill:
    """The figures of one month and colour; None where there is nothing to divide by. Times are medians."""

    month: str
    colour: str
    events: int
    hits: int
    misses: int
    false_alerts: int
    pod: float | None
    far: float | None
    lead_min: float | None
    raised: int
    notified: int
    notice_s: float | None
    acknowledged: int
    acknowledge_s: float | None


def skill_by_month(
    stations: Iterable[StationHistory], responses: Sequence[Response], months: Sequence[str], zone: tzinfo
) -> list[MonthSkill]:
    """The figures of these months (`2026-04`), each colour a row, the gravest first."""
    found: dict[tuple[str, NAR], tuple[list[float | None], list[datetime]]] = {
        (month, nar): ([], []) for month in months for nar in COLOURS
    }
    for station in stations:
        for nar in COLOURS:
            events = find_events(station.levels, station.thresholds_m[nar - 1])
            alerts = find_alerts(station.changes, nar)
            for event in events:
                if (key := (_month(event.start, zone), nar)) in found:
                    found[key][0].append(lead_min(event, alerts))
            for alert in alerts:
                if (key := (_month(alert.start, zone), nar)) in found and not _warns(alert, events):
                    found[key][1].append(alert.start)
    return [
        _figures(month, nar, *found[month, nar], [one for one in responses if _is_of(one, month, nar, zone)])
        for month in months
        for nar in reversed(COLOURS)
    ]


def find_events(levels: Sequence[tuple[datetime, float]], threshold_m: float) -> list[Span]:
    """The events of one threshold."""
    return _merged([Span(at, at) for at, level_m in levels if level_m >= threshold_m], EVENT_MERGE)


def find_alerts(changes: Sequence[tuple[datetime, NAR]], nar: NAR) -> list[Span]:
    """The alerts of a colour or a graver one. One that is still on ends with the last instant of time."""
    spans: list[Span] = []
    since: datetime | None = None
    for at, after in changes:
        if after >= nar and since is None:
            since = at
        elif after < nar and since is not None:
            spans.append(Span(since, at))
            since = None
    if since is not None:
        spans.append(Span(since, datetime.max.replace(tzinfo=since.tzinfo)))
    return _merged(spans, ALERT_MERGE)


def _merged(spans: Sequence[Span], gap: timedelta) -> list[Span]:
    merged: list[Span] = []
    for span in spans:
        if merged and span.start - merged[-1].end <= gap:
            merged[-1] = Span(merged[-1].start, span.end)
        else:
            merged.append(span)
    return merged


def lead_min(event: Span, alerts: Sequence[Span]) -> float | None:
    """How long before the event began its alert did, minutes, negative where after; None for a miss."""
    for alert in alerts:
        was_on = alert.start <= event.start <= alert.end
        if was_on or event.start - MAX_LEAD <= alert.start <= event.start + MAX_LATE:
            return (event.start - alert.start).total_seconds() / 60
    return None


def _warns(alert: Span, events: Sequence[Span]) -> bool:
    return any(
        alert.start <= event.start <= alert.end or event.start - MAX_LEAD <= alert.start <= event.end + MAX_LATE
        for event in events
    )


def _month(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y-%m}"


def _is_of(response: Response, month: str, nar: NAR, zone: tzinfo) -> bool:
    return response.nar == nar and _month(response.at, zone) == month


def _figures(
    month: str,
    nar: NAR,
    leads: Sequence[float | None],
    false_alerts: Sequence[datetime],
    responses: Sequence[Response],
) -> MonthSkill:
    hits = [one for one in leads if one is not None]
    notices = [one.notice_s for one in responses if one.notice_s is not None]
    answers = [one.acknowledge_s for one in responses if one.acknowledge_s is not None]
    warned = len(hits) + len(false_alerts)
    return MonthSkill(
        month=month,
        colour=nar.name.lower(),
        events=len(leads),
        hits=len(hits),
        misses=len(leads) - len(hits),
        false_alerts=len(false_alerts),
        pod=len(hits) / len(leads) if leads else None,
        far=len(false_alerts) / warned if warned else None,
        lead_min=median(hits) if hits else None,
        raised=len(responses),
        notified=len(notices),
        notice_s=median(notices) if notices else None,
        acknowledged=len(answers),
        acknowledge_s=median(answers) if answers else None,
    )


def months_back(now: datetime, count: int, zone: tzinfo) -> list[str]:
    """The last `count` months with the present one, the newest first."""
    local = now.astimezone(zone)
    whole = local.year * 12 + local.month - 1
    return [f"{one // 12:04}-{one % 12 + 1:02}" for one in range(whole, whole - count, -1)]


def bounds(months: Sequence[str], zone: tzinfo) -> tuple[datetime, datetime]:
    """The first instant of the earliest month, and the first after the latest."""
    years = [int(one[:4]) * 12 + int(one[5:]) - 1 for one in months]
    first, after = min(years), max(years) + 1
    return (
        datetime(first // 12, first % 12 + 1, 1, tzinfo=zone),
        datetime(after // 12, after % 12 + 1, 1, tzinfo=zone),
    )


def to_csv(rows: Iterable[MonthSkill]) -> str:
    """The figures as CSV, one line a month and colour; empty where there is nothing to divide by."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(one.name for one in fields(MonthSkill))
    writer.writerows(_plain(row) for row in rows)
    return text.getvalue()


def _plain(row: MonthSkill) -> Iterator[object]:
    for value in astuple(row):
        yield "" if value is None else round(value, 3) if isinstance(value, float) else value


def by_month(rows: Iterable[MonthSkill]) -> Mapping[str, list[MonthSkill]]:
    """The rows of each month, in their order."""
    months: dict[str, list[MonthSkill]] = {}
    for row in rows:
        months.setdefault(row.month, []).append(row)
    return months
