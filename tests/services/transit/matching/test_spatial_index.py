"""Spatial index of shapes: distance along a shape, and which shapes pass near a point."""

from itertools import pairwise
from math import hypot, inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geo import cumulative_distances_m
from models.network import Shape
from services.transit.matching.spatial_index import SIMPLIFY_M, ShapeIndex, ShapeOnPlane
from tests.transit_city import BACK, LOOP, OUT, SHORT, at, network

CITY = network()
INDEX = ShapeIndex(CITY)
PLANE = INDEX.plane
METRES = st.floats(-3000, 3000)


def _shape(metres: list[tuple[float, float]]) -> Shape:
    points = tuple(at(*metre) for metre in metres)
    return Shape("", points, cumulative_distances_m(points))


def _least_offset(shape: Shape, x: float, y: float) -> float:
    """Distance to the shape as given, segment by segment."""
    best = inf
    points = [PLANE.xy(point) for point in shape.points]
    for (ax, ay), (bx, by) in pairwise(points):
        square = (bx - ax) ** 2 + (by - ay) ** 2
        share = max(0.0, min(1.0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / square)) if square else 0.0
        best = min(best, hypot(x - ax - share * (bx - ax), y - ay - share * (by - ay)))
    return best


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(METRES, METRES), min_size=2, max_size=30), METRES, METRES)
def test_simplifying_changes_no_offset_by_more_than_allowed(
    metres: list[tuple[float, float]], east: float, north: float
) -> None:
    shape = _shape(metres)
    x, y = PLANE.xy(at(east, north))
    along, offset = ShapeOnPlane(shape, PLANE).nearest((x, y), 0.0, shape.length_m, 0.0, 0.0)
    assert abs(offset - _least_offset(shape, x, y)) <= SIMPLIFY_M + 0.01
    assert 0.0 <= along <= shape.length_m


def test_a_straight_street_drawn_by_many_vertices_needs_two() -> None:
    shape_on_plane = ShapeOnPlane(_shape([(10.0 * step, 0.5 * (step % 2)) for step in range(30)]), PLANE)
    assert len(shape_on_plane.xs) == 2


def test_only_the_given_range_is_searched() -> None:
    there_and_back = ShapeOnPlane(_shape([(0, 0), (1000, 0), (1000, 10), (0, 10)]), PLANE)
    here = PLANE.xy(at(300, 5))
    assert there_and_back.nearest(here, 0, 900, 0, 1.0)[0] == pytest.approx(300, abs=2)
    assert there_and_back.nearest(here, 900, 2010, 1700, 1.0)[0] == pytest.approx(1710, abs=2)


def test_of_two_passes_the_expected_one_is_chosen() -> None:
    there_and_back = ShapeOnPlane(_shape([(0, 0), (1000, 0), (1000, 10), (0, 10)]), PLANE)
    here = PLANE.xy(at(300, 5))
    found = [there_and_back.nearest(here, 0, 2010, expected, 6.0)[0] for expected in (250, 1800)]
    assert found == [pytest.approx(300, abs=2), pytest.approx(1710, abs=2)]


def test_a_shape_that_passes_twice_is_found_twice() -> None:
    shape_on_plane = INDEX.shapes[INDEX.shape_numbers[LOOP]]
    here = PLANE.xy(at(5, 0))
    passes = shape_on_plane.passes(here, range(len(shape_on_plane.xs) - 1), 30.0)
    assert [round(along) for along, _ in passes] == [0, pytest.approx(1595, abs=3)]


def test_the_index_finds_what_passes_near_and_nothing_far_away() -> None:
    near = INDEX.segments_near(PLANE.xy(at(600, 30)), 60.0)
    assert {pattern for number in near for pattern in INDEX.patterns_on[number]} == {OUT, SHORT, BACK}
    assert INDEX.segments_near(PLANE.xy(at(5000, 5000)), 60.0) == {}


@settings(max_examples=100, deadline=None)
@given(METRES, METRES, st.floats(1.0, 300.0))
def test_the_index_misses_nothing_within_the_distance(east: float, north: float, reach: float) -> None:
    x, y = PLANE.xy(at(east, north))
    near = INDEX.segments_near((x, y), reach)
    for number, shape_on_plane in enumerate(INDEX.shapes):
        shape = CITY.patterns[INDEX.patterns_on[number][0]].shape
        if _least_offset(shape, x, y) <= reach - SIMPLIFY_M:
            assert shape_on_plane.passes((x, y), near[number], reach)
