"""Words for a line at a stop: what `services.transit.rider.displayed_time` decided, in the reader's language. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never
from urllib.parse import quote

from models.network import DAY_S
from services.transit.model.prediction import Basis
from services.transit.model.service_alert import ActivePeriod, ServiceAlert
from services.transit.model.service_alert import Translated as BothLanguages
from services.transit.rider.displayed_time import (
    ArrivingNow,
    DisplayedArrival,
    DisplayedTime,
    LineAtStop,
    MinuteInterval,
    RoughTime,
    ScheduledTime,
    ServiceState,
)
from services.web.pages.language import Words

FULL_PERCENT, FEW_SEATS_PERCENT = 90, 50
"""Occupancy in per cent from which a bus is called so."""
LEAST_SHARING = 2
"""What fewer buses have in common is said of each."""
LIVE_BASES = frozenset({Basis.LIVE, Basis.RECENT})
BY_TIMETABLE = frozenset({ServiceState.NO_BUS, ServiceState.NO_DATA})
"""Where all times of a line are the timetable's."""
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
class SharedFacts:
    """What is said once for a board and left out of its rows. Texts, empty where each row says its own.

    `basis`, `occupancy`: of live buses, those that most of them have. `step_free`: of all buses.
    """

    basis: str = ""
    occupancy: str = ""
    step_free: str = ""


@dataclass(frozen=True, slots=True)
class LineBlock:
    """One line: its name, the common destination of its buses if there is one, remarks, and its buses.

    `path`: the name as the last part of its page's URL.
    """

    name: str
    path: str
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


def line_block(words: Words, line: LineAtStop, now: float, most: int, shared: SharedFacts) -> LineBlock:
    """A line with its remarks and at most so many buses, each without what is said once for the board or the line."""
    by_timetable = line.service in BY_TIMETABLE
    rows = tuple(
        arrival_row(words, arrival, shared, say_timetable=not by_timetable) for arrival in line.arrivals[:most]
    )
    places = {row.destination for row in rows}
    towards = words("rider.to", place=places.pop()) if len(places) == 1 else ""
    if not towards:
        rows = tuple(
            ArrivalRow(row.time, row.destination, _joined((words("rider.to", place=row.destination), row.more)))
            for row in rows
        )
    notes = tuple(remarks(words, line, now, before_rows=bool(rows)))
    return LineBlock(truncated(line.name, LONGEST_LINE), quote(line.name, safe=""), towards, notes, rows)


def remarks(words: Words, line: LineAtStop, now: float, *, before_rows: bool = False) -> Iterable[str]:
    """What was withdrawn, how often the line comes, and why there is no more to show.

    `before_rows`: rows of the timetable follow, and the last remark says that they are.
    """
    for arrival in line.withdrawn:
        yield words("rider.not_coming", at=clock_time(words, arrival.scheduled_at))
    state = _state_text(words, line.service, before_rows=before_rows)
    yield from (one for one in (_headway_text(words, line), state)[:: 1 if before_rows else -1] if one)
    if line.next_departure_at is not None:
        yield words("rider.next_at", at=_day_and_time(words, line.next_departure_at, now))
    elif line.service is ServiceState.NOT_NOW:
        yield words("rider.next_none")


def _state_text(words: Words, service: ServiceState, *, before_rows: bool) -> str:
    match service:
        case ServiceState.RUNNING:
            return ""
        case ServiceState.NO_BUS:
            return words("rider.no_bus_timetable" if before_rows else "rider.no_bus")
        case ServiceState.NO_DATA:
            return words("rider.no_data_timetable" if before_rows else "rider.no_data")
        case ServiceState.NOT_NOW:
            return words("rider.not_now")
        case _:
            assert_never(service)


def _headway_text(words: Words, line: LineAtStop) -> str:
    if line.headway is None:
        return ""
    least, most = line.headway.least, line.headway.most
    return words("rider.every_one" if least == most else "rider.every", least=least, most=most)


