"""The plan's geometry: the projection, symbols that a finger can hit, labels that cover nothing."""

from itertools import combinations
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.queries.watch.plan_layout import (
    APART,
    GREATEST_HEIGHT,
    LEAST_HEIGHT,
    WIDTH,
    Box,
    beside,
    fit,
    inner_points,
    keep_apart,
    label_box,
    path_of,
    place_badge,
    place_label,
)

SQUARE = ((100.0, 60.0), (200.0, 60.0), (200.0, 160.0), (100.0, 160.0), (100.0, 60.0))
DEGREES = st.tuples(st.floats(-35.2, -34.7), st.floats(-58.2, -57.6))


def test_north_is_up_and_east_is_right() -> None:
    frame = fit([(-35.0, -58.1), (-34.8, -57.8)])
    assert frame.spot((-34.8, -57.8)) == (WIDTH - 18, 18.0)
    assert frame.spot((-35.0, -58.1))[0] == pytest.approx(18, abs=0.1)
    assert frame.spot((-35.0, -58.1))[1] > frame.spot((-34.8, -58.1))[1]


@given(st.lists(DEGREES, min_size=1, max_size=40))
def test_every_point_is_on_the_plan_and_a_phone_keeps_half_of_its_screen(points: list[tuple[float, float]]) -> None:
    frame = fit(points)
    assert LEAST_HEIGHT <= frame.height <= GREATEST_HEIGHT
    for x, y in map(frame.spot, points):
        assert 0 <= x <= WIDTH
        assert 0 <= y <= frame.height


@given(st.lists(st.tuples(st.integers(0, 360), st.integers(0, 240)), min_size=2, max_size=40))
def test_a_finger_hits_one_symbol_also_where_stations_share_a_place(anchors: list[tuple[int, int]]) -> None:
    spots = keep_apart(tuple((float(x), float(y)) for x, y in anchors), 240.0)
    nearest = min(hypot(a[0] - b[0], a[1] - b[1]) for a, b in combinations(spots, 2))
    assert nearest > 0.75 * APART


def test_a_symbol_with_room_around_it_stays_where_its_station_is() -> None:
    moved = keep_apart(((60.0, 60.0), (200.0, 100.0)), 240.0)
    assert all(hypot(x - a, y - b) <= 1.5 for (x, y), (a, b) in zip(moved, ((60, 60), (200, 100)), strict=True))


def test_five_hundred_stations_are_laid_out_too() -> None:
    spots = keep_apart(tuple((float(17 * n % 360), float(29 * n % 240)) for n in range(500)), 240.0)
    assert len(set(spots)) == 500


def test_the_first_inner_point_is_far_from_every_edge() -> None:
    x, y = inner_points((SQUARE,), 240.0)[0]
    assert 138 <= x <= 162
    assert 98 <= y <= 122


def test_a_basin_outside_the_plan_has_no_inner_point() -> None:
    assert inner_points((tuple((x + 900, y) for x, y in SQUARE),), 240.0) == ()


def test_a_label_goes_to_the_other_side_when_one_is_taken_and_away_when_all_are() -> None:
    at, frame = (180.0, 120.0), fit([(-35.0, -58.1), (-34.8, -57.8)])
    free = place_label("7 y 514", beside(at, "7 y 514"), [], frame.holds)
    right = Box(190.0, 100.0, 100.0, 40.0)
    other = place_label("7 y 514", beside(at, "7 y 514"), [right], frame.holds)
    assert free is not None
    assert other is not None
    assert free.x > 180 > other.x
    assert place_label("7 y 514", beside(at, "7 y 514"), [Box(0, 0, WIDTH, 300)], frame.holds) is None


def test_labels_never_cover_each_other() -> None:
    frame = fit([(-35.0, -58.1), (-34.8, -57.8)])
    taken: list[Box] = []
    for n in range(60):
        place_label(f"Estación {n}", beside((6.0 * n, 4.0 * n % 230), f"Estación {n}"), taken, frame.holds)
    assert len(taken) > 10
    assert all(not one.overlap(other) for one, other in combinations(taken, 2))
    assert all(frame.holds(one) for one in taken)


def test_a_badge_stands_at_the_nearest_free_place_and_is_shown_even_without_one() -> None:
    frame = fit([(-35.0, -58.1), (-34.8, -57.8)])
    symbol = Box.around((180.0, 120.0), APART, APART)
    x, y = place_badge((180.0, 120.0), (38.0, 24.0), [symbol], frame)
    assert 0 < hypot(x - 180, y - 120) < 45
    assert not Box.around((x, y), 38.0, 24.0).overlap(symbol)
    assert frame.holds(Box.around(place_badge((180.0, 120.0), (38.0, 24.0), [Box(0, 0, 400, 400)], frame), 38.0, 24.0))


def test_a_path_is_drawn_with_as_few_letters_as_it_needs() -> None:
    assert path_of(((1.0, 2.5), (3.0, 4.0))) == "M1 2.5 3 4"
    assert path_of(((1.0, 2.5), (3.0, 4.0)), closed=True).endswith("Z")
    assert label_box("abc", (10.0, 10.0)).width > 15
