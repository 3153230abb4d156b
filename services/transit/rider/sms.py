"""Text messages: what a rider asked for, and the answer in one message of 160 septets. Pure; in Spanish.

The words stand here and not in the pages' dictionaries, because each is chosen for its length.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from services.transit.model.prediction import Basis
from services.transit.rider.gsm7 import MOST_SEPTETS, plain
from services.transit.rider.wording import Around, Arriving, Every, LineHere, Minutes, Planned, Service, Told, Wait

LONGEST_TEXT = 480
"""Three messages: nobody needs more to name a stop."""
MOST_TOKENS = 12
MOST_STOPS = 6
MOST_COMING = 3
LONGEST_NAME = 14
LONGEST_CODE = 16
LONGEST_NOTICE = 60
NO_DATA = "s/datos"

Clock = Callable[[float], str]
"""Unix seconds to hour and minute in the city."""
_HELP = frozenset({"AYUDA", "HELP", "INFO", "HOLA"})
_JOINING = frozenset({"Y", "E", "ESQUINA", "ENTRE"})
_FILLERS = frozenset(
    """PARADA LINEA MICRO COLECTIVO BONDI CUANDO VIENE LLEGA PASA A DE DEL EL EN LA LAS LOS POR PARA CALLE AV AVENIDA
    ESQUINA Y E ENTRE VIGIA""".split()  # noqa: SIM905 - words, read as words
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of a rider's text that may name something, in capitals without accents, in order. None: help.

    `corner`: it joins two of them as the streets of a corner are joined, "7 y 50".
    """

    words: tuple[str, ...]
    corner: bool = False


def read(text: str) -> Asked:
    """What a text asks, whatever its case, accents, spaces and courtesies. Total: garbage has words too, or none."""
    bare = unicodedata.normalize("NFKD", text[:LONGEST_TEXT]).upper()
    words = re.findall(r"[A-Z0-9]+", "".join(c for c in bare if not unicodedata.combining(c)))
    told = tuple(word for word in words if word not in _FILLERS | _HELP)[:MOST_TOKENS]
    return Asked(told, corner=not _JOINING.isdisjoint(words))


def stop_answer(code: str, now: float, lines: Sequence[LineHere], clock: Clock, notice: str = "") -> str:
    """All lines of a stop, those that come first before the others; those that do not fit are counted."""
    ordered = sorted(lines, key=lambda line: line.soonest_at)
    parts = [f"{_name(line.name)}:{_brief(line, clock)}" for line in ordered]
    head = f"{_code(code)} {clock(now)}"
    return _fit(head, parts or ["sin lineas"], notice)


def line_answer(code: str, now: float, line: LineHere, clock: Clock, notice: str = "") -> str:
    """One line of a stop in more words: what does not come, and up to three that do."""
    name = _name(line.name)
    missing = [f"{name} de {clock(told.planned_at)} no viene;" for told in line.withdrawn[:1]]
    coming = [_told(told, clock) for told in line.coming[:MOST_COMING]]
    if coming:
        lead = "prox" if missing else f"{name}:"
        said = [*missing, lead, *_status(line), coming[0], *(f"y {one}" for one in coming[1:])]
    elif missing and line.next_at is not None:
        said = [*missing, f"prox {clock(line.next_at)}(hor)"]
    else:
        said = [*missing, f"{name}: {_nothing(line, clock)}"]
    return _fit(f"{_code(code)} {clock(now)}", said, notice)


def no_such_stop(asked: str, example: str) -> str:
    """The code is nobody's."""
    return _fit(f"No hay parada {_code(asked)}.", [_how(example)])


def not_served(code: str, asked: str, lines: Sequence[str]) -> str:
    """The line does not call at the stop, which these do."""
    return _fit(f"{_code(asked)} no para en {_code(code)}. Paran:", [_name(name) for name in lines])


def which_stop(corner: str, stops: Sequence[tuple[str, str]]) -> str:
    """Several stops (code, name) stand where the rider is."""
    named = [f"{_code(code)} {_cut(name, LONGEST_NOTICE)};" for code, name in stops[:MOST_STOPS]]
    return _fit("Hay varias, mande el codigo:", named or [_code(corner)])


