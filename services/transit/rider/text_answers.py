"""Answer a rider's text message: find the stop and the line, and describe the arrivals. Pure; never fails."""

from collections.abc import Sequence
from datetime import UTC, datetime

from models.network import Network, Stop
from services.transit.model.stop_search import find_by_code, find_by_name, find_by_number, public_code
from services.transit.rider import sms
from services.transit.rider.gsm7 import to_gsm7
from services.transit.rider.stop_arrivals import destinations_at, lines_at, routes_by_line_name
from services.transit.serving import departure_board
from services.transit.serving.snapshot import TransitSnapshot


def answer(snapshot: TransitSnapshot | None, text: str, now: float) -> str:
    """One message for any text of a rider. `snapshot` None: no timetable is loaded. `now`: Unix seconds."""
    if snapshot is None or not snapshot.network.stops:
        return sms.no_timetable()
    asked = sms.parse_query(text)
    words = list(asked.words)
    if not words:
        return sms.help_text(example_query(snapshot.network))
    stop = _pop_stop_by_code(snapshot.network, words, asked.corner) or (
        None if asked.corner else _pop_stop_by_number(snapshot.network, words)
    )
    if stop is not None:
        return stop_answer(snapshot, stop, now, _find_line(snapshot.network, words))
    line, corner = _split_corner(snapshot.network, words)
    match find_by_name(snapshot.network, corner):
        case []:
            return sms.no_such_stop(" ".join(words), example_query(snapshot.network))
        case [only]:
            return stop_answer(snapshot, only, now, line)
        case several:
            return _corner_answer(snapshot, several, line, corner, now)


def stop_answer(snapshot: TransitSnapshot, stop: Stop, now: float, line: str | None = None) -> str:
    """One message about a stop, or about one line there."""

    def clock(at: float) -> str:
        return f"{datetime.fromtimestamp(at, UTC).astimezone(snapshot.network.zone):%H:%M}"

    code, lines = public_code(stop), lines_at(snapshot, stop.id, now)
    routes = [route.id for group in routes_by_line_name(snapshot.network, stop.id).values() for route in group]
    notices = departure_board.alerts_for(snapshot, now, stop_id=stop.id, route_ids=routes)
    notice = notices[0].header.es if notices else ""
    if line is None:
        return sms.stop_answer(code, now, lines, clock, notice)
    asked = next((one for one in lines if _normalised(one.name) == _normalised(line)), None)
    if asked is None:
        return sms.not_served(code, line, [one.name for one in lines])
    return sms.line_answer(code, now, asked, clock, notice)


def unknown_stop_answer(snapshot: TransitSnapshot, asked: str) -> str:
    """One message about a code that no stop has."""
    return sms.no_such_stop(asked, example_query(snapshot.network))


def example_query(network: Network) -> str:
    """An example of what to send, with a stop and a line that exist."""
    for stop in network.stops.values():
        names = routes_by_line_name(network, stop.id)
        if names and stop.code:
            return f"{stop.code} {next(iter(names))}"
    return ""


def _corner_answer(
    snapshot: TransitSnapshot, stops: Sequence[Stop], line: str | None, corner: Sequence[str], now: float
) -> str:
    """An answer about the stops at a corner, those the line serves; if one is left, about that stop."""
    served = [stop for stop in stops if line is None or _is_served(snapshot.network, stop, line)]
    if len(served) == 1:
        return stop_answer(snapshot, served[0], now, line)
    labelled = [
        (public_code(stop), _destination_label(snapshot.network, stop, line if served else None))
        for stop in served or stops
    ]
    return sms.which_stop(" ".join(corner), labelled)


def _destination_label(network: Network, stop: Stop, line: str | None) -> str:
    """Tells a stop from the one across the street: where its buses go."""
    names = routes_by_line_name(network, stop.id)
    name = next((name for name in names if line is not None and _normalised(name) == _normalised(line)), None)
    found = destinations_at(network, stop.id, name)
    return f"a {found[0]}" if found else stop.name


def _pop_stop_by_code(network: Network, words: list[str], corner: bool) -> Stop | None:
    """The stop whose whole code is one word or two; removes them. Numbers of a corner are no code."""
    for size in (1, 2):
        for at in range(len(words) - size + 1):
            code = "".join(words[at : at + size])
            stop = None if corner and code.isdecimal() else find_by_code(network, code)
            if stop is not None:
                del words[at : at + size]
                return stop
    return None


def _pop_stop_by_number(network: Network, words: list[str]) -> Stop | None:
    """The stop with the number of its code, alone or beside the name of a line; removes that word."""
    lines = _line_names(network)
    for at, word in enumerate(words):
        others = words[:at] + words[at + 1 :]
        stop = find_by_number(network, word) if not others or (len(others) == 1 and others[0] in lines) else None
        if stop is not None:
            del words[at]
            return stop
    return None


def _split_corner(network: Network, words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The line and the corner in "307 7 50" or "7 50 307": a corner has at least two streets."""
    lines = _line_names(network)
    if len(words) > 2:
        for at in (len(words) - 1, 0):
            if words[at] in lines:
                return words[at], [word.lower() for word in (*words[:at], *words[at + 1 :])]
    return None, [word.lower() for word in words]


def _find_line(network: Network, words: Sequence[str]) -> str | None:
    """The line among the words left beside a stop, else the first word with a digit, else None."""
    lines = _line_names(network)
    named = (word for word in words if word in lines)
    numbers = (word for word in words if any(letter.isdigit() for letter in word))
    return next(named, next(numbers, None))


def _line_names(network: Network) -> set[str]:
    return {_normalised(route.short_name) for route in network.routes.values()}


def _is_served(network: Network, stop: Stop, line: str) -> bool:
    return any(_normalised(name) == _normalised(line) for name in routes_by_line_name(network, stop.id))


def _normalised(name: str) -> str:
    return "".join(c for c in to_gsm7(name).upper() if c.isalnum())
