"""Readings checked against device memories: which are the newest, which are current, and which were lost."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from ingest.check import CheckedBatch, check_readings, filled_gaps
from ingest.memory import NEVER, DeviceMemories, store_sequence_gaps
from ingest.quality.sequence_gaps import FilledGap, Gap
from ingest.registry import Device, DeviceRegistry
from models.kinds import KINDS_BY_NAME
from models.reading import Flag, Reading
from models.rows import StaleRowError

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
SENDER = ("azul", "river", "head")


def reading(
    minute: float, level_m: float = 0.4, *, seq: int | None = None, boot: str = "a", late_s: float = 1
) -> Reading:
    """What the gauge observed `minute` minutes after noon, received `late_s` seconds later."""
    at = NOON + timedelta(minutes=minute)
    columns = KINDS_BY_NAME["river"].columns
    values = tuple(level_m if name == "level_m" else None for name in columns)
    number = int(minute) if seq is None else seq
    return Reading("river", "azul", "head", at, at + timedelta(seconds=late_s), number, boot, values)


class Gauge:
    """One device in the tables and what is remembered of it."""

    def __init__(self, transaction: Connection) -> None:
        self.transaction, self.memories = transaction, DeviceMemories()
        self.devices = DeviceRegistry().resolve(transaction, [SENDER], NOON)
        self.device: Device = self.devices[SENDER]

    def sends(self, *readings: Reading) -> CheckedBatch:
        """One batch, all of it new to the tables, remembered at once."""
        self.memories.load(self.transaction, [self.device.id])
        checked = check_readings(self.devices, self.memories, readings)
        losses = [*checked.gaps, *filled_gaps(checked, range(len(readings)))]
        store_sequence_gaps(self.transaction, losses, NOON)
        written = self.memories.write(self.transaction, checked.memories)
        if written is not None:
            written.check_row_count()
        self.memories.mark_written(checked.memories)
        return checked

    def missing(self) -> int:
        """How many numbers never came, as health counts them."""
        query = "SELECT coalesce(sum(last_seq - first_seq + 1 - filled), 0) FROM sequence_gaps"
        return int(self.transaction.execute(text(query)).scalar_one())


@pytest.fixture
def gauge(transaction: Connection) -> Gauge:
    return Gauge(transaction)


def is_newest(checked: CheckedBatch) -> list[bool]:
    return [entry.is_newest for entry in checked.readings]


def flags(checked: CheckedBatch) -> Sequence[Flag]:
    return [entry.reading.flags for entry in checked.readings]


def test_what_is_later_than_all_before_is_surely_new_and_the_rest_is_not(gauge: Gauge) -> None:
    assert is_newest(gauge.sends(reading(1), reading(2), reading(2), reading(0), reading(3))) == [
        True,
        True,
        False,
        False,
        True,
    ]
    assert is_newest(gauge.sends(reading(3), reading(4))) == [False, True]


def test_what_comes_from_the_future_is_kept_and_never_the_newest(gauge: Gauge) -> None:
    checked = gauge.sends(reading(0), reading(60, late_s=-3600), reading(1))
    assert flags(checked)[1] == Flag.FUTURE
    assert is_newest(checked) == [True, False, True]
    assert gauge.memories.get(gauge.device.id).newest_at == NOON + timedelta(minutes=1)


def test_a_device_of_which_nothing_was_news_is_not_remembered(gauge: Gauge) -> None:
    gauge.sends(reading(60, late_s=-3600))
    assert gauge.memories.get(gauge.device.id).newest_at == NEVER
    assert gauge.transaction.execute(text("SELECT count(*) FROM device_memories")).scalar_one() == 0


def test_a_lone_spike_is_named_when_the_next_reading_shows_it(gauge: Gauge) -> None:
    checked = gauge.sends(*(reading(minute) for minute in range(5)), reading(5, 2.4), reading(6))
    assert checked.spikes == [(gauge.device.id, "river", NOON + timedelta(minutes=5), 5)]


def test_losses_are_told_in_the_batch_that_shows_them(gauge: Gauge) -> None:
    assert gauge.sends(reading(0), reading(3)).gaps == [(gauge.device.id, Gap("a", 1, 2))]
    assert gauge.missing() == 2
    checked = gauge.sends(reading(4), reading(1))
    assert filled_gaps(checked, [1]) == [(gauge.device.id, FilledGap("a", 1))]
    assert gauge.missing() == 1


def test_what_a_device_sends_late_from_before_it_started_anew_is_not_missed_any_more(gauge: Gauge) -> None:
    gauge.sends(reading(0, seq=0), reading(3, seq=3))
    gauge.sends(reading(4, seq=0, boot="b"))
    assert gauge.missing() == 2
    gauge.sends(reading(1, seq=1), reading(2, seq=2))
    assert gauge.missing() == 0


def test_a_number_from_the_future_is_not_missed_later(gauge: Gauge) -> None:
    gauge.sends(reading(0), reading(1, late_s=1), reading(300, seq=2, late_s=-3600), reading(3))
    assert gauge.missing() == 0


def test_memories_are_the_same_after_a_restart(gauge: Gauge) -> None:
    gauge.sends(*(reading(minute, 0.4 + 0.01 * minute) for minute in range(10)))
    before = gauge.memories.get(gauge.device.id)
    fresh = DeviceMemories()
    fresh.load(gauge.transaction, [gauge.device.id])
    after = fresh.get(gauge.device.id)
    assert (after.quality, after.sequence, after.newest_at) == (before.quality, before.sequence, before.newest_at)


def test_another_process_that_carried_the_device_meanwhile_is_noticed(gauge: Gauge) -> None:
    gauge.sends(reading(0))
    Gauge(gauge.transaction).sends(reading(1))
    with pytest.raises(StaleRowError):
        gauge.sends(reading(2))
    gauge.memories.clear()
    assert is_newest(gauge.sends(reading(2))) == [True]
