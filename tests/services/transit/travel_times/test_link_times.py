"""Travel times of links, learnt from traversals."""

from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.transit.model.stop_passages import LinkTraversal
from services.transit.travel_times.link_history import LinkHistory
from services.transit.travel_times.link_times import TravelTimes
from services.transit.travel_times.source_weights import SourceWeights

DAY_START = 1_772_420_400.0
EIGHT = DAY_START + 8 * 3_600


def traversal(
    at: float, took_s: float, planned_s: float = 75.0, early_s: float = 0.0, weekday: int = 0
) -> LinkTraversal:
    return LinkTraversal("A>B", "bus", at, took_s, planned_s, early_s, DAY_START, weekday, 1_000.0)


def learned_from(*traversals: LinkTraversal) -> TravelTimes:
    travel_times = TravelTimes()
    for one in traversals:
        travel_times.add_traversal(one)
    return travel_times


def expected_s(travel_times: TravelTimes, at: float = EIGHT, planned_s: float = 75.0, weekday: int = 0) -> float:
    return travel_times.expected_traversal("A>B", planned_s, at, DAY_START, weekday).expected_s


def test_without_history_the_expected_time_is_the_scheduled_one() -> None:
    assert expected_s(TravelTimes()) == 75.0


def test_recent_buses_change_the_expected_time_and_are_counted() -> None:
    travel_times = learned_from(traversal(EIGHT - 1_200, 110), traversal(EIGHT - 600, 112), traversal(EIGHT - 300, 108))
    assert 90 < expected_s(travel_times) < 112
    assert travel_times.expected_traversal("A>B", 75.0, EIGHT, DAY_START, 0).recent_buses == 3
    assert travel_times.expected_traversal("A>B", 75.0, EIGHT + 7_200, DAY_START, 0).recent_buses == 0


def test_the_rush_hour_of_other_days_counts_at_its_time_of_day() -> None:
    rush = [traversal(EIGHT - day * 86_400 + shift, 110) for day in (1, 2, 3) for shift in (-900, 0, 900)]
    calm = [traversal(EIGHT + 6 * 3_600 - day * 86_400, 70) for day in (1, 2, 3)]
    travel_times = learned_from(*sorted(rush + calm, key=lambda one: one.at))
    assert expected_s(travel_times) > 95
    assert expected_s(travel_times, EIGHT + 6 * 3_600) < 85


def test_a_sunday_counts_less_for_a_working_day_than_a_working_day_does() -> None:
    sunday = learned_from(*[traversal(EIGHT - 86_400 + shift, 110, weekday=6) for shift in range(0, 1_200, 300)])
    monday = learned_from(*[traversal(EIGHT - 86_400 + shift, 110, weekday=0) for shift in range(0, 1_200, 300)])
    assert 75 < expected_s(sunday) < expected_s(monday)


def test_one_bus_that_broke_down_counts_little() -> None:
    usual = [traversal(EIGHT - 3_000 + 300 * number, 80) for number in range(8)]
    assert expected_s(learned_from(*usual, traversal(EIGHT - 100, 2_000))) < 105


def test_a_bad_timetable_loses_its_weight() -> None:
    bad = learned_from(*[traversal(EIGHT - 60_000 + 100 * number, 110, planned_s=50.0) for number in range(600)])
    bad.links.clear()
    fair = TravelTimes()
    for travel_times in (bad, fair):
        travel_times.add_traversal(traversal(EIGHT - 300, 110))
    assert expected_s(bad) > expected_s(fair)


def one_bus_on_each(*names: str, at: float, took_s: float, days_before: int = 0) -> list[LinkTraversal]:
    """One traversal of each link, half a minute apart."""
    begin = at - days_before * 86_400
    return [
        LinkTraversal(name, "bus", begin + 30 * number, took_s, 75.0, 0.0, DAY_START - days_before * 86_400, 0, 1_000.0)
        for number, name in enumerate(names)
    ]


LINKS = [f"S{number}" for number in range(40)]


