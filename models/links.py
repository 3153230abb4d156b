"""Lasting identity of links: which link of one timetable is which link of another, though trips and stops are renamed.

A *link* is the path from one stop to the next. Travel times are learned for each link. Feeds rename their trips, their
routes and sometimes their stops, but the street stays. So a link is identified by its two stops and its path, and a
link that runs between the same places along the same path as a known one is that link, whatever its stops are called.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import product

from models.geo import Point, distance_m, point_at_distance
from models.network import Network, Pattern

SAME_STOP_M = 30.0
"""Two stops of different ids nearer than this may be the same pole."""
SAME_PATH_M = 60.0
"""How far apart the middles of the same path may lie, and by how much its lengths may differ ..."""
SAME_PATH_RATIO = 0.15
"""... or by this share of its length, where that is more: long paths are drawn more loosely."""
MIDDLE_DECIMALS = 3
"""Decimals of a degree, about 100 m, to which the middle of a path is rounded for a new id."""

StopPair = tuple[str, str]
Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Link:
    """The path from one stop to the next. `middle` lies half way along it; `id` is empty until it is identified."""

    id: str
    from_stop: str
    to_stop: str
    start: Point
    middle: Point
    end: Point
    length_m: float

    @property
    def stop_pair(self) -> StopPair:
        """The ids of the stops it joins."""
        return (self.from_stop, self.to_stop)


def links_of(network: Network) -> tuple[Link, ...]:
    """Every link of a network once, ordered by id."""
    by_id = {link.id: link for pattern in network.patterns for link in links_of_pattern(network, pattern)}
    return tuple(by_id[link_id] for link_id in sorted(by_id))


def with_link_ids(network: Network, known: Iterable[Link] = ()) -> Network:
    """The same network with the `link_ids` of its patterns set: the id of the known link it is, or a new one.

    A new id follows from the stops and the path alone, so two imports agree even without known links.
    """
    links_by_pattern = [links_of_pattern(network, pattern) for pattern in network.patterns]
    ids = identify_links([link for links in links_by_pattern for link in links], known)
    patterns = tuple(
        replace(pattern, link_ids=tuple(ids[link] for link in links))
        for pattern, links in zip(network.patterns, links_by_pattern, strict=True)
    )
    return replace(network, patterns=patterns)


def links_of_pattern(network: Network, pattern: Pattern) -> tuple[Link, ...]:
    """The links of a pattern along its shape, with the pattern's link ids, if any."""
    shape, stop_m = pattern.shape, pattern.stop_m
    points = [network.stops[stop_id].point for stop_id in pattern.stop_ids]
    ids = pattern.link_ids or ("",) * (len(points) - 1)
    return tuple(
        Link(
            ids[i],
            pattern.stop_ids[i],
            pattern.stop_ids[i + 1],
            points[i],
            point_at_distance(shape.points, shape.along_m, (stop_m[i] + stop_m[i + 1]) / 2),
            points[i + 1],
            stop_m[i + 1] - stop_m[i],
        )
        for i in range(len(points) - 1)
    )


def identify_links(links: Iterable[Link], known: Iterable[Link]) -> dict[Link, str]:
    """An id for each link. Links between the stops of a known link come first, then those in the places of one."""
    known_links = _KnownLinks(known)
    ids: dict[Link, str] = {}
    rest: list[Link] = []
    for link in sorted(set(links), key=_sort_key):
        if (same := known_links.between_same_stops(link)) is not None:
            ids[link] = known_links.assign(same.id)
        else:
            rest.append(link)
    # The nearest first, each known link once: on both sides of a street, two links run side by side.
    matches = (
        (_separation_m(link, other), other.id, number)
        for number, link in enumerate(rest)
        for other in known_links.in_same_places(link)
    )
    for _, link_id, number in sorted(matches):
        if rest[number] not in ids and known_links.is_unassigned(link_id):
            ids[rest[number]] = known_links.assign(link_id, rest[number])
    for link in rest:
        if link not in ids:
            same = known_links.between_same_stops(link)
            ids[link] = known_links.add_new(link) if same is None else same.id
    return ids


def _sort_key(link: Link) -> tuple[StopPair, float, Point]:
    return (link.stop_pair, link.length_m, link.middle)


def _same_path(link: Link, other: Link) -> bool:
    slack_m = max(SAME_PATH_M, SAME_PATH_RATIO * link.length_m)
    return abs(link.length_m - other.length_m) <= slack_m and distance_m(link.middle, other.middle) <= slack_m


def _same_stops_and_path(link: Link, other: Link) -> bool:
    return (
        distance_m(link.start, other.start) <= SAME_STOP_M
        and distance_m(link.end, other.end) <= SAME_STOP_M
        and _same_path(link, other)
    )


def _separation_m(link: Link, other: Link) -> float:
    """Summed distance of the starts, the middles and the ends of two links."""
    pairs = ((link.start, other.start), (link.middle, other.middle), (link.end, other.end))
    return sum(distance_m(*pair) for pair in pairs)


@dataclass
class _KnownLinks:
    """The known links, indexed by their stops and by where they begin, and which of them are assigned."""

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
        """The known link between the same stops along the same path; of several, the nearest."""
        same = [other for other in self._pairs.get(link.stop_pair, ()) if _same_path(link, other)]
        return min(same, key=lambda other: (_separation_m(link, other), other.id), default=None)

    def in_same_places(self, link: Link) -> list[Link]:
        """The known links that begin, run and end in the same places."""
        near = (other for cell in _neighbours(_cell(link.start)) for other in self._cells.get(cell, ()))
        return [other for other in near if _same_stops_and_path(link, other)]

    def is_unassigned(self, link_id: str) -> bool:
        """Whether no link has this id yet."""
        return link_id not in self._assigned

    def assign(self, link_id: str, renamed: Link | None = None) -> str:
        """Mark an id as assigned. `renamed`: a link with other stops, by which its like will be found from now on."""
        self._assigned.add(link_id)
        if renamed is not None:
            self._pairs.setdefault(renamed.stop_pair, []).append(replace(renamed, id=link_id))
        return link_id

    def add_new(self, link: Link) -> str:
        """A new id from the stops and the rounded middle of the path; a second path there gets a number."""
        latitude, longitude = (f"{degrees:.{MIDDLE_DECIMALS}f}" for degrees in link.middle)
        identity = f"{link.from_stop}\n{link.to_stop}\n{latitude}\n{longitude}"
        link_id = digest = blake2b(identity.encode(), digest_size=8).hexdigest()
        number = 1
        while link_id in self._ids:
            number += 1
            link_id = f"{digest}-{number}"
        self._index(replace(link, id=link_id))
        self._assigned.add(link_id)
        return link_id


CELL_DEGREES = 0.001
"""Cells of at least 30 m either way up to 70 degrees of latitude, so that a neighbour is never two cells away."""


def _cell(point: Point) -> Cell:
    return (int(point[0] // CELL_DEGREES), int(point[1] // CELL_DEGREES))


def _neighbours(cell: Cell) -> Iterator[Cell]:
    """The cell itself and the eight around it."""
    return ((cell[0] + north, cell[1] + east) for north, east in product((-1, 0, 1), repeat=2))
