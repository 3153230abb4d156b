"""A rider's text message and its answer: which stop, which line, and what is told of them. Pure; never fails."""

from collections.abc import Sequence
from datetime import UTC, datetime

from models.network import Network, Stop
from services.transit.model.stop_search import find_by_code, find_by_name, find_by_number, public_code
from services.transit.rider import sms
from services.transit.rider.gsm7 import plain
from services.transit.rider.stop_arrivals import destinations_at, lines_at, names_at
from services.transit.serving import departure_board
from services.transit.serving.snapshot import TransitSnapshot


def answer(view: TransitSnapshot | None, text: str, now: float) -> str:
    """One message for whatever a rider wrote. `view` None: no timetable is loaded. `now`: Unix seconds."""
    if view is None or not view.network.stops:
        return sms.no_timetable()
    asked = sms.read(text)
    words = list(asked.words)
    if not words:
        return sms.help_text(example(view.network))
    stop = _coded(view.network, words, asked.corner) or (None if asked.corner else _numbered(view.network, words))
    if stop is not None:
        return about(view, stop, now, _line(view.network, words))
    line, corner = _corner(view.network, words)
    match find_by_name(view.network, corner):
        case []:
            return sms.no_such_stop(" ".join(words), example(view.network))
        case [only]:
            return about(view, only, now, line)
        case several:
            return _several(view, several, line, corner, now)


def about(view: TransitSnapshot, stop: Stop, now: float, line: str | None = None) -> str:
    """One message about a stop, or about one line there."""

    def clock(at: float) -> str:
        return f"{datetime.fromtimestamp(at, UTC).astimezone(view.network.zone):%H:%M}"

    code, lines = public_code(stop), lines_at(view, stop.id, now)
    routes = [route.id for group in names_at(view.network, stop.id).values() for route in group]
    notices = departure_board.alerts_for(view, now, stop_id=stop.id, route_ids=routes)
    notice = notices[0].header.es if notices else ""
    if line is None:
        return sms.stop_answer(code, now, lines, clock, notice)
    asked = next((one for one in lines if _bare(one.name) == _bare(line)), None)
    if asked is None:
        return sms.not_served(code, line, [one.name for one in lines])
    return sms.line_answer(code, now, asked, clock, notice)


def unknown(view: TransitSnapshot, asked: str) -> str:
    """One message about a code that is no stop's."""
    return sms.no_such_stop(asked, example(view.network))


def example(network: Network) -> str:
    """What to send, with a stop and a line that there are."""
    for stop in network.stops.values():
        names = names_at(network, stop.id)
        if names and stop.code:
            return f"{stop.code} {next(iter(names))}"
    return ""


def _several(view: TransitSnapshot, stops: Sequence[Stop], line: str | None, corner: Sequence[str], now: float) -> str:
    """Of several stops at a corner those the line calls at; where that leaves one, it is the one."""
    served = [stop for stop in stops if line is None or _serves(view.network, stop, line)]
    if len(served) == 1:
        return about(view, served[0], now, line)
    told = [(public_code(stop), _towards(view.network, stop, line if served else None)) for stop in served or stops]
    return sms.which_stop(" ".join(corner), told)


def _towards(network: Network, stop: Stop, line: str | None) -> str:
    """What tells a stop from the one across the street: where its buses go."""
    names = names_at(network, stop.id)
    name = next((name for name in names if line is not None and _bare(name) == _bare(line)), None)
    found = destinations_at(network, stop.id, name)
    return f"a {found[0]}" if found else stop.name


def _coded(network: Network, words: list[str], corner: bool) -> Stop | None:
    """The stop whose whole code stands in one word or in two, taken out of them; the numbers of a corner are none."""
    for size in (1, 2):
        for at in range(len(words) - size + 1):
            code = "".join(words[at : at + size])
            stop = None if corner and code.isdecimal() else find_by_code(network, code)
            if stop is not None:
                del words[at : at + size]
                return stop
    return None


def _numbered(network: Network, words: list[str]) -> Stop | None:
    """The stop meant by the number of its code alone, or beside a line's name, taken out of them."""
    lines = _line_names(network)
    for at, word in enumerate(words):
        others = words[:at] + words[at + 1 :]
        stop = find_by_number(network, word) if not others or (len(others) == 1 and others[0] in lines) else None
        if stop is not None:
            del words[at]
            return stop
    return None


def _corner(network: Network, words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The line and the corner in "307 7 50" or "7 50 307": a corner has two streets at least."""
    lines = _line_names(network)
    if len(words) > 2:
        for at in (len(words) - 1, 0):
            if words[at] in lines:
                return words[at], [word.lower() for word in (*words[:at], *words[at + 1 :])]
    return None, [word.lower() for word in words]


def _line(network: Network, words: Sequence[str]) -> str | None:
    """The line among what is left beside a stop; else what looks like one; courtesies are neither."""
    lines = _line_names(network)
    named = (word for word in words if word in lines)
    numbers = (word for word in words if any(letter.isdigit() for letter in word))
    return next(named, next(numbers, None))


def _line_names(network: Network) -> set[str]:
    return {_bare(route.short_name) for route in network.routes.values()}


def _serves(network: Network, stop: Stop, line: str) -> bool:
    return any(_bare(name) == _bare(line) for name in names_at(network, stop.id))


def _bare(name: str) -> str:
    return "".join(c for c in plain(name).upper() if c.isalnum())
