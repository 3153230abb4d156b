"""Stops along a shape: loops, streets driven in both directions, wrong distances, one stop far away."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.gtfs.stop_distances import SEGMENT_M, place_stops
from models.geo import Point, cumulative_distances_m, point_at_distance
from models.network import Shape
from tests.transit_city import at


def line(*metres: tuple[float, float]) -> Shape:
    """A shape through points, metres east and north."""
    points = tuple(at(*one) for one in metres)
    return Shape("line", points, cumulative_distances_m(points))


def placed(shape: Shape, *metres: tuple[float, float], given_m: tuple[float, ...] | None = None) -> list[int]:
    """Where stops come to lie, to 10 m."""
    return [round(one / 10) * 10 for one in place_stops(shape, [at(*one) for one in metres], given_m).stop_m]


OUT_AND_BACK = line((0, 0), (1000, 0), (0, 0))
LASSO = line((0, 0), (1000, 0), (1000, 500), (1500, 500), (1500, 0), (1000, 0), (0, 0))
ROUND = line((0, 0), (400, 0), (400, 400), (0, 400), (0, 0))


def test_stops_of_a_street_driven_out_and_back_lie_each_on_its_way() -> None:
    stops = ((0, 5), (400, -5), (900, -5), (900, 5), (400, 5), (0, 5))
    assert placed(OUT_AND_BACK, *stops) == [0, 400, 900, 1100, 1600, 2000]


def test_a_stop_served_on_one_way_only_is_laid_where_the_trip_would_be_by_then() -> None:
    assert placed(OUT_AND_BACK, (0, 0), (300, 0), (800, 0), (0, 0)) == [0, 300, 800, 2000]
    assert placed(OUT_AND_BACK, (0, 0), (800, 0), (300, 0), (0, 0)) == [0, 800, 1700, 2000]


def test_a_loop_begins_and_ends_at_one_stop() -> None:
    assert placed(ROUND, (0, 0), (400, 0), (400, 400), (0, 400), (0, 0)) == [0, 400, 800, 1200, 1600]


def test_a_loop_at_the_end_of_a_street_is_driven_once() -> None:
    stops = ((0, 0), (500, 0), (1000, 250), (1500, 250), (1250, 0), (500, 0), (0, 0))
    assert placed(LASSO, *stops) == [0, 500, 1250, 2250, 2750, 3500, 4000]


def test_distances_that_make_sense_decide_between_two_passes() -> None:
    stops = ((0, 0), (300, 0), (0, 0))
    assert placed(OUT_AND_BACK, *stops, given_m=(0, 300, 2000)) == [0, 300, 2000]
    assert placed(OUT_AND_BACK, *stops, given_m=(0, 1700, 2000)) == [0, 1700, 2000]


def test_distances_in_a_wrong_unit_are_not_believed() -> None:
    stops = ((0, 0), (300, 0), (900, 0), (300, 0), (0, 0))
    assert placed(OUT_AND_BACK, *stops, given_m=(0.0, 0.3, 0.9, 1.7, 2.0)) == [0, 300, 900, 1700, 2000]


def test_distances_that_are_roughly_right_give_way_to_where_the_stops_stand() -> None:
    assert placed(OUT_AND_BACK, (0, 0), (300, 0), (0, 0), given_m=(0, 1650, 2000)) == [0, 1700, 2000]


def test_a_trip_may_run_along_a_part_of_its_shape() -> None:
    assert placed(LASSO, (1500, 250), (1250, 0), (500, 0)) == [2250, 2750, 3500]


def test_one_stop_far_off_misplaces_no_other() -> None:
    stops = ((0, 0), (300, 0), (600, 9000), (900, 0))
    first, second, _, fourth = placed(line((0, 0), (1000, 0)), *stops)
    assert (first, second, fourth) == (0, 300, 900)


def test_a_shape_without_length_holds_its_stops_at_its_beginning() -> None:
    assert placed(line((0, 0), (0, 0)), (0, 0), (10, 0)) == [0, 0]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-2000, 2000), st.integers(-2000, 2000)), min_size=2, max_size=12),
    st.lists(st.tuples(st.integers(-3000, 3000), st.integers(-3000, 3000)), min_size=2, max_size=12),
)
def test_stops_never_lie_before_the_one_before(shape: list[tuple[int, int]], stops: list[tuple[int, int]]) -> None:
    drawn = line(*shape)
    stop_m = place_stops(drawn, [at(*one) for one in stops]).stop_m
    assert list(stop_m) == sorted(stop_m)
    assert 0 <= stop_m[0] <= stop_m[-1] <= drawn.length_m + 1e-6


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(-2000, 2000), st.integers(-2000, 2000)), min_size=3, max_size=8, unique=True),
    st.lists(st.floats(0, 1), min_size=2, max_size=10),
)
@example([(0, 0), (-63, -355), (180, 747), (0, -322), (-1, 0), (0, 347)], [0.0, 1.0, 0.90625])
def test_stops_that_stand_on_the_line_in_order_are_found_within_two_pieces_of_it(
    shape: list[tuple[int, int]], shares: list[float]
) -> None:
    drawn = line(*shape)
    stops: list[Point] = [
        point_at_distance(drawn.points, drawn.along_m, share * drawn.length_m) for share in sorted(shares)
    ]
    assert max(place_stops(drawn, stops).offset_m) < 2 * SEGMENT_M
