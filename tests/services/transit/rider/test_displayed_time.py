"""Times shown to riders are rounded outward to minutes; silent buses have no bare number, withdrawn ones none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transit.model.prediction import Basis
from services.transit.rider.displayed_time import (
    WIDEST_INTERVAL_MIN,
    ArrivingNow,
    MinuteInterval,
    Quantiles,
    RoughTime,
    displayed_time,
    floor_to_minute,
    notable_delay_s,
    rough_time,
)

NOW = 1_772_472_720.0


def ahead(p10: float, p50: float, p90: float) -> Quantiles:
    """Quantiles by minutes from now."""
    return Quantiles(NOW + 60 * p10, NOW + 60 * p50, NOW + 60 * p90, NOW + 60 * p10)


@pytest.mark.parametrize(
    ("minutes", "told"),
    [
        ((4.9, 5.5, 6.1), MinuteInterval(4, 7)),
        ((4.0, 5.0, 7.0), MinuteInterval(4, 7)),
        ((0.2, 1.4, 2.5), MinuteInterval(0, 3)),
        ((-0.5, 0.5, 1.5), ArrivingNow()),
        ((-0.5, 0.5, 4.0), MinuteInterval(0, 4)),
        ((-3.0, -1.0, -0.5), ArrivingNow()),
        ((12.0, 25.0, 40.0), RoughTime(rough_time(NOW + 60 * 25, NOW))),
    ],
)
def test_an_interval_is_rounded_outward(minutes: tuple[float, float, float], told: object) -> None:
    assert displayed_time(ahead(*minutes), Basis.LIVE, NOW) == told


def test_what_will_not_come_has_no_number() -> None:
    assert displayed_time(ahead(4, 5, 6), Basis.NOT_COMING, NOW) is None


def test_a_silent_bus_has_a_rough_time_and_none_once_it_should_have_come() -> None:
    assert isinstance(displayed_time(ahead(4, 5, 6), Basis.NOT_REPORTING, NOW), RoughTime)
    assert displayed_time(ahead(-4, -1, 6), Basis.NOT_REPORTING, NOW) is None


def test_what_the_timetable_says_never_arrives_by_itself() -> None:
    assert displayed_time(ahead(-0.5, 0.5, 1.5), Basis.SCHEDULE, NOW) == MinuteInterval(0, 2)


@given(
    st.lists(st.floats(-30, 120), min_size=3, max_size=3).map(sorted),
    st.sampled_from([Basis.LIVE, Basis.RECENT, Basis.SCHEDULE]),
)
def test_the_time_shown_is_never_narrower_than_the_prediction(minutes: list[float], basis: Basis) -> None:
    match displayed_time(ahead(*minutes), basis, NOW):
        case MinuteInterval(low, high):
            assert 0 <= low <= high <= low + WIDEST_INTERVAL_MIN
            assert low <= max(0.0, minutes[0]) + 1e-6
            assert high >= minutes[2] - 1e-6
        case RoughTime(at):
            assert minutes[2] - max(0.0, minutes[0]) > WIDEST_INTERVAL_MIN - 2
            assert at % 300 == 0
            assert at >= NOW
        case told:
            assert told == ArrivingNow()
            assert minutes[1] < 1
            assert minutes[2] <= 2


@given(st.floats(0, 1e9))
def test_the_time_to_be_there_is_never_later_than_the_safe_one(at: float) -> None:
    assert 0 <= at - floor_to_minute(at) < 60


def test_only_a_bus_that_reports_is_called_late() -> None:
    late = ahead(8, 9, 10)
    assert notable_delay_s(NOW + 240, late, Basis.LIVE) == pytest.approx(300)
    assert notable_delay_s(NOW + 240, late, Basis.SCHEDULE) is None
    assert notable_delay_s(NOW + 480, late, Basis.RECENT) is None
    assert notable_delay_s(NOW + 720, late, Basis.RECENT) == pytest.approx(-180)
