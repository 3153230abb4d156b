"""What links teach."""

from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.transit.model.stop_passages import LinkTraversal
from services.transit.travel_times.link_history import LinkHistory
from services.transit.travel_times.link_times import TravelTimes
from services.transit.travel_times.source_weights import SourceWeights

ZERO = 1_772_420_400.0
EIGHT = ZERO + 8 * 3_600


def passage(at: float, took_s: float, planned_s: float = 75.0, early_s: float = 0.0, weekday: int = 0) -> LinkTraversal:
    return LinkTraversal("A>B", "bus", at, took_s, planned_s, early_s, ZERO, weekday, 1_000.0)


def taught(*passages: LinkTraversal) -> TravelTimes:
    history = TravelTimes()
    for one in passages:
        history.add_traversal(one)
    return history


def seconds(history: TravelTimes, at: float = EIGHT, planned_s: float = 75.0, weekday: int = 0) -> float:
    return history.expected_traversal("A>B", planned_s, at, ZERO, weekday).expected_s


def test_where_nothing_is_known_the_timetable_speaks() -> None:
    assert seconds(TravelTimes()) == 75.0


def test_the_last_buses_move_what_is_expected_and_are_counted() -> None:
    history = taught(passage(EIGHT - 1_200, 110), passage(EIGHT - 600, 112), passage(EIGHT - 300, 108))
    assert 90 < seconds(history) < 112
    assert history.expected_traversal("A>B", 75.0, EIGHT, ZERO, 0).recent_buses == 3
    assert history.expected_traversal("A>B", 75.0, EIGHT + 7_200, ZERO, 0).recent_buses == 0


def test_a_rush_hour_of_other_days_is_remembered_at_its_hour() -> None:
    rush = [passage(EIGHT - day * 86_400 + shift, 110) for day in (1, 2, 3) for shift in (-900, 0, 900)]
    calm = [passage(EIGHT + 6 * 3_600 - day * 86_400, 70) for day in (1, 2, 3)]
    history = taught(*sorted(rush + calm, key=lambda one: one.at))
    assert seconds(history) > 95
    assert seconds(history, EIGHT + 6 * 3_600) < 85


def test_a_sunday_says_less_of_a_working_day_than_a_working_day_does() -> None:
    sunday = taught(*[passage(EIGHT - 86_400 + shift, 110, weekday=6) for shift in range(0, 1_200, 300)])
    monday = taught(*[passage(EIGHT - 86_400 + shift, 110, weekday=0) for shift in range(0, 1_200, 300)])
    assert 75 < seconds(sunday) < seconds(monday)


def test_one_bus_that_broke_down_says_little() -> None:
    usual = [passage(EIGHT - 3_000 + 300 * number, 80) for number in range(8)]
    assert seconds(taught(*usual, passage(EIGHT - 100, 2_000))) < 105


def test_a_bad_timetable_loses_its_weight() -> None:
    bad = taught(*[passage(EIGHT - 60_000 + 100 * number, 110, planned_s=50.0) for number in range(600)])
    bad.links.clear()
    fair = TravelTimes()
    for history in (bad, fair):
        history.add_traversal(passage(EIGHT - 300, 110))
    assert seconds(bad) > seconds(fair)


def several(*names: str, at: float, took_s: float, days_before: int = 0) -> list[LinkTraversal]:
    """One bus on each link, half a minute apart."""
    begin = at - days_before * 86_400
    return [
        LinkTraversal(name, "bus", begin + 30 * number, took_s, 75.0, 0.0, ZERO - days_before * 86_400, 0, 1_000.0)
        for number, name in enumerate(names)
    ]


STREETS = [f"S{number}" for number in range(40)]


def usual_days(*days_before: int, hours: int = 3) -> list[LinkTraversal]:
    """The same quiet days on every street, a bus each ten minutes, 80 s a link; the oldest first."""
    return [
        one
        for before in sorted(days_before, reverse=True)
        for minute in range(0, 60 * hours, 10)
        for one in several(*STREETS, at=EIGHT - 3_600 * hours + 60 * minute, took_s=80, days_before=before)
    ]


def test_where_all_of_a_city_is_slow_a_link_is_expected_to_be_slow_that_no_bus_has_passed_today() -> None:
    """After some days of which every third was slow as a whole."""
    history = taught(*usual_days(5, 4, 2, 1))
    for before in (6, 3, 0):
        for minute in range(0, 180, 10):
            for one in several(*STREETS[1:], at=EIGHT - 10_800 + 60 * minute, took_s=104, days_before=before):
                history.add_traversal(one)
    slower = history.slowdown_factor(EIGHT, 0.0)
    assert 1.05 < slower < 1.3
    assert history.slowdown_factor(EIGHT + 4 * 3_600, 0.0) - 1 < 0.1 * (slower - 1)


def test_where_every_day_is_like_the_others_nothing_is_slower() -> None:
    assert abs(taught(*usual_days(3, 2, 1, 0)).slowdown_factor(EIGHT, 0.0) - 1) < 0.01