def quiet_days(*days_before: int, hours: int = 3) -> list[LinkTraversal]:
    """Equal days on every link: a bus each ten minutes, 80 s a link. The oldest first."""
    return [
        one
        for before in sorted(days_before, reverse=True)
        for minute in range(0, 60 * hours, 10)
        for one in one_bus_on_each(*LINKS, at=EIGHT - 3_600 * hours + 60 * minute, took_s=80, days_before=before)
    ]


def test_a_delay_of_the_network_slows_a_link_without_a_bus_today() -> None:
    """After some days of which every third was slow on all links."""
    travel_times = learned_from(*quiet_days(5, 4, 2, 1))
    for before in (6, 3, 0):
        for minute in range(0, 180, 10):
            for one in one_bus_on_each(*LINKS[1:], at=EIGHT - 10_800 + 60 * minute, took_s=104, days_before=before):
                travel_times.add_traversal(one)
    slowdown = travel_times.slowdown_factor(EIGHT, 0.0)
    assert 1.05 < slowdown < 1.3
    assert travel_times.slowdown_factor(EIGHT + 4 * 3_600, 0.0) - 1 < 0.1 * (slowdown - 1)


def test_where_all_days_are_alike_there_is_no_slowdown() -> None:
    assert abs(learned_from(*quiet_days(3, 2, 1, 0)).slowdown_factor(EIGHT, 0.0) - 1) < 0.01


