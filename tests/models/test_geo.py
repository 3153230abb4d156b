"""Distances on the ground, and places along a line."""

from math import hypot

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geo import EARTH_RADIUS_M, Plane, cumulative_distances_m, distance_m, nearest_on_segment, point_at_distance

LA_PLATA, BUENOS_AIRES = (-34.9214, -57.9544), (-34.6037, -58.3816)


def test_a_quarter_of_the_way_round_is_a_quarter_of_the_circumference() -> None:
    assert distance_m((0, 0), (0, 90)) == pytest.approx(EARTH_RADIUS_M * 3.141592653589793 / 2)
    assert distance_m((90, 0), (-90, 0)) == pytest.approx(EARTH_RADIUS_M * 3.141592653589793)
    assert distance_m(LA_PLATA, BUENOS_AIRES) == pytest.approx(52_600, rel=0.01)
    assert distance_m(LA_PLATA, LA_PLATA) == 0


@settings(deadline=None)
@given(st.floats(-5000, 5000), st.floats(-5000, 5000))
def test_a_plane_measures_a_city_right_to_a_thousandth(east_m: float, north_m: float) -> None:
    plane = Plane(LA_PLATA[0])
    x, y = plane.xy(LA_PLATA)
    there = plane.point(x + east_m, y + north_m)
    assert distance_m(LA_PLATA, there) == pytest.approx(hypot(east_m, north_m), rel=1e-3, abs=0.01)


def test_a_line_is_walked_from_end_to_end() -> None:
    line = ((0.0, 0.0), (0.0, 0.01), (0.0, 0.01), (0.01, 0.01))
    walked = cumulative_distances_m(line)
    assert walked[0] == 0
    assert walked[1] == walked[2]
    assert point_at_distance(line, walked, -5) == line[0]
    assert point_at_distance(line, walked, walked[-1] + 5) == line[-1]
    assert point_at_distance(line, walked, walked[1]) == line[1]
    assert point_at_distance(line, walked, walked[1] / 2) == pytest.approx((0, 0.005))


def test_the_nearest_of_a_segment_is_its_foot_or_an_end() -> None:
    assert nearest_on_segment(3, 4, 0, 0, 10, 0) == (0.3, 4)
    assert nearest_on_segment(-3, 4, 0, 0, 10, 0) == (0, 5)
    assert nearest_on_segment(13, 4, 0, 0, 10, 0) == (1, 5)
    assert nearest_on_segment(3, 4, 0, 0, 0, 0) == (0, 5)
