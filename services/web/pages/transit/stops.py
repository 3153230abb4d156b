"""Template values of a stop's page and of its sign, from the snapshot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from alerts.declared.level import MUNICIPALITY
from models.geo import distance_m
from models.network import Network, Stop
from services.queries.city.city import current_city
from services.queries.city.declared import area_levels
from services.runtime.audience import Audience
from services.transit.model.stop_search import public_code
from services.transit.rider.displayed_time import DisplayedArrival, LineAtStop
from services.transit.rider.stop_arrivals import line_name, lines_at, routes_by_line_name
from services.transit.serving import departure_board as boards
from services.web.context import context_of
from services.web.pages.language import Words
from services.web.pages.transit import phrases
from services.web.pages.transit.accuracy_page import accuracy_sentence
from services.web.pages.transit.phrases import LONGEST_LINE, Notice, line_block, notice, shown_be_there_at, truncated
from services.web.pages.transit.rendering import RiderRequest

MOST_NOTICES = 3
LONGEST_HEADER, LONGEST_NOTICE = 80, 200
LONGEST_NAME = 60
MOST_OTHER_LINES = 16
MOST_PLACES = 3
MOST_SIGN_ROWS = 7
MOST_SIGN_NOTICES = 1


@dataclass(frozen=True, slots=True)
class StopBoard:
    """The departure board of a stop: all its lines, or one of them.

    `accuracy_text`: from names of lines to a sentence on their accuracy. `unserved_line`: a requested line that does
    not call at the stop.
    """

    stop: Stop
    lines: tuple[LineAtStop, ...]
    notices: tuple[Notice, ...]
    line_names: tuple[str, ...]
    accuracy_text: Callable[[Sequence[str]], str]
    single_line: bool = False
    unserved_line: str = ""


@dataclass(frozen=True, slots=True)
class SignRow:
    """One bus on a sign."""

    line: str
    destination: str
    time: str
    more: str


def stop_address(stop: Stop) -> str:
    """The URL of a stop's page."""
    return f"/p/{quote(public_code(stop), safe='')}"


def line_query(rider: RiderRequest, line: str) -> str:
    """The query of one line's page: the line, and the requested language."""
    parameters = ({"linea": line} if line else {}) | (
        {"idioma": rider.requested_language} if rider.requested_language else {}
    )
    return f"?{urlencode(parameters)}" if parameters else ""


def heading_values(stop: Stop) -> dict[str, object]:
    """The heading of every page of a stop."""
    return {"code": public_code(stop), "name": truncated(stop.name, LONGEST_NAME), "here": stop_address(stop)}


def stop_board(rider: RiderRequest, stop: Stop, line: str) -> StopBoard:
    """A stop's board, of all lines or of one."""
    now = rider.now.timestamp()
    lines = lines_at(rider.snapshot, stop.id, now)
    names = tuple(one.name for one in lines)
    city, kept = _from_database(rider, stop)
    notices = (*city, *notices_at(rider, stop))
    if not line:
        return StopBoard(stop, tuple(lines), notices, names, kept)
    of_line = tuple(one for one in lines if one.name.casefold() == line.casefold())
    return StopBoard(stop, of_line, notices, names, kept, single_line=True, unserved_line="" if of_line else line)


def board_values(
    rider: RiderRequest, board: StopBoard, most: int, *, with_accuracy: bool, most_lines: int | None = None
) -> dict[str, object]:
    """A board in words: at most so many buses a line, with accuracy or not, and so many lines; the others are named."""
    words, now = rider.words, rider.now.timestamp()
    shown, remaining = board.lines[:most_lines], board.lines[len(board.lines[:most_lines]) :]
    shared = phrases.shared_facts(words, [arrival for line in shown for arrival in line.arrivals[:most]])
    blocks = [line_block(words, line, now, most, shared) for line in shown]
    others = board.line_names if board.unserved_line else tuple(line.name for line in remaining)
    others_said = words("rider.lines_here") if board.unserved_line else words("rider.more_lines", n=len(remaining))
    return heading_values(board.stop) | {
        "blind": rider.snapshot.stale,
        "notices": board.notices,
        "refused": not_served_text(rider, board) if board.unserved_line else "",
        "shared": phrases.shared_text(words, shared),
        "lines": blocks,
        "others": [name for name in others if len(name) <= LONGEST_LINE][:MOST_OTHER_LINES],
        "others_said": others_said,
        "also": f"&idioma={rider.requested_language}" if rider.requested_language else "",
        "one_line": board.single_line,
        "of_line": line_query(rider, board.lines[0].name if board.single_line and board.lines else ""),
        "safe": _has_be_there_time(board),
        "kept": board.accuracy_text([line.name for line in shown]) if with_accuracy else "",
    }


def sign_values(rider: RiderRequest, stop: Stop, wanted: Sequence[str]) -> dict[str, object]:
    """A board for a sign: bus by bus, the soonest first; a line with none has a row that says why."""
    now = rider.now.timestamp()
    wanted_names = {name.casefold() for name in wanted}
    lines = [
        one for one in lines_at(rider.snapshot, stop.id, now) if not wanted_names or one.name.casefold() in wanted_names
    ]
    shared = phrases.shared_facts(rider.words, [arrival for line in lines for arrival in line.arrivals])
    pairs = (pair for line in lines for pair in _sign_rows(rider.words, line, now, shared))
    rows = sorted(pairs, key=lambda pair: pair[0])
    notices = (*_from_database(rider, stop)[0], *notices_at(rider, stop))[:MOST_SIGN_NOTICES]
    room = MOST_SIGN_ROWS - len(notices) - rider.snapshot.stale
    return {
        "blind": rider.snapshot.stale,
        "notices": notices,
        "shared": phrases.shared_text(rider.words, shared),
        "rows": [row for _, row in rows[:room]],
    }


