"""Times of a trip: blanks filled by distance, times after midnight, no time goes back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.gtfs.fields import BLANK
from ingest.gtfs.stop_times import TIME_GOES_BACK, TIME_RESTARTS, build_timing, relative_to_start
from models.network import Timing

EVEN = (0.0, 100.0, 200.0, 300.0)
NOTHING = ("",) * 4


def test_times_are_counted_from_the_start() -> None:
    assert relative_to_start(100, (100, BLANK, 160)) == (0, None, 60)


@pytest.mark.parametrize(
    ("arrivals", "departures", "expected", "mended"),
    [
        ((0, 60, 120, 180), (0, 70, 120, 180), Timing((0, 60, 120, 180), (0, 70, 120, 180)), []),
        ((-30, 60, 120, 180), (0, 60, 120, 180), Timing((-30, 60, 120, 180), (0, 60, 120, 180)), []),
        ((30, 60, 120, 180), (0, 60, 120, 180), Timing((0, 60, 120, 180), (0, 60, 120, 180)), []),
        (
            (0, 60, 50, 180),
            (0, 60, 50, 180),
            Timing((0, 60, 60, 180), (0, 60, 60, 180)),
            [TIME_GOES_BACK, TIME_GOES_BACK],
        ),
        (
            (0, 60, -86_280, -86_220),
            (0, 60, -86_280, -86_220),
            Timing((0, 60, 120, 180), (0, 60, 120, 180)),
            [TIME_RESTARTS],
        ),
        (
            (0, None, None, 180),
            (0, None, None, 200),
            Timing((0, 60, 120, 180), (0, 60, 120, 200), (True, False, False, True)),
            [],
        ),
        ((0, 50, None, 180), (0, None, 120, 180), Timing((0, 50, 120, 180), (0, 50, 120, 180)), []),
        (
            (0, None, -86_280, -86_220),
            (0, None, -86_280, -86_220),
            Timing((0, 60, 120, 180), (0, 60, 120, 180), (True, False, True, True)),
            [TIME_RESTARTS],
        ),
    ],
    ids=["plain", "comes-before", "comes-after-it-left", "falls", "wraps", "blanks", "one-of-two", "blank-at-midnight"],
)
def test_what_the_feed_says_becomes_times_that_rise(
    arrivals: tuple[int | None, ...], departures: tuple[int | None, ...], expected: Timing, mended: list[str]
) -> None:
    assert build_timing(arrivals, departures, NOTHING, EVEN) == (expected, mended)


def test_stops_in_one_place_share_the_time_evenly() -> None:
    timing, _ = build_timing((0, None, None, 90), (0, None, None, 90), NOTHING, (5.0, 5.0, 5.0, 5.0))
    assert timing.arrivals_s == (0, 30, 60, 90)


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(-100_000, 200_000)), min_size=2, max_size=30),
    st.lists(st.sampled_from(["", "0", "1"]), min_size=32, max_size=32),
)
def test_whatever_is_said_times_never_fall(said: list[int | None], promised: list[str]) -> None:
    arrivals = (0, *said, 10)
    stop_m = tuple(float(number * number) for number in range(len(arrivals)))
    timing, _ = build_timing(arrivals, arrivals, promised[: len(arrivals)], stop_m)
    times = [time for both in zip(timing.arrivals_s, timing.departures_s, strict=True) for time in both]
    assert times == sorted(times)
    assert timing.departures_s[0] == 0
    assert len(timing.arrivals_s) == len(arrivals)