def test_recent_buses_count_more_where_links_stay_slow_for_longer() -> None:
    """After lasting jams recent buses count for the next one; after single slow buses they do not."""
    lasting, passing = TravelTimes(), TravelTimes()
    for number in range(600):
        at = EIGHT - 90_000 + 120 * number
        lasting.add_traversal(traversal(at, 120.0 if number // 30 % 2 else 60.0))
        passing.add_traversal(traversal(at, 120.0 if number % 2 else 60.0))
    assert lasting.source_weights.recent_persistence.slope(0.0, 1.0) > 0.5
    assert passing.source_weights.recent_persistence.slope(0.0, 1.0) < 0.1


def test_source_weights_of_an_earlier_version_are_decoded() -> None:
    stored = (
        b'{"planned":[3000,0.2],"drift":[3000,0.01],"pair":[3000,0.1],'
        b'"pairs":[[3000,0.1],[3000,0.1],[3000,0.1],[9,0.1]],"pace":[80,20]}'
    )
    weights = msgspec.json.decode(stored, type=SourceWeights)
    assert weights.timetable_error.value == 0.2
    assert weights.slowness_persistence.slope(0.0, 1.0) > 0.2
    travel_times = TravelTimes()
    travel_times.restore([], weights)
    assert travel_times.slowdown_factor(EIGHT, 0.0) == 1.0


def test_where_early_buses_hold_the_link_learns_the_share_and_its_own_time_stays() -> None:
    travel_times = learned_from(
        *[traversal(EIGHT + 600 * number, 75 + early, early_s=early) for number, early in enumerate((300, 200, 240))]
    )
    expected = travel_times.expected_traversal("A>B", 75.0, EIGHT + 1_800, DAY_START, 0)
    assert expected.holding_share_far > 0.7
    assert expected.expected_s < 110


def test_holding_of_a_link_is_used_only_where_it_is_significant() -> None:
    """By chance some early buses are slow. Where they wait for their time, all of them are."""
    chance, busy = Random(3), [traversal(EIGHT - 9_000 + 90 * number, 75) for number in range(60)]
    by_chance = [
        traversal(EIGHT + 300 * number, 75 + took, early_s=120.0)
        for number, took in enumerate(chance.gauss(10, 22) for _ in range(6))
    ]
    waiting = [traversal(EIGHT + 300 * number, 165, early_s=120.0) for number in range(6)]
    plain, holding = learned_from(*busy, *by_chance), learned_from(*busy, *waiting)
    at = EIGHT + 1_800
    assert plain.expected_traversal(
        "A>B", 75.0, at, DAY_START, 0
    ).holding_share_far == plain.source_weights.holding_far.slope(0.0, 1.0)
    assert holding.expected_traversal("A>B", 75.0, at, DAY_START, 0).holding_share_far > 0.5


def test_the_error_that_timetable_and_past_share_is_the_noise_of_a_bus() -> None:
    """The timetable is wrong by 20 s and single buses vary by 10 s, on links of 80 s: both variances are found."""
    chance, travel_times = Random(5), TravelTimes()
    for number in range(4_000):
        street = number % 40
        planned_s = 100.0 if street % 2 else 60.0
        travel_times.add_traversal(
            LinkTraversal(
                f"S{street}",
                "bus",
                EIGHT - 40_000 + 10 * number,
                chance.gauss(80, 10),
                planned_s,
                0.0,
                DAY_START,
                0,
                1e3,
            )
        )
    weights = travel_times.source_weights
    assert 0.7 < weights.bus_noise.value / 0.01 < 1.4
    assert 0.7 < (weights.timetable_error.value - weights.bus_noise.value) / 0.04 < 1.4


def test_links_and_source_weights_are_restored_after_a_restart() -> None:
    travel_times = learned_from(traversal(EIGHT - 600, 110, early_s=100.0), traversal(EIGHT, 112))
    travel_times.add_departure("A>B", 8 * 3_600, 45.0)
    links = [
        (name, msgspec.json.decode(msgspec.json.encode(link), type=LinkHistory))
        for name, link in travel_times.pop_changed_links()
    ]
    weights = msgspec.json.decode(msgspec.json.encode(travel_times.source_weights), type=SourceWeights)
    again = TravelTimes()
    again.restore(links, weights)
    assert expected_s(again) == expected_s(travel_times)
    assert again.departure_lateness_s("A>B", 8 * 3_600, -300) == travel_times.departure_lateness_s(
        "A>B", 8 * 3_600, -300
    )
    assert list(travel_times.pop_changed_links()) == []


@given(st.lists(st.tuples(st.integers(0, 80_000), st.floats(1, 900), st.floats(-300, 600)), min_size=1, max_size=20))
def test_a_removed_traversal_leaves_nothing_in_the_bins(traversals: list[tuple[int, float, float]]) -> None:
    travel_times = learned_from(traversal(EIGHT - 90_000, 80))
    before = msgspec.json.encode(travel_times.links["A>B"].bins)
    learned = [
        travel_times.add_traversal(traversal(DAY_START + at, took, early_s=early))
        for at, took, early in sorted(traversals)
    ]
    for one in reversed(learned):
        travel_times.remove_learned(one)
    bins = travel_times.links["A>B"].bins
    assert {bin_: round(one[1], 6) for bin_, one in bins.items()} == {
        int(bin_): round(one[1] * 0.5 ** ((bins[int(bin_)][0] - one[0]) / 14), 6)
        for bin_, one in msgspec.json.decode(before).items()
    }


def test_removing_faded_samples_ends_at_zero() -> None:
    travel_times = TravelTimes()
    learned = [travel_times.add_traversal(traversal(EIGHT + number, 500, early_s=400.0)) for number in range(200)]
    for one in learned:
        travel_times.remove_learned(one)
    holding = travel_times.links["A>B"].holding
    assert (holding.squares, holding.products) == (0.0, 0.0)
    assert 0 <= travel_times.expected_traversal("A>B", 75.0, EIGHT, DAY_START, 0).holding_share_far <= 1


@given(st.lists(st.tuples(st.integers(0, 86_399), st.floats(0.1, 5_000), st.floats(-4_000, 4_000)), max_size=30))
def test_an_expected_time_is_positive_and_bounded_whatever_is_learnt(
    traversals: list[tuple[int, float, float]],
) -> None:
    travel_times = learned_from(
        *[traversal(DAY_START + at, took, early_s=early) for at, took, early in sorted(traversals)]
    )
    expected = travel_times.expected_traversal("A>B", 75.0, EIGHT, DAY_START, 0)
    assert 0 < expected.expected_s < 5_000
    assert 0 <= expected.holding_share_near <= 1
    assert 0 <= expected.holding_share_far <= 1
