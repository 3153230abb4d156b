"""Each fault changes a stream exactly as its name says, and nothing else."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson
import pytest

from models.kinds import KINDS_BY_NAME
from simulators.buses.trackers import FaultRates
from simulators.devices.faults import (
    SENTINEL,
    delayed,
    drifting_clock,
    dropouts,
    duplicated,
    dying_sensor,
    garbage,
    lost,
    out_of_order,
    reboots,
    sentinels,
    spikes,
    stuck_sensor,
    usual_faults,
    vandalised_device,
)
from simulators.devices.message import SimulatedMessage, in_due_order
from simulators.lines import schematic_network
from simulators.scenario import BusTraffic, SimulatedCity
from simulators.scenarios import SCENARIOS
from tests.seeds import la_plata

START = datetime(2013, 4, 2, 18, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RIVER = "vigia/v1/laplata/river/one"
OTHER = "vigia/v1/laplata/river/two"
RAIN = "vigia/v1/laplata/rain/one"
MANY = 2000


def message(minute: int, topic: str = RIVER, **fields: object) -> SimulatedMessage:
    at = START + minute * MINUTE
    said = {"observed_at": at.isoformat().replace("+00:00", "Z"), "boot": "b", "seq": minute} | fields
    return SimulatedMessage(created_at=at, due_at=at, topic=topic, payload=orjson.dumps(said))


def rising(count: int, topic: str = RIVER) -> Iterator[SimulatedMessage]:
    """A level that rises by a centimetre a minute."""
    return (message(minute, topic, level_m=minute / 100) for minute in range(count))


def said(messages: Iterable[SimulatedMessage], key: str, topic: str = RIVER) -> list[Any]:
    return [orjson.loads(one.payload)[key] for one in messages if one.topic == topic]


def test_late_parcels_come_later_and_no_other_changes() -> None:
    after = list(delayed(rising(MANY), Random(1), share=0.1, least_s=30, most_s=900))
    delays = [one.due_at - one.created_at for one in after]
    held = [delay for delay in delays if delay]
    assert 0.05 * MANY < len(held) < 0.15 * MANY
    assert all(timedelta(seconds=30) <= delay <= timedelta(seconds=900) for delay in held)
    assert [one.payload for one in after] == [one.payload for one in rising(MANY)]


def test_twice_repeats_byte_for_byte() -> None:
    counts = Counter(one.payload for one in duplicated(rising(MANY), Random(1), share=0.1))
    assert len(counts) == MANY
    assert set(counts.values()) == {1, 2}


def test_out_of_order_swaps_neighbours_and_keeps_all() -> None:
    seqs = said(in_due_order(out_of_order(rising(MANY), Random(1), share=0.1)), "seq")
    assert sorted(seqs) == list(range(MANY))
    assert seqs != sorted(seqs)
    assert max(abs(place - seq) for place, seq in enumerate(seqs)) == 1


def test_lost_parcels_leave_a_gap() -> None:
    seqs = said(lost(rising(MANY), Random(1), share=0.1), "seq")
    assert 0.85 * MANY < len(seqs) < 0.95 * MANY


def test_garbage_keeps_topic_and_time() -> None:
    after = list(garbage(rising(MANY), Random(1), share=0.1))
    spoilt = [(one, was) for one, was in zip(after, rising(MANY), strict=True) if one.payload != was.payload]
    assert 0.05 * MANY < len(spoilt) < 0.15 * MANY
    assert all((one.topic, one.due_at) == (was.topic, was.due_at) for one, was in spoilt)


def test_a_spike_is_right_again_at_once() -> None:
    levels = said(spikes(rising(MANY), Random(1), share=0.01), "level_m")
    off = [minute for minute, level in enumerate(levels) if abs(level - minute / 100) > 0.3]
    assert 5 < len(off) < 60
    assert all(
        levels[minute + 1] == (minute + 1) / 100 for minute in off if minute + 1 not in off and minute + 1 < MANY
    )


@pytest.mark.parametrize(("fault", "value"), [(dropouts, 0.0), (sentinels, SENTINEL)])
def test_a_share_of_the_values_is_no_value(fault: Callable[..., Iterator[SimulatedMessage]], value: float) -> None:
    levels = said(fault(rising(MANY), Random(1), share=0.1), "level_m")
    assert 0.05 * MANY < sum(level == value for level in levels) < 0.15 * MANY


def test_only_gauges_have_spikes_and_drop_outs() -> None:
    rain = [message(minute, RAIN, rain_mm=0.2) for minute in range(200)]
    assert list(spikes(iter(rain), Random(1), share=1.0)) == rain
    assert list(dropouts(iter(rain), Random(1), share=1.0)) == rain


def test_a_sentinel_finds_its_place_in_senml() -> None:
    pack = [{"bn": "urn:dev:ops:x:", "n": "level", "t": 1.0, "v": 1.2}, {"n": "battery", "t": 1.0, "v": 12.5}]
    sent = SimulatedMessage(created_at=START, due_at=START, topic=RIVER, payload=orjson.dumps(pack))
    (after,) = sentinels(iter([sent]), Random(1), share=1.0)
    assert [record["v"] for record in orjson.loads(after.payload)] == [SENTINEL, 12.5]


def test_a_stuck_sensor_repeats_one_value_for_a_while() -> None:
    levels = said(stuck_sensor(rising(60), RIVER, after=10 * MINUTE, lasting=20 * MINUTE), "level_m")
    assert levels[10:30] == [0.10] * 20
    assert levels[9] == 0.09
    assert levels[30] == 0.30


def test_a_clock_drifts_by_so_much_a_day() -> None:
    after = list(drifting_clock(rising(1441), RIVER, s_per_day=-240.0))
    observed = datetime.fromisoformat(said(after, "observed_at")[-1])
    assert observed == after[-1].created_at - timedelta(seconds=240)
    assert said(after, "observed_at")[0] == "2013-04-02T18:00:00.000Z"


def test_a_reboot_counts_from_zero_under_another_name() -> None:
    after = list(reboots(rising(MANY), Random(1), share=0.01))
    boots = said(after, "boot")
    runs = [said([one for one, name in zip(after, boots, strict=True) if name == boot], "seq") for boot in set(boots)]
    assert len(runs) > 5
    assert all(run == list(range(len(run))) for run in runs)
    assert sum(map(len, runs)) == MANY


def test_a_sensor_dies_at_high_water_with_its_will_and_is_replaced() -> None:
    after = list(dying_sensor(rising(300), RIVER, above=1.0, replaced_after=60 * MINUTE))
    seqs = said(after, "seq")
    assert seqs[:101] == list(range(101))
    assert seqs[101:] == list(range(140))
    status = [(one.due_at - START, orjson.loads(one.payload)) for one in after if one.topic == f"{RIVER}/status"]
    assert status == [
        (101.5 * MINUTE, {"online": False, "boot": "b"}),
        (160 * MINUTE, {"online": True, "boot": "b-1"}),
    ]


def test_a_vandalised_device_says_so_and_never_speaks_again() -> None:
    after = list(vandalised_device(rising(100), RIVER, after=50 * MINUTE))
    assert said(after, "seq") == list(range(51))
    assert orjson.loads([one for one in after if one.topic == RIVER][-1].payload)["tamper"] is True
    assert orjson.loads(after[-1].payload)["online"] is False


@pytest.mark.parametrize(
    "fault",
    [
        lambda messages: stuck_sensor(messages, RIVER, after=MINUTE, lasting=MINUTE),
        lambda messages: drifting_clock(messages, RIVER, s_per_day=100.0),
        lambda messages: dying_sensor(messages, RIVER, above=0.1, replaced_after=MINUTE),
        lambda messages: vandalised_device(messages, RIVER, after=MINUTE),
    ],
)
def test_a_fault_of_one_device_leaves_the_others_alone(
    fault: Callable[[Iterator[SimulatedMessage]], Iterator[SimulatedMessage]],
) -> None:
    assert list(fault(rising(100, OTHER))) == list(rising(100, OTHER))


def test_a_city_in_trouble_is_the_same_for_the_same_seed_and_keeps_its_order() -> None:
    city = la_plata().city
    scenario = SCENARIOS["storm_2013"]

    def told(seed: int) -> list[SimulatedMessage]:
        traffic = BusTraffic(
            network=schematic_network(["307", "Este"]), fault_rates=FaultRates(), event_log=lambda _: None
        )
        simulated_city = SimulatedCity(city, scenario, seed=seed, start=scenario.default_start, traffic=traffic)
        until = scenario.default_start + timedelta(hours=2)
        story: list[SimulatedMessage] = []
        for one in simulated_city.messages(usual_faults(city, seed, often=8.0)):
            if one.created_at >= until:
                return story
            story.append(one)
        raise AssertionError("a city never falls silent")

    story = told(1)
    assert story == told(1)
    assert story != told(2)
    assert [one.due_at for one in story] == sorted(one.due_at for one in story)
    assert {one.topic.split("/")[3] for one in story if one.topic.startswith("vigia/")} == set(KINDS_BY_NAME)
    assert any(one.topic.startswith("/hfp/v2/journey/") for one in story)