def arrival_row(
    words: Words, arrival: DisplayedArrival, shared: SharedFacts, *, say_timetable: bool = True
) -> ArrivalRow:
    """One bus. A silent bus without a time is described by its silence.

    `say_timetable`: false where the line says already that all its times are the timetable's.
    """
    destination = truncated(arrival.destination, LONGEST_PLACE)
    if arrival.time is None:
        return ArrivalRow(_silence_text(words, arrival), destination, "")
    be_there_at = shown_be_there_at(arrival)
    is_live = arrival.basis in LIVE_BASES
    basis, occupancy = _basis_text(words, arrival), _occupancy_text(words, arrival)
    step_free = _step_free_text(words, arrival)
    more = (
        words("rider.be_there", at=clock_time(words, be_there_at)) if be_there_at is not None else "",
        _stops_away_text(words, arrival),
        "" if basis == shared.basis or (arrival.basis is Basis.SCHEDULE and not say_timetable) else basis,
        _delay_text(words, arrival),
        "" if step_free == shared.step_free else step_free,
        "" if is_live and occupancy == shared.occupancy else occupancy,
    )
    return ArrivalRow(time_text(words, arrival.time), destination, _joined(more))


def shared_facts(words: Words, arrivals: Sequence[DisplayedArrival]) -> SharedFacts:
    """What is said once for the arrivals of a board, because most of the live ones, or all, have it in common."""
    shown = [arrival for arrival in arrivals if arrival.time is not None]
    live = [arrival for arrival in shown if arrival.basis in LIVE_BASES]
    step_free = {_step_free_text(words, arrival) for arrival in shown}
    return SharedFacts(
        _most_common([_basis_text(words, arrival) for arrival in live]),
        _most_common([_occupancy_text(words, arrival) for arrival in live]),
        step_free.pop() if len(step_free) == 1 and len(shown) >= LEAST_SHARING else "",
    )


def shared_text(words: Words, shared: SharedFacts) -> str:
    """One or two sentences of what is shared; empty where nothing is."""
    facts = _joined((shared.basis if shared.basis != words("rider.live") else "", shared.occupancy))
    live = words("rider.unless_said", facts=facts) if facts else words("rider.unless_said_live") if shared.basis else ""
    return " ".join(
        one for one in (live, words("rider.all_buses", facts=shared.step_free) if shared.step_free else "") if one
    )


def _most_common(texts: Sequence[str]) -> str:
    """The text that most have, if at least LEAST_SHARING do and none has no text."""
    if not texts or not all(texts):
        return ""
    ((text, count),) = Counter(texts).most_common(1)
    return text if count >= LEAST_SHARING else ""


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


def _stops_away_text(words: Words, arrival: DisplayedArrival) -> str:
    match arrival.stops_away:
        case None:
            return ""
        case 0:
            return words("rider.away_none")
        case 1:
            return words("rider.away_one")
        case several:
            return words("rider.away", n=several)


def _delay_text(words: Words, arrival: DisplayedArrival) -> str:
    if arrival.delay_s is None:
        return ""
    return words("rider.late" if arrival.delay_s > 0 else "rider.early", n=round(abs(arrival.delay_s) / 60))


def _step_free_text(words: Words, arrival: DisplayedArrival) -> str:
    if arrival.step_free is None:
        return ""
    return words("rider.step_free" if arrival.step_free else "rider.not_step_free")


def _occupancy_text(words: Words, arrival: DisplayedArrival) -> str:
    if arrival.occupancy is None:
        return ""
    full, few = arrival.occupancy >= FULL_PERCENT, arrival.occupancy >= FEW_SEATS_PERCENT
    return words("rider.occupancy_full" if full else "rider.occupancy_some" if few else "rider.occupancy_low")


def _day_and_time(words: Words, seconds: float, now: float) -> str:
    """The time alone within half a day: at night the first bus of the morning needs no date."""
    if 0 <= seconds - now < DAY_S / 2:
        return clock_time(words, seconds)
    return words.moment(datetime_of(seconds), datetime_of(now))


def _joined(parts: Iterable[str]) -> str:
    return SEPARATOR.join(part for part in parts if part)
