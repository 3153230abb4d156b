"""A line at a stop in words: what `services.transit.rider.displayed_time` decided, in the reader's language. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from models.network import DAY_S
from services.transit.model.prediction import Basis
from services.transit.model.service_alert import ActivePeriod, ServiceAlert
from services.transit.model.service_alert import Translated as BothLanguages
from services.transit.rider.displayed_time import (
    ArrivingNow,
    DisplayedArrival,
    DisplayedTime,
    Headway,
    LineAtStop,
    MinuteInterval,
    RoughTime,
    ScheduledTime,
    ServiceState,
)
from services.web.pages.language import Words

FULL_PERCENT, FEW_SEATS_PERCENT = 90, 50
"""Occupancy in per cent from which a bus is called so."""
SEPARATOR = ", "
LONGEST_LINE, LONGEST_PLACE = 24, 32
"""Characters of a line's and a destination's name that a small page has room for."""


@dataclass(frozen=True, slots=True)
class ArrivalRow:
    """One bus: when it comes in a few letters, and everything else."""

    time: str
    destination: str
    more: str


@dataclass(frozen=True, slots=True)
class LineBlock:
    """One line: its name, where all its buses go if they go to one place, remarks, and its buses."""

    name: str
    destination: str
    notes: tuple[str, ...]
    rows: tuple[ArrivalRow, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A service alert: what, more of it, and until when."""

    header: str
    text: str
    when: str


def clock_time(words: Words, seconds: float) -> str:
    """Hour and minute in the city of an instant in Unix seconds."""
    return words.clock(datetime_of(seconds))


def datetime_of(seconds: float) -> datetime:
    """Unix seconds as a time with its zone."""
    return datetime.fromtimestamp(seconds, UTC)


def line_block(words: Words, line: LineAtStop, now: float, most: int) -> LineBlock:
    """A line with its remarks and at most so many buses."""
    coming = line.arrivals[:most]
    rows = tuple(arrival_row(words, told) for told in coming)
    places = {one.destination for one in rows}
    shared = words("rider.to", place=places.pop()) if len(places) == 1 else ""
    if not shared:
        rows = tuple(
            ArrivalRow(one.time, one.destination, _joined((words("rider.to", place=one.destination), one.more)))
            for one in rows
        )
    return LineBlock(truncated(line.name, LONGEST_LINE), shared, tuple(remarks(words, line, now)), rows)


def remarks(words: Words, line: LineAtStop, now: float) -> Iterable[str]:
    """What is not coming, and why there is no more to tell."""
    for told in line.withdrawn:
        yield words("rider.not_coming", at=clock_time(words, told.scheduled_at))
    match line.service:
        case ServiceState.RUNNING:
            return
        case ServiceState.NO_BUS:
            yield words("rider.no_bus")
        case ServiceState.NO_DATA:
            yield words("rider.no_data")
        case ServiceState.NOT_NOW:
            yield words("rider.not_now")
        case _:
            assert_never(line.service)
    if line.next_departure_at is not None:
        yield words("rider.next_at", at=_day_and_time(words, line.next_departure_at, now))
    elif not line.arrivals:
        yield words("rider.next_none")


def arrival_row(words: Words, told: DisplayedArrival) -> ArrivalRow:
    """One bus. A silent one of which nothing can be said any more is told by its silence."""
    destination = truncated(told.destination, LONGEST_PLACE)
    if told.time is None:
        return ArrivalRow(_silence_text(words, told), destination, "")
    there = shown_be_there_at(told)
    more = (
        words("rider.be_there", at=clock_time(words, there)) if there is not None else "",
        _basis_text(words, told),
        *_extra_texts(words, told),
    )
    return ArrivalRow(time_text(words, told.time), destination, _joined(more))


def shown_be_there_at(told: DisplayedArrival) -> float | None:
    """The early-safe time, where it says more than the time that is told anyway; Unix seconds."""
    return None if isinstance(told.time, ArrivingNow | ScheduledTime) else told.be_there_at


def time_text(words: Words, wait: DisplayedTime) -> str:
    """How long to wait, or until when."""
    match wait:
        case ArrivingNow():
            return words("rider.arriving")
        case MinuteInterval(low, high):
            return words("rider.minutes", low=low, high=high) if low < high else words("rider.minutes_one", high=high)
        case RoughTime(about):
            return words("rider.around", at=clock_time(words, about))
        case ScheduledTime(scheduled_at):
            return clock_time(words, scheduled_at)
        case Headway(minutes):
            return words("rider.every", n=minutes)
        case _:
            assert_never(wait)


def notice(words: Words, alert: ServiceAlert, now: float) -> Notice:
    """A service alert in the reader's language, with the end of its present period."""
    period = next((one for one in alert.periods if one.contains(now)), ActivePeriod())
    when = ""
    if period.end is not None:
        when = words("rider.until", at=_day_and_time(words, period.end, now))
    elif alert.changed_at:
        when = words("rider.since", at=_day_and_time(words, alert.changed_at, now))
    return Notice(in_language(words, alert.header), in_language(words, alert.description), when)


def in_language(words: Words, both: BothLanguages) -> str:
    """In the reader's language; in Spanish where there is no other."""
    return both.es if words.language == "es" else both.en or both.es


def truncated(text: str, longest: int) -> str:
    """At most so many characters, with a sign that there were more."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _basis_text(words: Words, told: DisplayedArrival) -> str:
    match told.basis:
        case Basis.LIVE:
            return words("rider.live")
        case Basis.RECENT:
            if told.recent_buses < 1:
                return words("rider.live")
            return words("rider.buses_one") if told.recent_buses == 1 else words("rider.buses", n=told.recent_buses)
        case Basis.SCHEDULE:
            return words("rider.schedule")
        case Basis.NOT_REPORTING:
            return _silence_text(words, told)
        case Basis.NOT_COMING:
            return words("rider.not_coming", at=clock_time(words, told.scheduled_at))
        case _:
            assert_never(told.basis)


def _silence_text(words: Words, told: DisplayedArrival) -> str:
    if told.last_report_at is None:
        return words("rider.silent_always")
    return words("rider.silent", at=clock_time(words, told.last_report_at))


def _extra_texts(words: Words, told: DisplayedArrival) -> Iterable[str]:
    if told.delay_s is not None:
        yield words("rider.late" if told.delay_s > 0 else "rider.early", n=round(abs(told.delay_s) / 60))
    if told.step_free is not None:
        yield words("rider.step_free" if told.step_free else "rider.not_step_free")
    if told.occupancy is not None:
        full = told.occupancy >= FULL_PERCENT
        few = told.occupancy >= FEW_SEATS_PERCENT
        yield words("rider.occupancy_full" if full else "rider.occupancy_some" if few else "rider.occupancy_low")


def _day_and_time(words: Words, seconds: float, now: float) -> str:
    """The time alone within half a day: at night the first bus of the morning needs no date."""
    if 0 <= seconds - now < DAY_S / 2:
        return clock_time(words, seconds)
    return words.moment(datetime_of(seconds), datetime_of(now))


def _joined(parts: Iterable[str]) -> str:
    return SEPARATOR.join(part for part in parts if part)
