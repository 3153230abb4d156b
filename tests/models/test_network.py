"""Journeys of a timetable: frequency-based, past midnight, on holidays, at clock changes; merging of feeds."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.merging import TimeZonesDiffer, merge_networks
from models.network import Frequency, Journey, Network, Service, service_day_start, start_times_s
from tests import transit_city
from tests.transit_city import BACK, HOLIDAY, LOOP, MONDAY, OUT, SHORT, SUNDAY, ZONE

CITY = transit_city.network()
NEW_YORK = ZoneInfo("America/New_York")


def at(day: date, hours: float) -> float:
    """An instant, hours after the zero of a day."""
    return service_day_start(day, ZONE) + hours * 3600


def running_between(pattern: int, start: float, end: float) -> set[tuple[str, str, int]]:
    """Keys of the journeys that run between two instants."""
    return {journey.key for journey in CITY.journeys_between(pattern, start, end)}


def every_journey(network: Network, pattern: int, days: Iterator[date]) -> Iterator[Journey]:
    """All journeys along a pattern on some days, found without the search."""
    for day in days:
        for trip in network.trips_by_pattern[pattern]:
            if network.services[trip.service_id].runs_on(day):
                for start_s in start_times_s(trip):
                    journey = network.journey(trip.id, day, start_s)
                    assert journey is not None
                    yield journey


def test_a_trip_is_on_the_road_from_its_first_departure_to_its_last_arrival() -> None:
    begins, lasts_s = at(MONDAY, 8), CITY.trips["10-0800"].duration_s
    key = ("10-0800", "20260302", 8 * 3600)
    assert running_between(OUT, begins - 60, begins) == {key}
    assert running_between(OUT, begins + lasts_s, begins + lasts_s + 60) == {key}
    assert running_between(OUT, begins - 60, begins - 1) == set()
    assert running_between(OUT, begins + lasts_s + 1, begins + lasts_s + 60) == set()


def test_a_trip_past_midnight_belongs_to_the_day_before() -> None:
    assert running_between(OUT, at(MONDAY, 0.5), at(MONDAY, 0.6)) == {("10-2430", "20260301", 88_200)}


def test_a_holiday_has_the_trips_of_a_sunday() -> None:
    for day in (HOLIDAY, SUNDAY):
        assert {key[0] for key in running_between(BACK, at(day, 6), at(day, 9))} == {
            "w10b-0640",
            "w10b-0740",
            "w10b-0840",
        }
    assert len(running_between(BACK, at(MONDAY, 6), at(MONDAY, 9))) == 8


def test_a_frequency_based_trip_makes_many_journeys_that_differ_by_start() -> None:
    found = [key[2] for key in sorted(running_between(LOOP, at(MONDAY, 8.8), at(MONDAY, 9.2)))]
    assert found == [31_800, 32_400]
    assert all(journey.frequency_based for journey in CITY.journeys_between(LOOP, at(MONDAY, 8), at(MONDAY, 9)))


@settings(deadline=None)
@given(
    st.sampled_from([OUT, SHORT, BACK, LOOP]),
    st.floats(-30 * 3600, 80 * 3600),
    st.floats(0, 60 * 3600),
)
def test_the_search_finds_the_same_as_trying_every_journey(pattern: int, from_s: float, for_s: float) -> None:
    start = service_day_start(MONDAY, ZONE) + from_s
    days = (MONDAY + timedelta(days=number) for number in range(-5, 9))
    assert running_between(pattern, start, start + for_s) == {
        journey.key
        for journey in every_journey(CITY, pattern, days)
        if journey.start_at <= start + for_s and journey.end_at >= start
    }


@pytest.mark.parametrize("changes", [date(2026, 3, 8), date(2026, 11, 1)])
def test_on_the_day_the_clocks_change_no_journey_is_lost_or_found_twice(changes: date) -> None:
    service = Service("daily", (True,) * 7, date(2026, 1, 1), date(2026, 12, 31))
    trips = {name: replace(trip, service_id="daily") for name, trip in CITY.trips.items()}
    network = replace(CITY, zone=NEW_YORK, trips=trips, services={"daily": service})
    around = [changes + timedelta(days=number) for number in (-1, 0, 1)]
    for pattern in (OUT, LOOP):
        for journey in every_journey(network, pattern, iter(around)):
            found = [one.key for one in network.journeys_between(pattern, journey.start_at, journey.start_at)]
            assert found.count(journey.key) == 1


def test_a_trip_without_a_departure_has_no_journey() -> None:
    idle = replace(CITY.trips["20"], frequencies=(Frequency(100, 100, 60, exact=True),))
    network = replace(CITY, trips={"20": idle})
    assert list(network.journeys_between(LOOP, at(MONDAY, 0), at(MONDAY, 24))) == []
    assert list(network.journeys_between(OUT, at(MONDAY, 0), at(MONDAY, 24))) == []


def test_the_cached_days_are_bounded_and_emptying_the_cache_changes_nothing() -> None:
    city = transit_city.network()
    first = city.service_day(MONDAY)
    for number in range(2000):
        city.service_day(MONDAY + timedelta(days=number))
    assert len(city._days) <= 500
    assert city.service_day(MONDAY) == first


def test_merging_renames_clashing_ids_and_shares_what_is_the_same() -> None:
    here, there = CITY, replace(transit_city.network("other"), feed="norte")
    stops = dict(there.stops) | {"L2": replace(there.stops["L2"], point=transit_city.at(5000, 5000))}
    both = merge_networks([here, replace(there, stops=stops)])
    assert both.version == "test+other"
    assert set(both.trips) == set(here.trips) | {f"norte:{name}" for name in there.trips}
    assert set(both.routes) == {"10", "20", "norte:10", "norte:20"}
    assert set(both.stops) == {*here.stops, "norte:L2"}
    assert set(both.agencies) == {"muni"}
    assert set(both.trips_by_block) == set(here.trips_by_block) | {f"norte:{name}" for name in there.trips_by_block}
    loop = both.patterns[len(here.patterns) + LOOP]
    assert loop.index == len(here.patterns) + LOOP
    assert loop.stop_ids == ("T1", "norte:L2", "L3", "T2", "T1")
    assert loop.shape.id == "norte:shape-3"
    assert {trip.id for trip in both.trips_by_pattern[loop.index]} == {"norte:20"}
    assert {journey.trip.id for journey in both.journeys_between(loop.index, at(MONDAY, 8), at(MONDAY, 8.1))} == {
        "norte:20"
    }


def test_merging_without_a_clash_keeps_every_id() -> None:
    other = Network("o", ZONE, {}, {}, {}, (), {}, {}, "norte")
    assert merge_networks([CITY, other]).trips == CITY.trips
    assert merge_networks([CITY]) is CITY


def test_merging_feeds_of_different_time_zones_is_refused() -> None:
    with pytest.raises(TimeZonesDiffer, match="America/New_York"):
        merge_networks([CITY, replace(CITY, zone=NEW_YORK, feed="norte")])
