"""Tests of the city's skew: how far Vigía's clock is from those of the devices, whatever was queued."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.quality.city_skew import HEARD_WITHIN_S, MAX_DEVICES, MIN_DEVICES, CitySkew, SkewEstimate

HOUR_S = timedelta(hours=1).total_seconds()
START_S = 1.4e9
TWO = 2


def key(number: int, municipalities: int = TWO) -> tuple[str, str, str]:
    """One of the devices, in turn in each municipality."""
    return f"m{number % municipalities}", "river", f"d{number}"


def heard(skew: CitySkew, minutes: range, lag_s: float, *, devices: int = 10, municipalities: int = TWO) -> None:
    """Hear every device once in each of these minutes."""
    for minute in minutes:
        for number in range(devices):
            at_s = START_S + 60.0 * minute + number
            skew.add(key(number, municipalities), at_s, at_s + lag_s, at_s)


def estimate(skew: CitySkew, minute: int, municipalities: int = TWO) -> SkewEstimate | None:
    """The estimate in that minute."""
    return skew.estimate(START_S + 60.0 * minute, municipalities)


@pytest.mark.parametrize(
    ("lag_s", "wrong"), [(1.0, False), (290.0, False), (301.0, True), (-59.0, False), (-61.0, True), (2 * HOUR_S, True)]
)
def test_the_median_of_many_devices_tells_whether_the_clock_is_wrong(lag_s: float, wrong: bool) -> None:
    skew = CitySkew()
    heard(skew, range(3), lag_s)
    found = estimate(skew, 3)
    assert found is not None
    assert (round(found.skew_s, 3), found.devices, found.is_wrong) == (lag_s, 10, wrong)


def test_few_devices_or_one_municipality_of_several_prove_nothing() -> None:
    few, alone = CitySkew(), CitySkew()
    heard(few, range(3), -HOUR_S, devices=MIN_DEVICES - 1)
    heard(alone, range(3), -HOUR_S, municipalities=1)
    assert (estimate(few, 3), estimate(alone, 3)) == (None, None)
    assert estimate(alone, 3, municipalities=1) is not None


def test_a_minority_moves_nothing_and_clocks_that_disagree_prove_nothing() -> None:
    skew = CitySkew()
    heard(skew, range(3), 1.0)
    for number in range(3):
        skew.add(key(number), START_S, START_S - HOUR_S, START_S + 180)
    found = estimate(skew, 3)
    assert found is not None
    assert not found.is_wrong
    for number in range(3, 5):
        skew.add(key(number), START_S, START_S - HOUR_S, START_S + 180)
    assert estimate(skew, 3) is None


def test_a_step_is_known_before_any_device_is_heard_again() -> None:
    skew = CitySkew()
    heard(skew, range(3), 1.0)
    skew.shift(-2 * HOUR_S)
    found = estimate(skew, 3)
    assert found is not None
    assert found.skew_s == pytest.approx(1.0 - 2 * HOUR_S)
    skew.shift(2 * HOUR_S)
    heard(skew, range(3, 5), 1.0)
    after = estimate(skew, 5)
    assert after is not None
    assert not after.is_wrong


@given(outage=st.integers(10, 300), before=st.integers(0, 3))
def test_a_backlog_after_an_outage_looks_like_no_wrong_clock(outage: int, before: int) -> None:
    skew = CitySkew()
    heard(skew, range(before), 1.0)
    back_s = START_S + 60.0 * outage + 30
    for minute in range(before, outage):  # all of it within a few seconds
        for number in range(10):
            skew.add(key(number), START_S + 60.0 * minute + number, back_s + minute / 100, back_s)
    found = estimate(skew, outage)
    assert found is None or not found.is_wrong


def test_what_was_heard_long_ago_is_forgotten_and_the_memory_is_bounded() -> None:
    skew = CitySkew()
    heard(skew, range(3), 1.0)
    assert skew.estimate(START_S + HEARD_WITHIN_S + 200, TWO) is None
    heard(skew, range(3), -1.0, devices=2 * MAX_DEVICES)
    found = estimate(skew, 3)
    assert found is not None
    assert found.devices == MAX_DEVICES