def test_recent_buses_count_the_more_the_longer_a_link_stays_slow() -> None:
    """Jams that hold on teach that recent buses speak for the next one; single slow buses teach that they do not."""
    lasting, passing = TravelTimes(), TravelTimes()
    for number in range(600):
        at = EIGHT - 90_000 + 120 * number
        lasting.add_traversal(passage(at, 120.0 if number // 30 % 2 else 60.0))
        passing.add_traversal(passage(at, 120.0 if number % 2 else 60.0))
    assert lasting.source_weights.recent_persistence.slope(0.0, 1.0) > 0.5
    assert passing.source_weights.recent_persistence.slope(0.0, 1.0) < 0.1


def test_what_an_earlier_version_kept_is_still_read() -> None:
    kept = (
        b'{"planned":[3000,0.2],"drift":[3000,0.01],"pair":[3000,0.1],'
        b'"pairs":[[3000,0.1],[3000,0.1],[3000,0.1],[9,0.1]],"pace":[80,20]}'
    )
    trust = msgspec.json.decode(kept, type=SourceWeights)
    assert trust.timetable_error.value == 0.2
    assert trust.slowness_persistence.slope(0.0, 1.0) > 0.2
    history = TravelTimes()
    history.restore([], trust)
    assert history.slowdown_factor(EIGHT, 0.0) == 1.0


def test_where_early_buses_wait_for_their_time_the_link_says_so_and_its_own_time_stays() -> None:
    history = taught(
        *[passage(EIGHT + 600 * number, 75 + early, early_s=early) for number, early in enumerate((300, 200, 240))]
    )
    expected = history.expected_traversal("A>B", 75.0, EIGHT + 1_800, ZERO, 0)
    assert expected.holding_share_far > 0.7
    assert expected.expected_s < 110


def test_a_link_is_believed_to_hold_early_buses_only_where_it_is_seen_beyond_doubt() -> None:
    """Chance makes some early buses slow; a stop where they wait for their time makes all of them slow."""
    chance, busy = Random(3), [passage(EIGHT - 9_000 + 90 * number, 75) for number in range(60)]
    by_chance = [
        passage(EIGHT + 300 * number, 75 + took, early_s=120.0)
        for number, took in enumerate(chance.gauss(10, 22) for _ in range(6))
    ]
    waiting = [passage(EIGHT + 300 * number, 165, early_s=120.0) for number in range(6)]
    plain, held = taught(*busy, *by_chance), taught(*busy, *waiting)
    at = EIGHT + 1_800
    assert plain.expected_traversal(
        "A>B", 75.0, at, ZERO, 0
    ).holding_share_far == plain.source_weights.holding_far.slope(0.0, 1.0)
    assert held.expected_traversal("A>B", 75.0, at, ZERO, 0).holding_share_far > 0.5


def test_what_timetable_and_past_both_miss_is_the_noise_of_the_single_bus() -> None:
    """On links whose timetable is off by a third and whose buses scatter by a tenth, both are told apart."""
    chance, history = Random(5), TravelTimes()
    for number in range(4_000):
        street = number % 40
        planned_s = 100.0 if street % 2 else 60.0
        history.add_traversal(
            LinkTraversal(
                f"S{street}", "bus", EIGHT - 40_000 + 10 * number, chance.gauss(80, 10), planned_s, 0.0, ZERO, 0, 1e3
            )
        )
    trust = history.source_weights
    assert 0.7 < trust.bus_noise.value / 0.01 < 1.4
    assert 0.7 < (trust.timetable_error.value - trust.bus_noise.value) / 0.04 < 1.4


def test_links_and_trust_go_on_after_a_restart() -> None:
    history = taught(passage(EIGHT - 600, 110, early_s=100.0), passage(EIGHT, 112))
    history.add_departure("A>B", 8 * 3_600, 45.0)
    links = [
        (name, msgspec.json.decode(msgspec.json.encode(link), type=LinkHistory))
        for name, link in history.pop_changed_links()
    ]
    trust = msgspec.json.decode(msgspec.json.encode(history.source_weights), type=SourceWeights)
    again = TravelTimes()
    again.restore(links, trust)
    assert seconds(again) == seconds(history)
    assert again.departure_lateness_s("A>B", 8 * 3_600, -300) == history.departure_lateness_s("A>B", 8 * 3_600, -300)
    assert list(history.pop_changed_links()) == []


@given(st.lists(st.tuples(st.integers(0, 80_000), st.floats(1, 900), st.floats(-300, 600)), min_size=1, max_size=20))
def test_what_is_unlearnt_leaves_nothing_behind(passages: list[tuple[int, float, float]]) -> None:
    history = taught(passage(EIGHT - 90_000, 80))
    before = msgspec.json.encode(history.links["A>B"].bins)
    lessons = [history.add_traversal(passage(ZERO + at, took, early_s=early)) for at, took, early in sorted(passages)]
    for lesson in reversed(lessons):
        history.remove_learned(lesson)
    bins = history.links["A>B"].bins
    assert {bin_: round(one[1], 6) for bin_, one in bins.items()} == {
        int(bin_): round(one[1] * 0.5 ** ((bins[int(bin_)][0] - one[0]) / 14), 6)
        for bin_, one in msgspec.json.decode(before).items()
    }


def test_what_faded_leaves_no_more_than_there_is() -> None:
    history = TravelTimes()
    lessons = [history.add_traversal(passage(EIGHT + number, 500, early_s=400.0)) for number in range(200)]
    for lesson in lessons:
        history.remove_learned(lesson)
    held = history.links["A>B"].holding
    assert (held.squares, held.products) == (0.0, 0.0)
    assert 0 <= history.expected_traversal("A>B", 75.0, EIGHT, ZERO, 0).holding_share_far <= 1


@given(st.lists(st.tuples(st.integers(0, 86_399), st.floats(0.1, 5_000), st.floats(-4_000, 4_000)), max_size=30))
def test_whatever_is_learnt_an_expectation_is_a_time(passages: list[tuple[int, float, float]]) -> None:
    history = taught(*[passage(ZERO + at, took, early_s=early) for at, took, early in sorted(passages)])
    expected = history.expected_traversal("A>B", 75.0, EIGHT, ZERO, 0)
    assert 0 < expected.expected_s < 5_000
    assert 0 <= expected.holding_share_near <= 1
    assert 0 <= expected.holding_share_far <= 1
