"""How much slower than usual a whole city is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transit.travel_times.network_delay import FADE_S, NetworkDelay

SEVEN = 1_772_445_600.0


def risen(*, missed: float, mass: float = 50.0, links: int = 200) -> NetworkDelay:
    tide = NetworkDelay()
    for number in range(links):
        tide.add_traversal(SEVEN + number, 100.0, missed, mass)
    return tide


def test_one_slow_link_says_next_to_nothing_and_hundreds_say_it_all() -> None:
    assert risen(missed=0.2, links=1).relative_delay(SEVEN) < 0.01
    assert risen(missed=0.2, links=1_000).relative_delay(SEVEN + 1_000) == pytest.approx(0.2, abs=0.02)


def test_what_was_seen_long_ago_is_over() -> None:
    tide = risen(missed=0.2)
    assert tide.relative_delay(SEVEN + 200) > 0.15
    assert 0 < tide.relative_delay(SEVEN + 6 * FADE_S) < 0.01


def test_links_of_which_nothing_is_known_tell_nothing_of_the_day() -> None:
    assert risen(missed=0.5, mass=0.0).relative_delay(SEVEN + 200) == 0.0
    assert risen(missed=0.5, mass=2.0).relative_delay(SEVEN + 200) < risen(missed=0.5, mass=50.0).relative_delay(
        SEVEN + 200
    )


def test_a_late_report_counts_by_when_it_happened() -> None:
    """As if it had come in time."""
    late, in_time = NetworkDelay(), NetworkDelay()
    late.add_traversal(SEVEN + 600, 100.0, 0.1, 50.0)
    late.add_traversal(SEVEN, 100.0, 0.5, 50.0)
    in_time.add_traversal(SEVEN, 100.0, 0.5, 50.0)
    in_time.add_traversal(SEVEN + 600, 100.0, 0.1, 50.0)
    assert late.at == in_time.at
    assert late.relative_delay(SEVEN + 900) == pytest.approx(in_time.relative_delay(SEVEN + 900))


@given(
    st.lists(
        st.tuples(st.floats(-1e5, 1e5), st.floats(1, 3_600), st.floats(-1, 1), st.floats(0, 1e4)),
        min_size=1,
        max_size=30,
    ),
    st.floats(-1e6, 1e6),
)
def test_it_is_never_higher_or_lower_than_what_was_seen(
    passages: list[tuple[float, float, float, float]], at: float
) -> None:
    tide = NetworkDelay()
    for after_s, expected_s, missed, mass in passages:
        tide.add_traversal(SEVEN + after_s, expected_s, missed, mass)
    seen = [missed for _, _, missed, _ in passages]
    assert min(0.0, *seen) - 1e-9 <= tide.relative_delay(SEVEN + at) <= max(0.0, *seen) + 1e-9
