"""Network-wide delay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transit.travel_times.network_delay import FADE_S, NetworkDelay

SEVEN = 1_772_445_600.0


def delay_after(*, excess: float, history_weight: float = 50.0, links: int = 200) -> NetworkDelay:
    delay = NetworkDelay()
    for number in range(links):
        delay.add_traversal(SEVEN + number, 100.0, excess, history_weight)
    return delay


def test_one_slow_link_counts_little_and_hundreds_count_fully() -> None:
    assert delay_after(excess=0.2, links=1).relative_delay(SEVEN) < 0.01
    assert delay_after(excess=0.2, links=1_000).relative_delay(SEVEN + 1_000) == pytest.approx(0.2, abs=0.02)


def test_an_old_delay_has_faded() -> None:
    delay = delay_after(excess=0.2)
    assert delay.relative_delay(SEVEN + 200) > 0.15
    assert 0 < delay.relative_delay(SEVEN + 6 * FADE_S) < 0.01


def test_links_without_history_do_not_count() -> None:
    assert delay_after(excess=0.5, history_weight=0.0).relative_delay(SEVEN + 200) == 0.0
    assert delay_after(excess=0.5, history_weight=2.0).relative_delay(SEVEN + 200) < delay_after(
        excess=0.5, history_weight=50.0
    ).relative_delay(SEVEN + 200)


def test_a_late_report_counts_at_its_own_time() -> None:
    """The result is as if the report had come in time."""
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
def test_the_delay_lies_within_the_observed_values(
    traversals: list[tuple[float, float, float, float]], at: float
) -> None:
    delay = NetworkDelay()
    for after_s, expected_s, excess, history_weight in traversals:
        delay.add_traversal(SEVEN + after_s, expected_s, excess, history_weight)
    seen = [excess for _, _, excess, _ in traversals]
    assert min(0.0, *seen) - 1e-9 <= delay.relative_delay(SEVEN + at) <= max(0.0, *seen) + 1e-9
