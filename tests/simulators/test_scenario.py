"""Scenarios: messages are published in order, at the pace of the clock, from any start."""

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

import pytest

from models.place import City
from simulators.devices.message import SimulatedMessage, in_due_order
from simulators.scenario import MAX_WAIT_S, SimulatedCity, publish_when_due, starting_at
from simulators.scenarios import SCENARIOS
from tests.seeds import la_plata

NOON = datetime(2026, 11, 21, 15, tzinfo=UTC)


def message(made_s: float, due_s: float, topic: str = "t") -> SimulatedMessage:
    return SimulatedMessage(
        created_at=NOON + timedelta(seconds=made_s), due_at=NOON + timedelta(seconds=due_s), topic=topic, payload=b"{}"
    )


class Watch:
    """A clock that moves only by waiting."""

    def __init__(self, speed: float = 1.0) -> None:
        self.now = NOON
        self.speed = speed
        self.waits: list[float] = []
        self.stop_at: datetime | None = None

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds * self.speed)
        return self.stop_at is not None and self.now >= self.stop_at


@pytest.fixture(scope="module")
def city() -> City:
    return la_plata().city


def test_parcels_are_put_in_order_without_waiting_for_the_end() -> None:
    def endless() -> list[SimulatedMessage]:
        return [message(0, 50), message(1, 1), message(2, 2), message(60, 60), message(61, 61)]

    ordered = in_due_order(iter(endless()))
    assert [one.due_at.second + 60 * (one.due_at.minute) for one in ordered] == [1, 2, 50, 60, 61]
    first = in_due_order(one for one in endless())
    assert len(list(islice(first, 3))) == 3


def test_a_play_keeps_to_the_clock_and_never_sends_early() -> None:
    watch = Watch(speed=60.0)
    seen: list[tuple[datetime, SimulatedMessage]] = []
    messages = [message(0, 0), message(0, 30), message(60, 90)]
    publish_when_due(
        iter(messages),
        lambda one: seen.append((watch.now, one)),
        now=watch,
        wait=watch.wait,
        speed=60.0,
        until=NOON + timedelta(hours=1),
    )
    assert [one for _, one in seen] == messages
    assert all(when >= one.due_at - timedelta(microseconds=5) for when, one in seen)
    assert sum(watch.waits) == pytest.approx(1.5)
    assert max(watch.waits) <= MAX_WAIT_S


def test_a_play_ends_at_its_time_or_when_told() -> None:
    sent: list[SimulatedMessage] = []
    many = [message(second, second) for second in range(100)]
    watch = Watch()
    publish_when_due(iter(many), sent.append, now=watch, wait=watch.wait, speed=1.0, until=NOON + timedelta(seconds=10))
    assert len(sent) == 10
    sent.clear()
    watch = Watch()
    watch.stop_at = NOON + timedelta(seconds=20)
    publish_when_due(iter(many), sent.append, now=watch, wait=watch.wait, speed=1.0, until=NOON + timedelta(seconds=99))
    assert 19 <= len(sent) <= 21


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_speaks_for_every_device_from_its_birth(city: City, name: str) -> None:
    scenario = SCENARIOS[name]
    simulated_city = SimulatedCity(city, scenario, seed=1, start=scenario.default_start)
    until = scenario.default_start + timedelta(minutes=10)
    story = list(takewhile(lambda one: one.due_at < until, simulated_city.messages(iter)))
    births = [one for one in story if one.retain]
    assert len(births) == len(city.devices)
    assert {one.topic for one in story if not one.retain} >= {one.topic.removesuffix("/status") for one in births}
    assert len(simulated_city.last_wills(until)) == len(city.devices)


def test_a_story_told_from_now_opens_as_it_did_then(city: City) -> None:
    scenario = SCENARIOS["storm_2013"]

    def levels(start: datetime, story: str) -> list[float]:
        told = starting_at(scenario, start) if story == "moved" else scenario
        simulated_city = SimulatedCity(city, told, seed=1, start=start)
        payloads = [
            one.payload
            for one in takewhile(lambda one: one.due_at < start + timedelta(hours=1), simulated_city.messages(iter))
            if one.topic.endswith("lluvia-casco")
        ]
        return [float(payload.split(b'"rain_mm":')[1].rstrip(b"}")) for payload in payloads]

    moved = levels(NOON, "moved")
    assert sum(moved) == pytest.approx(sum(levels(scenario.default_start, "as it was")), abs=0.5)
    assert sum(moved) > 20
