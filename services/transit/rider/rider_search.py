"""What a rider may mean by a few words: a stop, a line, a corner, a landmark or a destination. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.network import Network, Stop
from services.transit.model.stop_search import (
    MAX_QUERY_CHARS,
    MAX_RESULTS,
    find_by_code,
    find_by_name,
    find_by_number,
    matches_name,
    normalized_words,
)
from services.transit.rider.line_directions import directions, routes_named
from services.transit.rider.stop_arrivals import line_name, routes_by_line_name
from services.transit.serving import departure_board
from services.transit.serving.snapshot import TransitSnapshot

LANDMARK_RADIUS_M = 400.0
"""Stops within this distance of a landmark are near it: four blocks."""
MOST_NEAR_LANDMARK = 8
MOST_LANDMARKS = 3
MOST_LINES = 12
LEAST_PLACE_WORDS = 2
"""Beside a line, fewer words name a street and no place: in "506 y Centenario" 506 is a street too."""
STATION = 1
"""GTFS location_type of a station, whose name its stops need not repeat."""
_LINE_WORDS = frozenset({"linea", "la", "el", "micro", "colectivo", "bondi"})


@dataclass(frozen=True, slots=True)
class NearStop:
    """A stop and its distance from a point, metres."""

    distance_m: float
    stop: Stop


@dataclass(frozen=True, slots=True)
class FoundLandmark:
    """A landmark, or a station of the timetable, and the stops near it, the nearest first."""

    name: str
    stops: tuple[NearStop, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that a search found. `stop`: the one stop of that code or number. `line`: the line of that name.

    `at_line`: a line that was named beside a stop or a place. `towards`: names of lines with such a destination.
    """

    stop: Stop | None = None
    line: str = ""
    at_line: str = ""
    stops: tuple[Stop, ...] = ()
    landmarks: tuple[FoundLandmark, ...] = ()
    towards: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not (self.stop or self.line or self.stops or self.landmarks or self.towards)


def search(snapshot: TransitSnapshot, query: str) -> Found:
    """Search by the words of a rider; the rest of a query longer than MAX_QUERY_CHARS is ignored."""
    text, network = query[:MAX_QUERY_CHARS].strip(), snapshot.network
    stop, line = find_stop(network, text), _line_called(network, text)
    if stop is not None or line:
        return Found(stop=stop, line=line)
    for line, rest in _with_line(network, text):
        found = find_stop(network, rest)
        if found is not None:
            return Found(stop=found, at_line=line)
        served = _at_place(snapshot, normalized_words(rest), line)
        if served is not None:
            return served
    return _by_words(snapshot, normalized_words(text))


def find_stop(network: Network, code: str) -> Stop | None:
    """The one stop of a code, or of its number, as 1912 for LP1912."""
    return find_by_code(network, code) or find_by_number(network, code.strip())


def _at_place(snapshot: TransitSnapshot, words: Sequence[str], line: str) -> Found | None:
    """The stops of a line at a corner or a landmark, which has at least two words; None where it serves none."""
    network = snapshot.network
    if len(words) < LEAST_PLACE_WORDS:
        return None
    stops = tuple(stop for stop in find_by_name(network, words) if line in routes_by_line_name(network, stop.id))
    landmarks = (
        replace(one, stops=tuple(near for near in one.stops if line in routes_by_line_name(network, near.stop.id)))
        for one in _landmarks(snapshot, words)
    )
    found = Found(at_line=line, stops=stops, landmarks=tuple(one for one in landmarks if one.stops)[:MOST_LANDMARKS])
    return found if found.stops or found.landmarks else None


def _by_words(snapshot: TransitSnapshot, words: Sequence[str]) -> Found:
    network = snapshot.network
    return Found(
        stops=tuple(find_by_name(network, words)),
        landmarks=tuple(_landmarks(snapshot, words))[:MOST_LANDMARKS],
        towards=_lines_towards(network, words),
    )


def _line_called(network: Network, text: str) -> str:
    """The name of the line that a text names and nothing else; empty where it names none."""
    words = text.split()
    names = [text, " ".join(word for word in words if not _LINE_WORDS.issuperset(normalized_words(word)))]
    found = (route for name in names if name for route in routes_named(network, name))
    return next((line_name(route) for route in found), "")


def _with_line(network: Network, text: str) -> list[tuple[str, str]]:
    """The ways to read a text as a line and a stop: the line stands before or after, and the rest is the stop."""
    words = [word for word in text.split() if normalized_words(word) not in {("linea",), ("micro",)}]
    splits = [(words[-1:], words[:-1]), (words[:1], words[1:])]
    named = [(_line_called(network, " ".join(line)), " ".join(rest)) for line, rest in splits if rest]
    return [(line, rest) for line, rest in named if line]


def _landmarks(snapshot: TransitSnapshot, words: Sequence[str]) -> list[FoundLandmark]:
    stations = [stop for stop in snapshot.network.stops.values() if stop.location_type == STATION]
    places = [(one.name, (one.latitude, one.longitude)) for one in snapshot.landmarks]
    places += [(station.name, station.point) for station in stations]
    return [
        FoundLandmark(name, stops_near(snapshot, point, LANDMARK_RADIUS_M, MOST_NEAR_LANDMARK))
        for name, point in places
        if matches_name(name, words)
    ]


def stops_near(
    snapshot: TransitSnapshot, point: tuple[float, float], radius_m: float, most: int
) -> tuple[NearStop, ...]:
    """The nearest stops where riders may board within a radius, at most so many."""
    served = (
        NearStop(distance, stop)
        for distance, stop in departure_board.stops_near(snapshot, point, radius_m, MAX_RESULTS * 4)
        if routes_by_line_name(snapshot.network, stop.id)
    )
    return tuple(served)[:most]


def _lines_towards(network: Network, words: Sequence[str]) -> tuple[str, ...]:
    """The lines of which a destination has all the words, in natural order."""
    names = dict.fromkeys(
        line_name(route) for route in sorted(network.routes.values(), key=departure_board.natural_order)
    )
    towards = (
        name
        for name in names
        if any(matches_name(place, words) for one in directions(network, name) for place in one.destinations)
    )
    return tuple(towards)[:MOST_LINES]
