"""Street plan of La Plata, computed: positions of corners, and the corners along a street. Schematic.

Based on publications of the founding plan, not surveyed: a square of about 5 km turned by 45 degrees, streets 1
to 31 parallel to the river and 32 to 72 across them, blocks of 120 m that narrow to 60 m towards the axis of 52, an
avenue every six, diagonals through Plaza Moreno at 13 and 52. Street widths are assumed. Outside the square the grid
continues with whole blocks: 73 and up, 532 and down, 115 to 130 (without 121) and 131 and up, about as the city numbers
them. The two roads to Berisso and Ensenada are straight lines; their stops are named by door number.

On the plan a place is (u, v) in metres: u grows from street 1 towards 31, v from 32 towards 72.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import cos, hypot, radians, sin

from models.geo import Point

PlanPoint = tuple[float, float]
"""A place on the plan, (u, v), metres."""

CENTRE: Point = (-34.9214, -57.9545)
"""Plaza Moreno, 13 and 52."""
AXIS_DEG = 45.0
M_PER_DEGREE_LON = 111_320 * cos(radians(CENTRE[0]))
M_PER_DEGREE_LAT = 110_950
ALONG_AVENUES = frozenset({1, 7, 13, 19, 25, 31})
ACROSS_AVENUES = frozenset({32, 38, 44, 51, 53, 60, 66, 72})
BLOCK_M, AXIS_BLOCK_M = 120.0, 60.0
STREET_M, AVENUE_M = 18.0, 30.0
MODULE_M = BLOCK_M + STREET_M
ROAD_STOP_SPACING_M = 300.0
"""Distance between stops along a road without corners."""
DIAGONAL_TOLERANCE_M = 60.0


def _width(avenues: frozenset[int], number: int) -> float:
    return AVENUE_M if number in avenues else STREET_M


def _street_positions(first: int, last: int, avenues: frozenset[int]) -> dict[int, float]:
    """Road centre lines of the founding square, metres from its first street."""
    steps = (
        _block_m(avenues, number) + (_width(avenues, number) + _width(avenues, number + 1)) / 2
        for number in range(first, last)
    )
    return dict(zip(range(first, last + 1), accumulate(steps, initial=0.0), strict=True))


def _block_m(avenues: frozenset[int], number: int) -> float:
    if avenues is ACROSS_AVENUES and 44 <= number < 60:
        return AXIS_BLOCK_M + (BLOCK_M - AXIS_BLOCK_M) * min(abs(number + 0.5 - 52), 8) / 8
    return BLOCK_M


_U, _V = _street_positions(1, 31, ALONG_AVENUES), _street_positions(32, 72, ACROSS_AVENUES)
ALONG: dict[str, float] = (
    {str(number): at for number, at in _U.items()}
    | {str(number): -BLOCK_M * (number - 114) for number in range(115, 121)}
    | {str(number): -7 * BLOCK_M - MODULE_M * (number - 122) for number in range(122, 131)}
    | {str(number): _U[31] + MODULE_M * (number - 130) for number in range(131, 176)}
    | {"Montevideo": -6_400.0, "La Merced": -5_600.0}
)
"""Streets parallel to the river, and their u. The two with names are the main streets of Berisso and Ensenada."""
ACROSS: dict[str, float] = (
    {str(number): at for number, at in _V.items()}
    | {str(number): _V[72] + MODULE_M * (number - 72) for number in range(73, 100)}
    | {str(number): -MODULE_M * (532 - number) for number in range(440, 532)}
)
"""Streets perpendicular to the river, and their v."""
TOWN_STREETS = frozenset({"Montevideo", "La Merced"})
DIAGONALS: dict[str, tuple[PlanPoint, PlanPoint]] = {
    name: ((ALONG[a], ACROSS[b]), (ALONG[c], ACROSS[d]))
    for name, a, b, c, d in (
        ("73", "31", "32", "122", "72"),
        ("74", "31", "72", "122", "32"),
        ("77", "7", "44", "13", "38"),
        ("78", "7", "60", "13", "66"),
        ("79", "1", "60", "7", "53"),
        ("80", "1", "44", "7", "51"),
    )
}
ROADS_OUT = {"60": "Génova", "44": "Rivadavia"}
"""Names of perpendicular streets past 122."""
CAMINOS = {"13": "Cno. Centenario", "31": "Cno. Belgrano"}
"""Names of streets parallel to the river past 525."""


def to_latlon(spot: PlanPoint) -> Point:
    """Latitude and longitude of a place on the plan, degrees."""
    towards_river = ALONG["13"] - spot[0]
    towards_72 = spot[1] - ACROSS["52"]
    axis = radians(AXIS_DEG)
    east = towards_river * sin(axis) + towards_72 * cos(axis)
    north = towards_river * cos(axis) - towards_72 * sin(axis)
    return (CENTRE[0] + north / M_PER_DEGREE_LAT, CENTRE[1] + east / M_PER_DEGREE_LON)


@dataclass(frozen=True, slots=True)
class Corner:
    """A corner where a bus may stop: its point, and its name, with the street of the bus first ("7 y 50")."""

    point: PlanPoint
    name: str


def corner_point(words: str) -> PlanPoint:
    """The point of a corner such as "7 y 50" or "50 y 7". Raises KeyError if the plan has no such street."""
    one, other = words.split(" y ")
    return (ALONG[one], ACROSS[other]) if one in ALONG else (ALONG[other], ACROSS[one])


def corners_between(here: PlanPoint, there: PlanPoint) -> tuple[Corner, ...]:
    """The corners with stops on the straight path from one point to another, in order.

    Every second street has a stop, so that stops are 240 to 280 m apart in the square. Raises ValueError if no street
    or diagonal joins the two points.
    """
    if here[0] == there[0]:
        found = [one for one in _stops_along(here[0]) if _within(one.point[1], here[1], there[1])]
    elif here[1] == there[1]:
        found = [one for one in _stops_across(here[1]) if _within(one.point[0], here[0], there[0])]
    else:
        found = list(_stops_diagonal(here, there))
    return tuple(sorted(found, key=lambda one: distance_m(here, one.point)))


def distance_m(here: PlanPoint, there: PlanPoint) -> float:
    """The distance between two points of the plan."""
    return hypot(there[0] - here[0], there[1] - here[1])


def _within(value: float, one: float, other: float) -> bool:
    return min(one, other) <= value <= max(one, other)


def _stops_along(u: float) -> Iterator[Corner]:
    name = next(name for name, at in ALONG.items() if at == u)
    if name in TOWN_STREETS:
        yield from (
            Corner((u, v), f"{name} al {abs(v - ACROSS['52']) / 100:.0f}00")
            for v in (ACROSS["52"] + ROAD_STOP_SPACING_M * count for count in range(-20, 40))
        )
        return
    for cross, v in ACROSS.items():
        if int(cross) % 2 == 0:
            shown = CAMINOS[name] if name in CAMINOS and v <= ACROSS["525"] else name
            yield Corner((u, v), f"{shown} y {cross}")


def _stops_across(v: float) -> Iterator[Corner]:
    name = next(name for name, at in ACROSS.items() if at == v)
    for cross, u in ALONG.items():
        if cross not in TOWN_STREETS and (int(cross) % 2 == 1 or cross == "122") and u >= ALONG["122"]:
            yield Corner((u, v), f"{name} y {cross}")
    road = ROADS_OUT.get(name, name)
    for count in range(1, 20):
        yield Corner(
            (ALONG["122"] - ROAD_STOP_SPACING_M * count, v), f"{road} al {ROAD_STOP_SPACING_M * count / 100:.0f}00"
        )


def _stops_diagonal(here: PlanPoint, there: PlanPoint) -> Iterator[Corner]:
    for name, (begin, end) in DIAGONALS.items():
        if all(_distance_from_line_m(spot, begin, end) < DIAGONAL_TOLERANCE_M for spot in (here, there)):
            for cross, u in ALONG.items():
                if cross not in TOWN_STREETS and int(cross) % 2 == 1 and _within(u, here[0], there[0]):
                    share = (u - here[0]) / (there[0] - here[0])
                    yield Corner((u, here[1] + share * (there[1] - here[1])), f"Diag. {name} y {cross}")
            return
    raise ValueError(f"no street joins {here} and {there}")


def _distance_from_line_m(spot: PlanPoint, begin: PlanPoint, end: PlanPoint) -> float:
    du, dv = end[0] - begin[0], end[1] - begin[1]
    return abs((spot[0] - begin[0]) * dv - (spot[1] - begin[1]) * du) / hypot(du, dv)