def help_text(example: str) -> str:
    """What to send."""
    return _fit("Vigia:", [_how(example)])


def no_timetable() -> str:
    """Nothing can be said at all."""
    return "Vigia: no hay datos de micros por ahora. Pruebe mas tarde."


def _how(example: str) -> str:
    return f"Mande el codigo del poste o la esquina y, si quiere, la linea. Ej: {_cut(example, LONGEST_NOTICE)}"


def _brief(line: LineHere, clock: Clock) -> str:
    first = next((told for told in line.coming if told.wait is not None), None)
    if first is None:
        return _nothing(line, clock)
    return f"{NO_DATA},{_told(first, clock)}" if line.service is Service.NO_DATA else _told(first, clock)


def _status(line: LineHere) -> list[str]:
    match line.service:
        case Service.NO_BUS:
            return ["ningun coche en camino;"]
        case Service.NO_DATA:
            return [f"{NO_DATA} de la empresa;"]
        case Service.RUNNING | Service.NOT_NOW:
            return []
        case _:
            assert_never(line.service)


def _nothing(line: LineHere, clock: Clock) -> str:
    """No time to tell: why, and when the next one is planned."""
    silent = next((told.heard_at for told in line.coming if told.heard_at is not None), None)
    following = f", prox {clock(line.next_at)}(hor)" if line.next_at is not None else ""
    match line.service:
        case _ if silent is not None:
            return f"sin señal desde {clock(silent)}{following}"
        case Service.NO_DATA:
            return NO_DATA
        case Service.NOT_NOW:
            return f"no circula{following}"
        case Service.NO_BUS | Service.RUNNING:
            return f"{'no viene' if line.withdrawn else 'ninguno en camino'}{following}"
        case _:
            assert_never(line.service)


def _told(told: Told, clock: Clock) -> str:
    """One that comes: its time, and a word where no bus reports it."""
    if told.wait is None:
        return f"sin señal desde {clock(told.heard_at)}" if told.heard_at is not None else NO_DATA
    return _time(told.wait, clock) + _why(told, clock) + ("(adapt)" if told.step_free else "")


def _time(wait: Wait, clock: Clock) -> str:
    match wait:
        case Arriving():
            return "llegando"
        case Minutes(low, high):
            return f"{low}-{high}min" if low < high else f"{high}min"
        case Around(at):
            return f"aprox {clock(at)}"
        case Planned(at):
            return clock(at)
        case Every(minutes):
            return f"cada {minutes}min"
        case _:
            assert_never(wait)


def _why(told: Told, clock: Clock) -> str:
    match told.basis:
        case Basis.LIVE | Basis.RECENT | Basis.NOT_COMING:
            return ""
        case Basis.SCHEDULE:
            return "(hor)"
        case Basis.NOT_REPORTING:
            return f"(sin señal {clock(told.heard_at)})" if told.heard_at is not None else "(sin señal)"
        case _:
            assert_never(told.basis)


def _fit(head: str, parts: Sequence[str], notice: str = "") -> str:
    """As many whole parts as one message holds, the number of those left out, then a notice where there is room."""
    text, left = plain(head), len(parts)
    for part in map(plain, parts):
        more = f" +{left - 1}" if left > 1 else ""
        if len(text) + 1 + len(part) + len(more) > MOST_SEPTETS:
            break
        text, left = f"{text} {part}", left - 1
    if left:
        text = f"{text} +{left}"
    elif notice:
        text = _cut(f"{text}. AVISO: {plain(notice)}", MOST_SEPTETS)
    return _cut(text, MOST_SEPTETS)


def _name(line: str) -> str:
    return _cut(line, LONGEST_NAME)


def _code(code: str) -> str:
    return _cut(code, LONGEST_CODE)


def _cut(text: str, longest: int) -> str:
    told = plain(text)
    return told if len(told) <= longest else told[: longest - 1].rstrip() + "."
