"""Paths of the schematic lines: from the corners where a line turns to stop poles, stops and patterns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import hypot

from models.geo import Point, cumulative_distances_m
from models.network import Pattern, Shape, Stop
from simulators.lines.street_plan import ALONG, Corner, PlanPoint, corner_point, corners_between, distance_m, to_latlon

PoleKey = tuple[str, tuple[int, int]]
"""Name of a stop pole, and the signs of u and v in the direction of its buses."""

STOP_SETBACK_M = 15.0
"""Distance of a stop before the corner, at the kerb on the right."""
KERB_OFFSET_M = 7.0
MIN_STOP_SPACING_M = 110.0
"""A stop nearer than this to the one before is left out: where a line turns, two streets have stops at one corner."""
FIRST_CODE = 1_200
KNOWN_CODES = {("7 y 50", (0, 1)): 1_912}
"""A pole with a fixed code, since examples use it."""


@dataclass(frozen=True, slots=True)
class StopPole:
    """A stop of one direction: the name of the corner, and the direction of the buses as signs of u and v."""

    name: str
    direction_signs: tuple[int, int]
    point: PlanPoint


@dataclass(frozen=True, slots=True)
class RoutePath:
    """A path on the street plan, its stop poles and their distances along it, metres."""

    points: tuple[PlanPoint, ...]
    poles: tuple[StopPole, ...]
    pole_m: tuple[float, ...]


def route_path(corners: Iterable[str]) -> RoutePath:
    """The path along these corners, with a pole at every second street. It begins and ends at a pole."""
    turns = [corner_point(words) for words in corners]
    turns[0], turns[-1] = _moved_end(turns[0], turns[1], -1), _moved_end(turns[-1], turns[-2], 1)
    poles: list[StopPole] = []
    places: list[float] = []
    length_so_far_m = 0.0
    for here, there in pairwise(turns):
        for pole, at_m in _poles(here, there):
            if not poles or length_so_far_m + at_m - places[-1] >= MIN_STOP_SPACING_M:
                poles.append(pole)
                places.append(length_so_far_m + at_m)
        length_so_far_m += distance_m(here, there)
    begin, end = places[0], places[-1]
    return RoutePath(_section(turns, begin, end), tuple(poles), tuple(at - begin for at in places))


def _moved_end(end: PlanPoint, neighbour: PlanPoint, sense: int) -> PlanPoint:
    """An end point moved along its street by twice the setback, forward (1) or back: its pole is on the path."""
    length = distance_m(end, neighbour)
    share = 2 * STOP_SETBACK_M / length
    if sense > 0:
        return (end[0] + share * (end[0] - neighbour[0]), end[1] + share * (end[1] - neighbour[1]))
    return (end[0] - share * (neighbour[0] - end[0]), end[1] - share * (neighbour[1] - end[1]))


def _poles(here: PlanPoint, there: PlanPoint) -> list[tuple[StopPole, float]]:
    """The poles of a straight section with their distances along it, metres; none before its start."""
    length = distance_m(here, there)
    du, dv = (there[0] - here[0]) / length, (there[1] - here[1]) / length
    towards = (round(du), round(dv)) if min(abs(du), abs(dv)) < 0.01 else (_sign(du), _sign(dv))
    found = []
    for one in corners_between(here, there):
        at_m = distance_m(here, one.point) - STOP_SETBACK_M
        if at_m >= 0:
            found.append((_pole(one, towards, (du, dv)), at_m))
    return found


def _pole(at: Corner, towards: tuple[int, int], heading: tuple[float, float]) -> StopPole:
    """At the kerb on the right: u grows south-westwards and v south-eastwards, so right of (du, dv) is (dv, -du)."""
    du, dv = heading
    u = at.point[0] - STOP_SETBACK_M * du + KERB_OFFSET_M * dv
    v = at.point[1] - STOP_SETBACK_M * dv - KERB_OFFSET_M * du
    return StopPole(at.name, towards, (u, v))


def _sign(value: float) -> int:
    return 1 if value > 0 else -1


def _section(turns: list[PlanPoint], begin: float, end: float) -> tuple[PlanPoint, ...]:
    """The part of the line between two distances along it."""
    points_on_plan: list[tuple[float, PlanPoint]] = []
    length_so_far_m = 0.0
    for here, there in pairwise(turns):
        length = distance_m(here, there)
        points_on_plan += [
            (at_m, _between(here, there, (at_m - length_so_far_m) / length))
            for at_m in (begin, end)
            if length_so_far_m <= at_m < length_so_far_m + length
        ]
        length_so_far_m += length
        if begin < length_so_far_m < end:
            points_on_plan.append((length_so_far_m, there))
    return tuple(spot for _, spot in sorted(points_on_plan, key=lambda pair: pair[0]))


def _between(here: PlanPoint, there: PlanPoint, share: float) -> PlanPoint:
    return (here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1]))


def stops_by_pole(ways: Iterable[RoutePath]) -> dict[PoleKey, Stop]:
    """A stop for each pole, by name and direction, with its public code: LP, BE or EN and a number."""
    poles = {(pole.name, pole.direction_signs): pole for one in ways for pole in one.poles}
    taken = set(KNOWN_CODES.values())
    free = (number for number in range(FIRST_CODE, 10_000) if number not in taken)
    stops = {}
    for key in sorted(poles, key=lambda key: (poles[key].point[1], poles[key].point[0], key)):
        number = KNOWN_CODES[key] if key in KNOWN_CODES else next(free)
        code = f"{_municipality(poles[key].point)}{number}"
        stops[key] = Stop(id=code, code=code, name=key[0], point=_rounded(poles[key].point))
    return stops


def _municipality(spot: PlanPoint) -> str:
    """The municipality, schematic: more than a kilometre past 122, Ensenada towards 32 and Berisso towards 72."""
    if spot[0] > ALONG["122"] - 1_000:
        return "LP"
    return "EN" if spot[1] < 2_562 else "BE"


def _rounded(spot: PlanPoint) -> Point:
    latitude, longitude = to_latlon(spot)
    return (round(latitude, 6), round(longitude, 6))


def path_pattern(index: int, shape_id: str, direction: int, one: RoutePath, stops: Mapping[PoleKey, Stop]) -> Pattern:
    """The pattern of a path in one direction. The shape is in the middle of the street, the stops are at the kerb.

    shape_id: begins with the id of the route and a hyphen.
    """
    points = tuple(_rounded(spot) for spot in one.points)
    along = cumulative_distances_m(points)
    plan_m = sum(hypot(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(one.points))
    ids = tuple(stops[pole.name, pole.direction_signs].id for pole in one.poles)
    return Pattern(
        index=index,
        route_id=shape_id.partition("-")[0],
        direction_id=direction,
        stop_ids=ids,
        stop_m=tuple(min(at_m * along[-1] / plan_m, along[-1]) for at_m in one.pole_m),
        shape=Shape(shape_id, points, along),
        link_ids=tuple(f"{here}>{there}" for here, there in pairwise(ids)),
    )