def not_served_text(rider: RiderRequest, board: StopBoard) -> str:
    """Why a line is not on the board: it does not call at the stop, and where it does; or it does not exist."""
    network, words, asked = rider.snapshot.network, rider.words, board.unserved_line
    ids = {route.id for route in network.routes.values() if line_name(route).casefold() == asked.casefold()}
    if not ids:
        return words("rider.no_such_line", line=asked)
    text = words("rider.not_served", line=asked)
    nearest = min(
        (one for one in _stops_of(network, ids)), key=lambda one: distance_m(one.point, board.stop.point), default=None
    )
    if nearest is None:
        return text
    metres = round(distance_m(nearest.point, board.stop.point), -1)
    where = words(
        "rider.nearest", code=public_code(nearest), name=truncated(nearest.name, LONGEST_NAME), m=words.number(metres)
    )
    return f"{text} {where}"


def notices_at(rider: RiderRequest, stop: Stop) -> list[Notice]:
    """The active service alerts of a stop and its lines, as many as fit a small page."""
    groups = routes_by_line_name(rider.snapshot.network, stop.id).values()
    return notices_of(rider, [route.id for group in groups for route in group], stop.id)


def notices_of(rider: RiderRequest, route_ids: Sequence[str], stop_id: str = "") -> list[Notice]:
    """The active service alerts of lines, and of a stop, as many as fit a small page."""
    now = rider.now.timestamp()
    alerts = boards.alerts_for(rider.snapshot, now, stop_id=stop_id, route_ids=route_ids)[:MOST_NOTICES]
    all_notices = (notice(rider.words, alert, now) for alert in alerts)
    return [
        Notice(truncated(one.header, LONGEST_HEADER), truncated(one.text, LONGEST_NOTICE), one.when)
        for one in all_notices
    ]


def _from_database(rider: RiderRequest, stop: Stop) -> tuple[list[Notice], Callable[[Sequence[str]], str]]:
    """What is not in memory: the city's levels, and the accuracy of each line."""
    if rider.snapshot.stale:
        return [], _no_sentence
    try:
        with context_of(rider.request).engine.connect() as connection:
            return _city_notices(rider, connection), accuracy_sentence(
                rider, connection, routes_by_line_name(rider.snapshot.network, stop.id)
            )
    except (DBAPIError, NoConnectionFree):
        return [], _no_sentence  # the board is shown from memory all the same


def _no_sentence(_names: Sequence[str]) -> str:
    return ""


def _city_notices(rider: RiderRequest, connection: Connection) -> list[Notice]:
    """The alert declared for the city, and the measured level; each where it is not the lowest."""
    words, city = rider.words, current_city(connection)
    found = area_levels(connection, rider.now, Audience.PUBLIC, [f"{MUNICIPALITY}:{city.id}"])
    notices = []
    for area in found:
        if area.declared is not None and area.declared.nar:
            header = words("rider.declared", nar=words(f"nar.{area.declared.nar.name.lower()}"))
            until = words("rider.until", at=words.moment(area.declared.until, rider.now))
            notices.append(Notice(header, "", until))
        if area.level:
            header, since = words("rider.measured", nar=words(f"nar.{area.level.name.lower()}")), area.proposed_since
            when = words("rider.since", at=words.moment(since, rider.now)) if since else ""
            notices.append(Notice(header, "", when))
    return notices


def _sign_rows(words: Words, line: LineAtStop, now: float, shared: phrases.SharedFacts) -> list[tuple[float, SignRow]]:
    rows = [
        (_sort_time(arrival), SignRow(truncated(line.name, LONGEST_LINE), row.destination, row.time, row.more))
        for arrival in line.arrivals
        for row in (phrases.arrival_row(words, arrival, shared),)
    ]
    remarks_text = " ".join(phrases.remarks(words, line, now))
    if remarks_text and rows:
        at, first = rows[0]
        rows[0] = (at, SignRow(first.line, first.destination, first.time, f"{first.more}. {remarks_text}"))
    if remarks_text and not rows:
        return [(line.soonest_at, SignRow(line.name, remarks_text, "", ""))]
    return rows


def _sort_time(arrival: DisplayedArrival) -> float:
    return arrival.scheduled_at if arrival.be_there_at is None else arrival.be_there_at


def _has_be_there_time(board: StopBoard) -> bool:
    """Whether any bus has a time to be there by, which is then explained."""
    return any(shown_be_there_at(arrival) is not None for line in board.lines for arrival in line.arrivals)


def _stops_of(network: Network, route_ids: set[str]) -> list[Stop]:
    ids = {
        stop_id
        for route_id in route_ids
        for index in network.patterns_by_route.get(route_id, ())
        for stop_id in network.patterns[index].stop_ids[:-1]
    }
    return [network.stops[stop_id] for stop_id in sorted(ids)]
