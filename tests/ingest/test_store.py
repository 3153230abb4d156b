"""Readings are stored once, in any order and repetition; conflicts are reported."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from ingest.registry import DeviceKey, DeviceRegistry
from ingest.store import CheckedReading, StoreResult, add_flag, storing_readings
from models.kinds import KINDS, KINDS_BY_NAME
from models.reading import Flag, Reading, Value
from models.tables.readings import READINGS

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
EXAMPLES: dict[str, dict[str, Value]] = {
    "river": {"level_m": 1.42, "battery_v": 12.6},
    "rain": {"rain_mm": 0.2, "interval_s": 60},
    "radar": {"counts": (0, 3, 17), "interval_s": 60},
}


@pytest.fixture
def devices(transaction: Connection) -> dict[str, int]:
    """The number of one device of each kind."""
    senders: list[DeviceKey] = [("azul", kind.name, "one") for kind in KINDS]
    return {sender[1]: device.id for sender, device in DeviceRegistry().resolve(transaction, senders, NOON).items()}


def entry(
    device_id: int, kind: str, second: int, seq: int = 0, *, is_newest: bool = False, **values: Value
) -> CheckedReading:
    """A reading on its way to its table."""
    at = NOON + timedelta(seconds=second)
    row = tuple((EXAMPLES[kind] | values).get(name) for name in KINDS_BY_NAME[kind].columns)
    reading = Reading(kind, "azul", "one", at, at, seq, "b", row)
    return CheckedReading(device_id, None, reading, is_newest=is_newest)


def store(transaction: Connection, entries: list[CheckedReading], *, expect_duplicates: bool = False) -> StoreResult:
    """Write them."""
    with storing_readings(transaction, entries, expect_duplicates=expect_duplicates) as stored:
        return stored


def kept(transaction: Connection, kind: str) -> list[dict[str, Any]]:
    """Every row of a kind."""
    table = READINGS[kind]
    query = select(table).order_by(table.c.device_id, table.c.observed_at, table.c.seq)
    return [dict(row) for row in transaction.execute(query).mappings()]


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
@pytest.mark.parametrize("is_newest", [True, False])
def test_every_kind_comes_back_as_it_was_sent(
    transaction: Connection, devices: dict[str, int], kind: str, is_newest: bool
) -> None:
    one = entry(devices[kind], kind, 0, 7, is_newest=is_newest)
    assert store(transaction, [one]) == StoreResult([0], [])
    (row,) = kept(transaction, kind)
    sent = dict(zip(KINDS_BY_NAME[kind].columns, one.reading.values, strict=True))
    assert {name: tuple(row[name]) if isinstance(row[name], list) else row[name] for name in sent} == sent
    assert (row["device_id"], row["observed_at"], row["seq"], row["flags"]) == (devices[kind], NOON, 7, 0)


def test_kinds_and_roads_mix_in_one_batch(transaction: Connection, devices: dict[str, int]) -> None:
    entries = [
        entry(devices[kind], kind, second, is_newest=bool(second)) for second in range(3) for kind in sorted(EXAMPLES)
    ]
    assert store(transaction, entries) == StoreResult(list(range(9)), [])
    assert [len(kept(transaction, kind)) for kind in sorted(EXAMPLES)] == [3, 3, 3]


@pytest.mark.parametrize("expect_duplicates", [True, False])
def test_the_same_in_one_batch_and_in_the_next_is_one_row(
    transaction: Connection, devices: dict[str, int], expect_duplicates: bool
) -> None:
    one = entry(devices["river"], "river", 0)
    assert store(transaction, [one, one, one], expect_duplicates=expect_duplicates) == StoreResult([0], [])
    assert store(transaction, [one], expect_duplicates=expect_duplicates) == StoreResult([], [])
    assert len(kept(transaction, "river")) == 1


@pytest.mark.parametrize("expect_duplicates", [True, False])
def test_another_value_at_the_same_key_is_told_and_the_first_stays(
    transaction: Connection, devices: dict[str, int], expect_duplicates: bool
) -> None:
    first, other = (entry(devices["river"], "river", 0, level_m=level_m) for level_m in (1.0, 2.0))
    assert store(transaction, [first, other], expect_duplicates=expect_duplicates) == StoreResult([0], [1])
    assert store(transaction, [other, first], expect_duplicates=expect_duplicates).conflicts == [0]
    assert [row["level_m"] for row in kept(transaction, "river")] == [1.0]


def test_a_blank_and_a_value_contradict_each_other(transaction: Connection, devices: dict[str, int]) -> None:
    with_it, without = (entry(devices["river"], "river", 0, battery_v=volts) for volts in (12.6, None))
    store(transaction, [without])
    assert store(transaction, [with_it]) == StoreResult([], [0])
    assert store(transaction, [without]) == StoreResult([], [])


def test_another_seq_or_device_is_another_reading(transaction: Connection, devices: dict[str, int]) -> None:
    (other,) = DeviceRegistry().resolve(transaction, [("azul", "river", "two")], NOON).values()
    ids = devices["river"], devices["river"], other.id
    entries = [entry(device_id, "river", 0, seq) for device_id, seq in zip(ids, (0, 1, 0), strict=True)]
    assert store(transaction, entries) == StoreResult([0, 1, 2], [])


def test_a_memory_older_than_the_rows_is_noticed_and_care_sorts_it_out(
    transaction: Connection, devices: dict[str, int]
) -> None:
    store(transaction, [entry(devices["river"], "river", 0)])
    again = [entry(devices["river"], "river", second, is_newest=True) for second in (0, 1)]
    with pytest.raises(psycopg.errors.UniqueViolation), transaction.begin_nested():
        store(transaction, again)
    assert store(transaction, again, expect_duplicates=True) == StoreResult([1], [])


def test_nothing_is_nothing(transaction: Connection) -> None:
    assert store(transaction, []) == StoreResult([], [])


def test_a_later_verdict_adds_its_flag_and_leaves_the_value(transaction: Connection, devices: dict[str, int]) -> None:
    store(transaction, [entry(devices["river"], "river", 0, 3)])
    for flag in (Flag.JUMP, Flag.SPIKE, Flag.SPIKE):
        add_flag(transaction, [(devices["river"], "river", NOON, 3)], flag)
    (row,) = kept(transaction, "river")
    assert (row["level_m"], row["flags"]) == (1.42, Flag.JUMP | Flag.SPIKE)


KEYS = st.tuples(st.integers(0, 4), st.integers(0, 1), st.sampled_from([0.1, 0.2]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(KEYS, max_size=8), max_size=5))
def test_whatever_comes_the_first_word_at_each_key_stays_and_each_contradiction_is_told(
    transaction: Connection, devices: dict[str, int], batches: list[list[tuple[int, int, float]]]
) -> None:
    first: dict[tuple[int, int], float] = {}
    with transaction.begin_nested() as savepoint:
        for batch in batches:
            fresh, conflicts, begun = [], [], dict[tuple[int, int], int]()
            for position, (second, seq, level_m) in enumerate(batch):
                key, begins = (second, seq), begun.setdefault((second, seq), position)
                if key not in first:
                    fresh.append(position)
                repeated = begins != position and batch[begins][2] == level_m
                if first.setdefault(key, level_m) != level_m and not repeated:
                    conflicts.append(position)
            entries = [entry(devices["river"], "river", second, seq, level_m=level_m) for second, seq, level_m in batch]
            assert store(transaction, entries) == StoreResult(fresh, conflicts)
        rows = kept(transaction, "river")
        assert {((row["observed_at"] - NOON).seconds, row["seq"]): row["level_m"] for row in rows} == first
        savepoint.rollback()
