"""Lateness of departures from terminals."""

from hypothesis import given
from hypothesis import strategies as st

from services.transit.travel_times import terminal_departures


def test_a_terminal_with_late_departures_has_its_own_quantiles() -> None:
    city, terminal = terminal_departures.empty_counts(), terminal_departures.empty_counts()
    for _ in range(30):
        terminal_departures.count_departure(terminal, 200.0)
    assert 180 < terminal_departures.lateness_quantiles_s(terminal, city, -300.0)[1] < 240
    assert terminal_departures.lateness_quantiles_s(None, city, -300.0)[1] < 120


@given(st.lists(st.floats(-2_000, 9_000), max_size=60), st.floats(-1_000, 5_000))
def test_quantiles_of_a_bus_that_has_not_left_are_not_in_the_past(lateness: list[float], least_s: float) -> None:
    terminal = terminal_departures.empty_counts()
    for late_s in lateness:
        terminal_departures.count_departure(terminal, late_s)
    p10, p50, p90 = terminal_departures.lateness_quantiles_s(terminal, terminal_departures.empty_counts(), least_s)
    assert p10 <= p50 <= p90
    assert p10 >= max(least_s, terminal_departures.BOUNDS_S[0])
