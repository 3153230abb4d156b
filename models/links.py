"""Which link of one timetable is which of another: what was learnt of a street outlives the names of those who run it.

A *link* is the way from one stop to the next. Feeds rename their trips, their routes and now and then their stops;
the street stays. So a link is known by its two stops and by where it runs, and one that runs where a known link ran,
between the same places, is that link, whatever its stops are called now.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import product

from models.geo import Point, distance_m, point_at_distance
from models.network import Network, Pattern

SAME_STOP_M = 30.0
"""Two stops of different names nearer than this may be the same pole."""
SAME_PATH_M = 60.0
"""How far the middles of one and the same way may lie apart, and by how much its lengths may differ ..."""
SAME_PATH_RATIO = 0.15
"""... or by this share of its length, where that is more: long ways are drawn more loosely."""
MIDDLE_DECIMALS = 3
"""Decimals of a degree, about 100 m, to which a new name rounds the middle of its way."""

StopPair = tuple[str, str]
Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Link:
    """The way from one stop to the next. `middle` lies half way along it; `id` is empty until it is identified."""

    id: str
    from_stop: str
    to_stop: str
    start: Point
    middle: Point
    end: Point
    length_m: float

    @property
    def stop_pair(self) -> StopPair:
        """The stops it joins."""
        return (self.from_stop, self.to_stop)


def links_of(network: Network) -> tuple[Link, ...]:
    """Every link of a network once, in the order of their identities."""
    found = {link.id: link for pattern in network.patterns for link in links_of_pattern(network, pattern)}
    return tuple(found[name] for name in sorted(found))


def with_link_ids(network: Network, known: Iterable[Link] = ()) -> Network:
    """The same network with each link named as the known one it is, or by a new name of its own.

    A new name follows from the stops and the way alone, so that without anything known two imports agree too.
    """
    ways = [links_of_pattern(network, pattern) for pattern in network.patterns]
    names = identify_links([link for way in ways for link in way], known)
    patterns = tuple(
        replace(pattern, link_ids=tuple(names[link] for link in way))
        for pattern, way in zip(network.patterns, ways, strict=True)
    )
    return replace(network, patterns=patterns)


def links_of_pattern(network: Network, pattern: Pattern) -> tuple[Link, ...]:
    """The links of a pattern as its shape draws them, with the identities the pattern gives, if any."""
    shape, at = pattern.shape, pattern.stop_m
    points = [network.stops[stop_id].point for stop_id in pattern.stop_ids]
    names = pattern.link_ids or ("",) * (len(points) - 1)
    return tuple(
        Link(
            names[i],
            pattern.stop_ids[i],
            pattern.stop_ids[i + 1],
            points[i],
            point_at_distance(shape.points, shape.along_m, (at[i] + at[i + 1]) / 2),
            points[i + 1],
            at[i + 1] - at[i],
        )
        for i in range(len(points) - 1)
    )


def identify_links(links: Iterable[Link], known: Iterable[Link]) -> dict[Link, str]:
    """A name for each link: first those between known stops, then those that only run where a known one ran."""
    memory = _KnownLinks(known)
    names: dict[Link, str] = {}
    rest: list[Link] = []
    for link in sorted(set(links), key=_sort_key):
        if (same := memory.between_same_stops(link)) is not None:
            names[link] = memory.assign(same.id)
        else:
            rest.append(link)
    # The nearest first, each known link once: on both sides of a street, two run the same way side by side.
    matches = (
        (_separation_m(link, one), one.id, number)
        for number, link in enumerate(rest)
        for one in memory.in_same_places(link)
    )
    for _, name, number in sorted(matches):
        if rest[number] not in names and memory.is_unassigned(name):
            names[rest[number]] = memory.assign(name, rest[number])
    for link in rest:
        if link not in names:
            same = memory.between_same_stops(link)
            names[link] = memory.add_new(link) if same is None else same.id
    return names


def _sort_key(link: Link) -> tuple[StopPair, float, Point]:
    return (link.stop_pair, link.length_m, link.middle)


def _same_path(here: Link, there: Link) -> bool:
    slack_m = max(SAME_PATH_M, SAME_PATH_RATIO * here.length_m)
    return abs(here.length_m - there.length_m) <= slack_m and distance_m(here.middle, there.middle) <= slack_m


def _same_stops_and_path(here: Link, there: Link) -> bool:
    return (
        distance_m(here.start, there.start) <= SAME_STOP_M
        and distance_m(here.end, there.end) <= SAME_STOP_M
        and _same_path(here, there)
    )


def _separation_m(here: Link, there: Link) -> float:
    ends = ((here.start, there.start), (here.middle, there.middle), (here.end, there.end))
    return sum(distance_m(*both) for both in ends)


@dataclass
class _KnownLinks:
    """The links known so far, by their stops and by where they begin."""

    known: Iterable[Link]
    _pairs: dict[StopPair, list[Link]] = field(default_factory=dict)
    _cells: dict[Cell, list[Link]] = field(default_factory=dict)
    _ids: set[str] = field(default_factory=set)
    _assigned: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for link in self.known:
            self._index(link)

    def _index(self, link: Link) -> None:
        self._pairs.setdefault(link.stop_pair, []).append(link)
        self._cells.setdefault(_cell(link.start), []).append(link)
        self._ids.add(link.id)

    def between_same_stops(self, link: Link) -> Link | None:
        """The known link between these very stops that runs the same way; of several, the nearest."""
        same = [one for one in self._pairs.get(link.stop_pair, ()) if _same_path(link, one)]
        return min(same, key=lambda one: (_separation_m(link, one), one.id), default=None)

    def in_same_places(self, link: Link) -> list[Link]:
        """The known links that begin, run and end in the same places."""
        around = (one for cell in _neighbours(_cell(link.start)) for one in self._cells.get(cell, ()))
        return [one for one in around if _same_stops_and_path(link, one)]

    def is_unassigned(self, name: str) -> bool:
        """Whether no link is that known one yet."""
        return name not in self._assigned

    def assign(self, name: str, renamed: Link | None = None) -> str:
        """Let a known link be taken; by one between other stops, others between those will find it there."""
        self._assigned.add(name)
        if renamed is not None:
            self._pairs.setdefault(renamed.stop_pair, []).append(replace(renamed, id=name))
        return name

    def add_new(self, link: Link) -> str:
        """A new name from the stops and the rounded middle of the way; a second way there gets a number."""
        latitude, longitude = (f"{degrees:.{MIDDLE_DECIMALS}f}" for degrees in link.middle)
        identity = f"{link.from_stop}\n{link.to_stop}\n{latitude}\n{longitude}"
        name = base = blake2b(identity.encode(), digest_size=8).hexdigest()
        number = 1
        while name in self._ids:
            number += 1
            name = f"{base}-{number}"
        self._index(replace(link, id=name))
        self._assigned.add(name)
        return name


CELL_DEGREES = 0.001
"""Cells of at least 30 m either way up to 70 degrees of latitude, so that a neighbour is never two cells away."""


def _cell(point: Point) -> Cell:
    return (int(point[0] // CELL_DEGREES), int(point[1] // CELL_DEGREES))


def _neighbours(cell: Cell) -> Iterator[Cell]:
    return ((cell[0] + north, cell[1] + east) for north, east in product((-1, 0, 1), repeat=2))
