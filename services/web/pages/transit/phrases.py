"""A line at a stop in words: what `services.transit.rider.wording` decided, in the reader's language. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from models.network import DAY_S
from services.transit.model.prediction import Basis
from services.transit.model.service_alert import ActivePeriod, ServiceAlert
from services.transit.model.service_alert import Translated as BothLanguages
from services.transit.rider.wording import Around, Arriving, Every, LineHere, Minutes, Planned, Service, Told, Wait
from services.web.pages.language import Words

FULL, FEW = 90, 50
"""Occupancy in per cent from which a bus is called so."""
BETWEEN = ", "
LONGEST_LINE, LONGEST_PLACE = 24, 32
"""Characters of a line's and a destination's name that a small page has room for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One bus: when it comes in a few letters, and everything else."""

    time: str
    destination: str
    more: str


@dataclass(frozen=True, slots=True)
class Block:
    """One line: its name, where all its buses go if they go to one place, remarks, and its buses."""

    name: str
    destination: str
    notes: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A service alert: what, more of it, and until when."""

    header: str
    text: str
    when: str


def at(words: Words, seconds: float) -> str:
    """Hour and minute in the city of an instant in Unix seconds."""
    return words.clock(moment(seconds))


def moment(seconds: float) -> datetime:
    """Unix seconds as a time with its zone."""
    return datetime.fromtimestamp(seconds, UTC)


def block(words: Words, line: LineHere, now: float, most: int) -> Block:
    """A line with its remarks and at most so many buses."""
    coming = line.coming[:most]
    rows = tuple(row(words, told) for told in coming)
    places = {one.destination for one in rows}
    shared = words("rider.to", place=places.pop()) if len(places) == 1 else ""
    if not shared:
        rows = tuple(
            Row(one.time, one.destination, _joined((words("rider.to", place=one.destination), one.more)))
            for one in rows
        )
    return Block(cut(line.name, LONGEST_LINE), shared, tuple(remarks(words, line, now)), rows)


def remarks(words: Words, line: LineHere, now: float) -> Iterable[str]:
    """What is not coming, and why there is no more to tell."""
    for told in line.withdrawn:
        yield words("rider.not_coming", at=at(words, told.planned_at))
    match line.service:
        case Service.RUNNING:
            return
        case Service.NO_BUS:
            yield words("rider.no_bus")
        case Service.NO_DATA:
            yield words("rider.no_data")
        case Service.NOT_NOW:
            yield words("rider.not_now")
        case _:
            assert_never(line.service)
    if line.next_at is not None:
        yield words("rider.next_at", at=_day_and_time(words, line.next_at, now))
    elif not line.coming:
        yield words("rider.next_none")


def row(words: Words, told: Told) -> Row:
    """One bus. A silent one of which nothing can be said any more is told by its silence."""
    destination = cut(told.destination, LONGEST_PLACE)
    if told.wait is None:
        return Row(_silence(words, told), destination, "")
    there = be_there_at(told)
    more = (
        words("rider.be_there", at=at(words, there)) if there is not None else "",
        _basis(words, told),
        *_extras(words, told),
    )
    return Row(time(words, told.wait), destination, _joined(more))


def be_there_at(told: Told) -> float | None:
    """The early-safe time, where it says more than the time that is told anyway; Unix seconds."""
    return None if isinstance(told.wait, Arriving | Planned) else told.be_there_at


def time(words: Words, wait: Wait) -> str:
    """How long to wait, or until when."""
    match wait:
        case Arriving():
            return words("rider.arriving")
        case Minutes(low, high):
            return words("rider.minutes", low=low, high=high) if low < high else words("rider.minutes_one", high=high)
        case Around(about):
            return words("rider.around", at=at(words, about))
        case Planned(planned_at):
            return at(words, planned_at)
        case Every(minutes):
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
    return Notice(said(words, alert.header), said(words, alert.description), when)


def said(words: Words, both: BothLanguages) -> str:
    """In the reader's language; in Spanish where there is no other."""
    return both.es if words.language == "es" else both.en or both.es


def cut(text: str, longest: int) -> str:
    """At most so many characters, with a sign that there were more."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _basis(words: Words, told: Told) -> str:
    match told.basis:
        case Basis.LIVE:
            return words("rider.live")
        case Basis.RECENT:
            if told.buses < 1:
                return words("rider.live")
            return words("rider.buses_one") if told.buses == 1 else words("rider.buses", n=told.buses)
        case Basis.SCHEDULE:
            return words("rider.schedule")
        case Basis.NOT_REPORTING:
            return _silence(words, told)
        case Basis.NOT_COMING:
            return words("rider.not_coming", at=at(words, told.planned_at))
        case _:
            assert_never(told.basis)


def _silence(words: Words, told: Told) -> str:
    if told.heard_at is None:
        return words("rider.silent_always")
    return words("rider.silent", at=at(words, told.heard_at))


def _extras(words: Words, told: Told) -> Iterable[str]:
    if told.late_s is not None:
        yield words("rider.late" if told.late_s > 0 else "rider.early", n=round(abs(told.late_s) / 60))
    if told.step_free is not None:
        yield words("rider.step_free" if told.step_free else "rider.not_step_free")
    if told.occupancy is not None:
        full = told.occupancy >= FULL
        few = told.occupancy >= FEW
        yield words("rider.occupancy_full" if full else "rider.occupancy_some" if few else "rider.occupancy_low")


def _day_and_time(words: Words, seconds: float, now: float) -> str:
    """The time alone within half a day: at night the first bus of the morning needs no date."""
    if 0 <= seconds - now < DAY_S / 2:
        return at(words, seconds)
    return words.moment(moment(seconds), moment(now))


def _joined(parts: Iterable[str]) -> str:
    return BETWEEN.join(part for part in parts if part)
