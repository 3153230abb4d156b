"""Link ids survive imports that rename trips, routes and stops."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from models.geo import METRES_PER_DEGREE, Point, cumulative_distances_m
from models.links import links_of, with_link_ids
from models.network import Network, Pattern, Shape, Stop
from tests import transit_city
from tests.transit_city import LOOP, OUT, SHORT

CITY = with_link_ids(transit_city.network())


def renamed(network: Network, stop: Callable[[str], str]) -> Network:
    """The same streets after every trip, route, service, block and shape got another id, and maybe every stop."""
    patterns = [
        replace(
            one,
            index=len(network.patterns) - 1 - one.index,
            route_id=f"new-{one.route_id}",
            stop_ids=tuple(map(stop, one.stop_ids)),
            shape=replace(one.shape, id=f"new-{one.shape.id}"),
            link_ids=(),
        )
        for one in reversed(network.patterns)
    ]
    trips = {
        f"new-{name}": replace(trip, id=f"new-{name}", pattern=len(patterns) - 1 - trip.pattern)
        for name, trip in network.trips.items()
    }
    stops = {stop(name): replace(one, id=stop(name)) for name, one in network.stops.items()}
    return replace(network, stops=stops, patterns=tuple(patterns), trips=trips)


def moved(network: Network, metres: Callable[[str], tuple[float, float]]) -> Network:
    """The same network with each stop some metres north and east, and every shape drawn anew through them."""

    def shifted(name: str, point: Point) -> Point:
        north_m, east_m = metres(name)
        return (point[0] + north_m / METRES_PER_DEGREE, point[1] + east_m / METRES_PER_DEGREE)

    stops = {name: replace(stop, point=shifted(name, stop.point)) for name, stop in network.stops.items()}
    patterns = [through(one, stops) for one in network.patterns]
    return replace(network, stops=stops, patterns=tuple(patterns))


def through(pattern: Pattern, stops: dict[str, Stop]) -> Pattern:
    """A pattern along straight lines between its stops."""
    points = tuple(stops[name].point for name in pattern.stop_ids)
    shape = Shape(pattern.shape.id, points, cumulative_distances_m(points))
    return replace(pattern, shape=shape, stop_m=shape.along_m, link_ids=())


def link_ids(network: Network) -> list[tuple[str, ...]]:
    """The ids of all links by pattern, whatever the order of patterns."""
    return sorted(pattern.link_ids for pattern in network.patterns)


def test_patterns_that_share_a_street_share_its_links() -> None:
    assert CITY.patterns[OUT].link_ids[:3] == CITY.patterns[SHORT].link_ids
    every = [name for pattern in CITY.patterns for name in pattern.link_ids]
    assert len(set(every)) == len(links_of(CITY)) == len(every) - 3


def test_a_loop_and_the_trunk_that_it_crosses_have_different_links() -> None:
    loop = CITY.patterns[LOOP]
    assert set(loop.link_ids).isdisjoint(CITY.patterns[OUT].link_ids)
    assert len(set(loop.link_ids)) == 4


def test_links_keep_their_ids_when_trips_and_routes_are_renamed_even_without_known_links() -> None:
    assert link_ids(with_link_ids(renamed(CITY, str))) == link_ids(CITY)


def test_links_keep_their_ids_when_even_the_stops_are_renamed() -> None:
    after = renamed(CITY, lambda name: f"LP-{name}")
    assert link_ids(with_link_ids(after, links_of(CITY))) == link_ids(CITY)
    assert link_ids(with_link_ids(after)) != link_ids(CITY)


@settings(deadline=None)
@given(st.lists(st.tuples(metres := st.floats(-2.5, 2.5), metres), min_size=len(CITY.stops), max_size=len(CITY.stops)))
def test_links_keep_their_ids_when_stops_are_surveyed_anew(errors: list[tuple[float, float]]) -> None:
    shifts = dict(zip(CITY.stops, errors, strict=True))  # less than half a street, whose sides are different links
    after = renamed(moved(CITY, shifts.__getitem__), lambda name: f"x{name}")
    assert link_ids(with_link_ids(after, links_of(CITY))) == link_ids(CITY)


def test_a_stop_id_at_another_place_makes_another_link() -> None:
    after = moved(CITY, lambda name: (0, 0) if name != "N6" else (900, 900))
    was, now = CITY.patterns[OUT].link_ids, with_link_ids(after, links_of(CITY)).patterns[OUT].link_ids
    assert now[:-1] == was[:-1]
    assert now[-1] != was[-1]


def test_stops_that_swap_their_ids_do_not_swap_their_links() -> None:
    swap = {"T2": "T3", "T3": "T2"}
    after = renamed(CITY, lambda name: swap.get(name, name))
    assert link_ids(with_link_ids(after, links_of(CITY))) == link_ids(CITY)


def test_a_detour_between_the_same_stops_is_another_link() -> None:
    plain = CITY.patterns[OUT]
    first, second = (CITY.stops[name].point for name in plain.stop_ids[:2])
    corner = transit_city.at(200, 400)
    points = (first, corner, second, *plain.shape.points[2:])
    shape = Shape("detour", points, cumulative_distances_m(points))
    detour = replace(plain, index=4, shape=shape, stop_m=(0.0, *shape.along_m[2:]), link_ids=())
    network = with_link_ids(replace(CITY, patterns=(*CITY.patterns, detour)), links_of(CITY))
    assert network.patterns[4].link_ids[0] != plain.link_ids[0]
    assert network.patterns[4].link_ids[1:] == plain.link_ids[1:]
    assert link_ids(replace(network, patterns=network.patterns[:4])) == link_ids(CITY)


def test_importing_the_same_again_and_again_changes_no_id() -> None:
    after = CITY
    for number in range(4):
        after = with_link_ids(renamed(after, lambda name, number=number: f"{number}{name}"), links_of(after))  # type: ignore[misc]
    assert link_ids(after) == link_ids(CITY)
