"""The city's plan as the watch page draws it: streets, streams, basins, stations and incidents with their places."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, select

from models.alert import NAR
from models.geo import Point
from models.kinds.river import RIVER
from models.tables.city import basins, configuration, municipalities
from services.queries.city.city import Area
from services.queries.stations.current import CurrentStation
from services.queries.watch.condition import Course, Health
from services.queries.watch.incident_lines import IncidentLine
from services.queries.watch.plan_layout import (
    APART,
    WIDTH,
    Box,
    Frame,
    Label,
    Ring,
    Spot,
    beside,
    fit,
    inner_points,
    keep_apart,
    path_of,
    place_badge,
    place_label,
)
from services.queries.watch.plan_symbols import INCIDENT_SYMBOL, LEVEL_MARKS, kind_symbol

MAX_LABEL_CHARS = 20
BADGE = (38.0, 24.0)
"""Size of an incident's badge: a flag and a number, large enough for a finger."""
LEADER_FROM = 5.0
"""A symbol moved farther than this from its place is tied to it by a line."""
_CLOSED_KINDS = frozenset({"park", "water"})


@dataclass(frozen=True, slots=True)
class PlanPlaces:
    """What the seed says of the city's shape: features of the plan, outlines of basins, positions of municipalities."""

    features: Sequence[Mapping[str, Any]]
    outlines: Mapping[str, Sequence[Sequence[Sequence[float]]]]
    municipalities: Mapping[str, Point]


@dataclass(frozen=True, slots=True)
class StationState:
    """A station with what the plan says of it."""

    station: CurrentStation
    health: Health
    course: Course | None = None

    @property
    def silent(self) -> bool:
        """Whether it has no current value."""
        return self.health is not Health.FRESH

    @property
    def doubtful(self) -> bool:
        """Whether its newest value is not trusted, or nothing else confirms its colour."""
        return self.station.doubtful is not None or self.station.nar > self.station.confirmed_nar

    @property
    def rank(self) -> tuple[int, bool, bool]:
        """Sort key: what is labelled first, streams before the rain above them."""
        return (-self.station.nar, self.station.kind is not RIVER, not (self.silent or self.doubtful))


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A street, stream, park or water. `kind`: the key of its style."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class DrawnBasin:
    """A basin with its proposed level. `label`: None where there is no room for its name."""

    area: Area
    path: str
    label: Label | None


@dataclass(frozen=True, slots=True)
class DrawnStation:
    """A station. `leader`: the path to its true place where its symbol stands beside it."""

    state: StationState
    at: Spot
    symbol: str
    mark: str
    leader: str | None
    label: Label | None


@dataclass(frozen=True, slots=True)
class DrawnIncident:
    """An open incident. `pole`: the path from its badge to where it is."""

    line: IncidentLine
    at: Spot
    pole: str
    symbol: str = INCIDENT_SYMBOL


@dataclass(frozen=True)
class CityPlan:
    """The plan in SVG units, each list in the order in which it is drawn."""

    width: float
    height: float
    lines: Sequence[DrawnLine]
    basins: Sequence[DrawnBasin]
    stations: Sequence[DrawnStation]
    incidents: Sequence[DrawnIncident]

    @cached_property
    def counts(self) -> Mapping[NAR, int]:
        """How many stations hold each colour above verde, highest first."""
        found = Counter(one.state.station.nar for one in self.stations)
        return {nar: found[nar] for nar in sorted(NAR, reverse=True) if nar and found[nar]}

    @cached_property
    def silent(self) -> int:
        """How many stations have no current value."""
        return sum(one.state.silent for one in self.stations)

    @cached_property
    def doubtful(self) -> int:
        """How many stations have a value or a colour that nothing else supports."""
        return sum(one.state.doubtful and not one.state.silent for one in self.stations)


def plan_places(transaction: Connection) -> PlanPlaces:
    """The shape of the city as loaded from the seed."""
    shapes = transaction.execute(select(basins.c.id, basins.c.geometry).where(basins.c.geometry.is_not(None)))
    towns = transaction.execute(select(municipalities.c.id, municipalities.c.latitude, municipalities.c.longitude))
    return PlanPlaces(
        features=transaction.execute(select(configuration.c.plan)).scalar() or (),
        outlines={row.id: [rings[0] for rings in row.geometry["coordinates"]] for row in shapes if row.geometry},
        municipalities={row.id: (row.latitude, row.longitude) for row in towns},
    )


