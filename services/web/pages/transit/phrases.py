"""Words for a line at a stop: what `services.transit.rider.displayed_time` decided, in the reader's language. Pure."""

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
"""Characters of the names of a line and a destination that fit a small page."""


@dataclass(frozen=True, slots=True)
class ArrivalRow:
    """One bus: its time in a few letters, and everything else."""

    time: str
    destination: str
    more: str


@dataclass(frozen=True, slots=True)
class LineBlock:
    """One line: its name, the common destination of its buses if there is one, remarks, and its buses."""

    name: str
    destination: str
    notes: tuple[str, ...]
    rows: tuple[ArrivalRow, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A service alert: header, text, and until when."""

    header: str
    text: str
    when: str


def clock_time(words: Words, seconds: float) -> str:
    """Hour and minute in the city of Unix seconds."""
    return words.clock(datetime_of(seconds))


def datetime_of(seconds: float) -> datetime:
    """Unix seconds as a datetime with its zone."""
    return datetime.fromtimestamp(seconds, UTC)


def line_block(words: Words, line: LineAtStop, now: float, most: int) -> LineBlock:
    """A line with its remarks and at most so many buses."""
    arrivals = line.arrivals[:most]
    rows = tuple(arrival_row(words, arrival) for arrival in arrivals)
    places = {row.destination for row in rows}
    shared = words("rider.to", place=places.pop()) if len(places) == 1 else ""
    if not shared:
        rows = tuple(
            ArrivalRow(row.time, row.destination, _joined((words("rider.to", place=row.destination), row.more)))
            for row in rows
        )
    return LineBlock(truncated(line.name, LONGEST_LINE), shared, tuple(remarks(words, line, now)), rows)


def remarks(words: Words, line: LineAtStop, now: float) -> Iterable[str]:
    """What was withdrawn, and why there is no more to show."""
    for arrival in line.withdrawn:
        yield words("rider.not_coming", at=clock_time(words, arrival.scheduled_at))
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


def arrival_row(words: Words, arrival: DisplayedArrival) -> ArrivalRow:
    """One bus. A silent bus without a time is described by its silence."""
    destination = truncated(arrival.destination, LONGEST_PLACE)
    if arrival.time is None:
        return ArrivalRow(_silence_text(words, arrival), destination, "")
    be_there_at = shown_be_there_at(arrival)
    more = (
        words("rider.be_there", at=clock_time(words, be_there_at)) if be_there_at is not None else "",
        _basis_text(words, arrival),
        *_extra_texts(words, arrival),
    )
    return ArrivalRow(time_text(words, arrival.time), destination, _joined(more))


def shown_be_there_at(arrival: DisplayedArrival) -> float | None:
    """The early-safe time, Unix seconds; None where it adds nothing to the time shown."""
    return None if isinstance(arrival.time, ArrivingNow | ScheduledTime) else arrival.be_there_at


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
    """The text in the reader's language, else in Spanish."""
    return both.es if words.language == "es" else both.en or both.es


def truncated(text: str, longest: int) -> str:
    """At most so many characters, with a sign that there were more."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _basis_text(words: Words, arrival: DisplayedArrival) -> str:
    match arrival.basis:
        case Basis.LIVE:
            return words("rider.live")
        case Basis.RECENT:
            if arrival.recent_buses < 1:
                return words("rider.live")
            return (
                words("rider.buses_one") if arrival.recent_buses == 1 else words("rider.buses", n=arrival.recent_buses)
            )
        case Basis.SCHEDULE:
            return words("rider.schedule")
        case Basis.NOT_REPORTING:
            return _silence_text(words, arrival)
        case Basis.NOT_COMING:
            return words("rider.not_coming", at=clock_time(words, arrival.scheduled_at))
        case _:
            assert_never(arrival.basis)


def _silence_text(words: Words, arrival: DisplayedArrival) -> str:
    if arrival.last_report_at is None:
        return words("rider.silent_always")
    return words("rider.silent", at=clock_time(words, arrival.last_report_at))


def _extra_texts(words: Words, arrival: DisplayedArrival) -> Iterable[str]:
    if arrival.delay_s is not None:
        yield words("rider.late" if arrival.delay_s > 0 else "rider.early", n=round(abs(arrival.delay_s) / 60))
    if arrival.step_free is not None:
        yield words("rider.step_free" if arrival.step_free else "rider.not_step_free")
    if arrival.occupancy is not None:
        full = arrival.occupancy >= FULL_PERCENT
        few = arrival.occupancy >= FEW_SEATS_PERCENT
        yield words("rider.occupancy_full" if full else "rider.occupancy_some" if few else "rider.occupancy_low")


def _day_and_time(words: Words, seconds: float, now: float) -> str:
    """The time alone within half a day: at night the first bus of the morning needs no date."""
    if 0 <= seconds - now < DAY_S / 2:
        return clock_time(words, seconds)
    return words.moment(datetime_of(seconds), datetime_of(now))


def _joined(parts: Iterable[str]) -> str:
    return SEPARATOR.join(part for part in parts if part)
