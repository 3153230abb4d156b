"""Text messages: parse a rider's query and write the answer in one message of 160 septets. Pure; in Spanish.

The texts are here and not in the dictionaries of the pages, because each is chosen for its length.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from services.transit.model.prediction import Basis
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
from services.transit.rider.gsm7 import MOST_SEPTETS, to_gsm7

LONGEST_TEXT = 480
"""Three messages: nobody needs more to name a stop."""
MOST_WORDS = 12
MOST_STOPS = 6
MOST_ARRIVALS = 3
LONGEST_NAME = 14
LONGEST_CODE = 16
LONGEST_NOTICE = 60
NO_DATA = "s/datos"

FormatTime = Callable[[float], str]
"""From Unix seconds to hour and minute in the city."""
_HELP_WORDS = frozenset({"AYUDA", "HELP", "INFO", "HOLA"})
_CORNER_WORDS = frozenset({"Y", "E", "ESQUINA", "ENTRE"})
_IGNORED_WORDS = frozenset(
    """PARADA LINEA MICRO COLECTIVO BONDI CUANDO VIENE LLEGA PASA A DE DEL EL EN LA LAS LOS POR PARA CALLE AV AVENIDA
    ESQUINA Y E ENTRE VIGIA""".split()  # noqa: SIM905 - more readable than a list
)


@dataclass(frozen=True, slots=True)
class TextQuery:
    """The words of a text that may name something: in capitals, without accents, in order. No words: send help.

    `corner`: a word joins two of them as the streets of a corner, "7 y 50".
    """

    words: tuple[str, ...]
    corner: bool = False


def parse_query(text: str) -> TextQuery:
    """Parse a text, whatever its case, accents, spaces and courtesies. Never fails: any text has words, or none."""
    capitals = unicodedata.normalize("NFKD", text[:LONGEST_TEXT]).upper()
    words = re.findall(r"[A-Z0-9]+", "".join(c for c in capitals if not unicodedata.combining(c)))
    query_words = tuple(word for word in words if word not in _IGNORED_WORDS | _HELP_WORDS)[:MOST_WORDS]
    return TextQuery(query_words, corner=not _CORNER_WORDS.isdisjoint(words))


def stop_answer(code: str, now: float, lines: Sequence[LineAtStop], clock: FormatTime, notice: str = "") -> str:
    """All lines of a stop, the soonest first. Lines that do not fit are counted."""
    ordered = sorted(lines, key=lambda line: line.soonest_at)
    parts = [f"{_line_label(line.name)}:{_line_summary(line, clock)}" for line in ordered]
    head = f"{_stop_label(code)} {clock(now)}"
    return _fit_message(head, parts or ["sin lineas"], notice)


def line_answer(code: str, now: float, line: LineAtStop, clock: FormatTime, notice: str = "") -> str:
    """One line of a stop in more detail: a withdrawn journey, and up to three arrivals."""
    name = _line_label(line.name)
    withdrawn = [f"{name} de {clock(arrival.scheduled_at)} no viene;" for arrival in line.withdrawn[:1]]
    arrivals = [_arrival_text(arrival, clock) for arrival in line.arrivals[:MOST_ARRIVALS]]
    if arrivals:
        lead = "prox" if withdrawn else f"{name}:"
        others = [*arrivals[1:], *_headway_text(line)]
        parts = [*withdrawn, lead, *_service_note(line), arrivals[0], *(f"y {one}" for one in others)]
    elif line.headway is not None:
        parts = [*withdrawn, f"{name}:", *_service_note(line), *_headway_text(line)]
    elif withdrawn and line.next_departure_at is not None:
        parts = [*withdrawn, f"prox {clock(line.next_departure_at)}(hor)"]
    else:
        parts = [*withdrawn, f"{name}: {_no_arrival_text(line, clock)}"]
    return _fit_message(f"{_stop_label(code)} {clock(now)}", parts, notice)


def no_such_stop(asked: str, example: str) -> str:
    """No stop has the code."""
    return _fit_message(f"No hay parada {_stop_label(asked)}.", [_usage(example)])


def not_served(code: str, asked: str, lines: Sequence[str]) -> str:
    """The line does not call at the stop; the lines that do."""
    return _fit_message(
        f"{_stop_label(asked)} no para en {_stop_label(code)}. Paran:", [_line_label(name) for name in lines]
    )


def which_stop(corner: str, stops: Sequence[tuple[str, str]]) -> str:
    """Several stops (code, name) match: ask which."""
    named = [f"{_stop_label(code)} {_truncate(name, LONGEST_NOTICE)};" for code, name in stops[:MOST_STOPS]]
    return _fit_message("Hay varias, manda el codigo:", named or [_stop_label(corner)])


def help_text(example: str) -> str:
    """How to ask."""
    return _fit_message("Vigia:", [_usage(example)])


def no_timetable() -> str:
    """No timetable is loaded."""
    return "Vigia: no hay datos de micros por ahora. Proba mas tarde."


def _usage(example: str) -> str:
    return f"Manda el codigo del poste o la esquina y, si queres, la linea. Ej: {_truncate(example, LONGEST_NOTICE)}"


def _line_summary(line: LineAtStop, clock: FormatTime) -> str:
    first = next((arrival for arrival in line.arrivals if arrival.time is not None), None)
    if first is None and line.headway is not None:
        (text,) = _headway_text(line)
        return f"{NO_DATA},{text}" if line.service is ServiceState.NO_DATA else text
    if first is None:
        return _no_arrival_text(line, clock)
    return (
        f"{NO_DATA},{_arrival_text(first, clock)}"
        if line.service is ServiceState.NO_DATA
        else _arrival_text(first, clock)
    )


def _headway_text(line: LineAtStop) -> list[str]:
    """How often the timetable has a bus; nothing where it promises times."""
    if line.headway is None:
        return []
    least, most = line.headway.least, line.headway.most
    return [f"cada {least}min(hor)" if least == most else f"cada {least}-{most}min(hor)"]


def _service_note(line: LineAtStop) -> list[str]:
    match line.service:
        case ServiceState.NO_BUS:
            return ["ningun micro en camino;"]
        case ServiceState.NO_DATA:
            return [f"{NO_DATA} de la empresa;"]
        case ServiceState.RUNNING | ServiceState.NOT_NOW:
            return []
        case _:
            assert_never(line.service)


def _no_arrival_text(line: LineAtStop, clock: FormatTime) -> str:
    """Why there is no time to show, and when the next departure is scheduled."""
    silent_since = next(
        (arrival.last_report_at for arrival in line.arrivals if arrival.last_report_at is not None), None
    )
    following = f", prox {clock(line.next_departure_at)}(hor)" if line.next_departure_at is not None else ""
    match line.service:
        case _ if silent_since is not None:
            return f"sin señal desde {clock(silent_since)}{following}"
        case ServiceState.NO_DATA:
            return NO_DATA
        case ServiceState.NOT_NOW:
            return f"no circula{following}"
        case ServiceState.NO_BUS | ServiceState.RUNNING:
            return f"{'no viene' if line.withdrawn else 'ninguno en camino'}{following}"
        case _:
            assert_never(line.service)


def _arrival_text(arrival: DisplayedArrival, clock: FormatTime) -> str:
    """One arrival: its time, and a note where no bus reports it."""
    if arrival.time is None:
        return f"sin señal desde {clock(arrival.last_report_at)}" if arrival.last_report_at is not None else NO_DATA
    return _time_text(arrival.time, clock) + _basis_note(arrival, clock) + ("(adapt)" if arrival.step_free else "")


def _time_text(wait: DisplayedTime, clock: FormatTime) -> str:
    match wait:
        case ArrivingNow():
            return "llegando"
        case MinuteInterval(low, high):
            return f"{low}-{high}min" if low < high else f"{high}min"
        case RoughTime(at):
            return f"aprox {clock(at)}"
        case ScheduledTime(at):
            return clock(at)
        case _:
            assert_never(wait)


def _basis_note(arrival: DisplayedArrival, clock: FormatTime) -> str:
    match arrival.basis:
        case Basis.LIVE | Basis.RECENT | Basis.NOT_COMING:
            return ""
        case Basis.SCHEDULE:
            return "(hor)"
        case Basis.NOT_REPORTING:
            return (
                f"(sin señal {clock(arrival.last_report_at)})" if arrival.last_report_at is not None else "(sin señal)"
            )
        case _:
            assert_never(arrival.basis)


def _fit_message(head: str, parts: Sequence[str], notice: str = "") -> str:
    """As many whole parts as fit one message, the number of those left out, then a notice where there is room."""
    text, left_out = to_gsm7(head), len(parts)
    for part in map(to_gsm7, parts):
        remainder = f" +{left_out - 1}" if left_out > 1 else ""
        if len(text) + 1 + len(part) + len(remainder) > MOST_SEPTETS:
            break
        text, left_out = f"{text} {part}", left_out - 1
    if left_out:
        text = f"{text} +{left_out}"
    elif notice:
        text = _truncate(f"{text}. AVISO: {to_gsm7(notice)}", MOST_SEPTETS)
    return _truncate(text, MOST_SEPTETS)


def _line_label(line: str) -> str:
    return _truncate(line, LONGEST_NAME)


def _stop_label(code: str) -> str:
    return _truncate(code, LONGEST_CODE)


def _truncate(text: str, longest: int) -> str:
    gsm7_text = to_gsm7(text)
    return gsm7_text if len(gsm7_text) <= longest else gsm7_text[: longest - 1].rstrip() + "."
