"""Traffic depends on the hour, the rain and the school zone, in number and in speed."""

from datetime import datetime, timedelta
from random import Random
from statistics import mean

from models.place import Street
from simulators.environment.traffic import PassingVehicle, flow_per_min, passing_vehicles
from tests.seeds import la_plata

AVENUE = Street(id="av", name="Av.", limit_kmh=60.0)
TUESDAY = datetime.fromisoformat("2013-04-02T00:00-03:00")


def hour(street: Street, at: str, *, days: int = 0, rain_mm: float = 0.0, seed: int = 1) -> list[PassingVehicle]:
    start = TUESDAY.replace(hour=int(at[:2]), minute=int(at[3:])) + timedelta(days=days)
    random = Random(seed)
    return [
        one
        for minute in range(60)
        for one in passing_vehicles(street, start + minute * timedelta(minutes=1), rain_mm, random)
    ]


def test_as_many_pass_as_the_flow_says() -> None:
    expected = sum(flow_per_min(AVENUE, TUESDAY.replace(hour=18, minute=minute), 0.0) for minute in range(60))
    counts = [len(hour(AVENUE, "18:00", seed=seed)) for seed in range(20)]
    assert abs(mean(counts) - expected) < 0.03 * expected


def test_rush_hour_is_fuller_and_slower_than_night_and_sunday_emptier() -> None:
    rush, night, sunday = hour(AVENUE, "18:00"), hour(AVENUE, "03:00"), hour(AVENUE, "18:00", days=5)
    assert len(rush) > 10 * len(night)
    assert len(sunday) < 0.8 * len(rush)
    assert mean(one.speed_kmh for one in rush) < 0.9 * mean(one.speed_kmh for one in night)


def test_hard_rain_empties_and_slows_the_street() -> None:
    dry, wet = hour(AVENUE, "11:00"), hour(AVENUE, "11:00", rain_mm=1.2)
    assert len(wet) < 0.5 * len(dry)
    assert mean(one.speed_kmh for one in wet) < mean(one.speed_kmh for one in dry)


def test_most_keep_the_limit_some_do_not_and_few_by_far() -> None:
    speeds = sorted(one.speed_kmh for seed in range(10) for one in hour(AVENUE, "12:00", seed=seed))
    over = sum(speed > 60 for speed in speeds) / len(speeds)
    assert 0.005 < over < 0.25
    assert speeds[int(0.85 * len(speeds))] < 65
    assert 60 < speeds[-1] < 110


def test_a_school_slows_its_street_but_not_enough() -> None:
    street = la_plata().city.station("radar-13-60").street
    assert street is not None
    opening = hour(street, "07:30")[:100]
    assert 20 < mean(one.speed_kmh for one in opening) < 40


def test_vehicles_come_in_the_order_of_their_seconds() -> None:
    seconds = [one.second for one in passing_vehicles(AVENUE, TUESDAY.replace(hour=18), 0.0, Random(3))]
    assert seconds == sorted(seconds)
    assert all(0 <= second < 60 for second in seconds)