def city_plan(
    places: PlanPlaces, areas: Sequence[Area], states: Sequence[StationState], incidents: Sequence[IncidentLine]
) -> CityPlan | None:
    """Lay out the plan; None without stations. Each station is drawn, and each incident that has a place."""
    if not states:
        return None
    frame = fit([(one.station.latitude, one.station.longitude) for one in states])
    anchors = tuple(frame.spot((one.station.latitude, one.station.longitude)) for one in states)
    spots = dict(zip((one.station.id for one in states), keep_apart(anchors, frame.height), strict=True))
    rings = {name: _rings(frame, outlines) for name, outlines in places.outlines.items()}
    taken = [Box.around(spot, APART, APART) for spot in spots.values()]
    flags = list(_incidents(frame, places, rings, spots, incidents, taken))
    drawn = [_station(frame, one, anchor, spots, taken) for one, anchor in _by_rank(states, anchors)]
    return CityPlan(
        width=WIDTH,
        height=frame.height,
        lines=[_line(frame, feature) for feature in places.features],
        basins=[_basin(frame, area, rings[area.id], taken) for area in areas if area.id in rings],
        stations=drawn[::-1],
        incidents=flags,
    )


def _by_rank(states: Sequence[StationState], anchors: Sequence[Spot]) -> list[tuple[StationState, Spot]]:
    return sorted(zip(states, anchors, strict=True), key=lambda one: one[0].rank)


def _rings(frame: Frame, outlines: Sequence[Sequence[Sequence[float]]]) -> tuple[Ring, ...]:
    return tuple(tuple(frame.spot((latitude, longitude)) for longitude, latitude in ring) for ring in outlines)


def _line(frame: Frame, feature: Mapping[str, Any]) -> DrawnLine:
    closed = feature["kind"] in _CLOSED_KINDS
    return DrawnLine(feature["kind"], "".join(path_of(ring, closed=closed) for ring in _rings(frame, feature["parts"])))


def _basin(frame: Frame, area: Area, rings: tuple[Ring, ...], taken: list[Box]) -> DrawnBasin:
    label = place_label(area.name, inner_points(rings, frame.height), taken, frame.holds)
    return DrawnBasin(area, "".join(path_of(ring, closed=True) for ring in rings), label)


def _station(
    frame: Frame, state: StationState, anchor: Spot, spots: Mapping[str, Spot], taken: list[Box]
) -> DrawnStation:
    station, at = state.station, spots[state.station.id]
    moved = abs(at[0] - anchor[0]) + abs(at[1] - anchor[1]) > LEADER_FROM
    told = station.nar or state.silent or state.doubtful
    return DrawnStation(
        state=state,
        at=at,
        symbol=kind_symbol(station.kind.name),
        mark=LEVEL_MARKS[station.nar],
        leader=path_of((anchor, at)) if moved else None,
        label=place_label(label_text(state), beside(at, label_text(state)), taken, frame.holds) if told else None,
    )


def label_text(state: StationState) -> str:
    """The place in the station's name, or the whole name, and whether the water rises: `7 y 514 ⇈`."""
    name = state.station.name.partition(", ")[2] or state.station.name
    name = name.partition(" (")[0]
    if len(name) > MAX_LABEL_CHARS:
        name = f"{name[: MAX_LABEL_CHARS - 1].rstrip()}…"
    rises = state.course in {Course.RISING, Course.RISING_FAST} and not state.silent
    return f"{name} {state.course.arrow}" if rises and state.course else name


def _incidents(
    frame: Frame,
    places: PlanPlaces,
    rings: Mapping[str, tuple[Ring, ...]],
    spots: Mapping[str, Spot],
    incidents: Sequence[IncidentLine],
    taken: list[Box],
) -> Iterator[DrawnIncident]:
    """The incidents with a place: that of the station that drives them, else their basin or municipality."""
    for line in incidents:
        noun, _, name = line.incident.area.partition(":")
        root = spots.get(line.driver.station_id or "") if line.driver else None
        if root is None and noun == "basin" and (inner := inner_points(rings.get(name, ()), frame.height)):
            root = inner[0]
        if root is None and noun == "municipality" and name in places.municipalities:
            root = frame.spot(places.municipalities[name])
        if root is not None:
            at = place_badge(root, BADGE, taken, frame)
            yield DrawnIncident(line, at, path_of((root, at)))
