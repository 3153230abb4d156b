"""Malformed payloads are rejected, cost no more than readings, and do not delay the readings behind them.

They are kept as far as the budget of rejections goes; the others are counted.

They are published as fast as the pipeline stores them. Faster ones would queue at the broker before any reading.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from time import monotonic, sleep

import pytest

from ingest.decode import decode
from models.reading import Message, Rejected
from services.embedded.mqtt_broker import embedded_broker
from simulators.bulk_publisher import BulkPublisher
from tests.ingest.test_decode import TOPICS, VALID, damaged
from tests.simulation.town import BEGAN_AT, TopicAndPayload, Town, reading, town

GARBAGE, MUCH_GARBAGE = 20_000, 100_000
ROUNDS = 4
"""Garbage and readings are published in turns, so that both meet the same machine."""
DEARER = 4.0
"""Each malformed message may cost at most so many readings. It costs about one; a retry or a search would show."""
ON_THE_ROAD = 1_500
"""Messages published and not yet kept, at most."""
SHARE_OF_NOISE = 0.3
LONGEST_NOISE = 300
PROBE_EVERY_S = 0.1
LOOK_EVERY_S = 0.02
LONGEST_DELAY_S = 1.0
SETTLE_S = 100.0


@pytest.mark.seeds(1)
@pytest.mark.timeout(300)
def test_malformed_payloads_are_kept_and_cost_no_more_than_readings(
    migrated_url: str, tmp_path: Path, seed: int
) -> None:
    garbage = list(islice(malformed(random.Random(seed)), GARBAGE))
    each = GARBAGE // ROUNDS
    garbage_s = readings_s = 0.0
    with embedded_broker(tmp_path, 0) as broker, town(migrated_url, broker, tmp_path) as here:
        for start in range(0, GARBAGE, each):
            readings = [reading(number, 0.4) for number in range(start, start + each)]
            readings_s += seconds_to_keep(here, readings, lambda: here.count("river_readings"))
            garbage_s += seconds_to_keep(here, garbage[start : start + each], here.rejected)
        print(f"{GARBAGE / garbage_s:,.0f} malformed/s, {GARBAGE / readings_s:,.0f} readings/s")
        assert_rejected(here, garbage)
        assert here.count("river_readings") == GARBAGE
        assert garbage_s < DEARER * readings_s
        here.carrier.stop()


@pytest.mark.seeds(1)
@pytest.mark.timeout(300)
def test_readings_among_malformed_payloads_all_arrive(migrated_url: str, tmp_path: Path, seed: int) -> None:
    assert delays_behind_garbage(migrated_url, tmp_path, seed, GARBAGE)


@pytest.mark.proof
@pytest.mark.seeds(1)
@pytest.mark.timeout(300)
def test_a_reading_behind_a_hundred_thousand_malformed_payloads_arrives_within_a_second(
    migrated_url: str, tmp_path: Path, seed: int
) -> None:
    assert max(delays_behind_garbage(migrated_url, tmp_path, seed, MUCH_GARBAGE)) < LONGEST_DELAY_S


def delays_behind_garbage(database_url: str, folder: Path, seed: int, number: int) -> list[float]:
    """Keep so much garbage with readings among it. Returns how long each reading took to be seen in the tables, s."""
    garbage = list(islice(malformed(random.Random(seed)), number))
    with embedded_broker(folder, 0) as broker, town(database_url, broker, folder) as here:
        with Probe(here) as probe:
            elapsed_s = seconds_to_keep(here, garbage, here.rejected)
        print(
            f"{number / elapsed_s:,.0f} malformed/s; {len(probe.delays_s)} readings behind them, "
            f"slowest {max(probe.delays_s):.3f} s; {here.carrier.rss_mb:.0f} MB"
        )
        assert_rejected(here, garbage)
        assert len(probe.delays_s) == here.count("river_readings")
        here.carrier.stop()
    return probe.delays_s


def malformed(chance: random.Random) -> Iterator[TopicAndPayload]:
    """Damaged messages of every kind and noise, each of them no reading at all."""
    while True:
        noise = chance.random() < SHARE_OF_NOISE
        payload = chance.randbytes(chance.randrange(LONGEST_NOISE)) if noise else damaged(chance, chance.choice(VALID))
        message = Message(chance.choice(TOPICS), payload, BEGAN_AT)
        match decode(message):
            case [Rejected(message=whole)] if whole == message:
                yield message.topic, payload


def assert_rejected(here: Town, garbage: list[TopicAndPayload]) -> None:
    """Each malformed message is kept byte for byte or counted, and none twice."""
    kept = Counter(here.rows("SELECT topic, payload FROM rejected_messages"))
    assert kept <= Counter(garbage)
    assert here.rejected() == len(garbage)


def seconds_to_keep(here: Town, messages: list[TopicAndPayload], accounted: Callable[[], int]) -> float:
    """Publish all, never more ahead of what is accounted for than `ON_THE_ROAD`, until all is. Returns s."""
    began_s, before, sent = monotonic(), accounted(), 0
    with BulkPublisher(here.broker.url, client_id="vandal") as wire:
        while sent < len(messages):
            room = accounted() - before + ON_THE_ROAD - sent
            wire.send(messages[sent : sent + room])
            wire.drain()
            sent = min(sent + room, len(messages))
            sleep(LOOK_EVERY_S)
    here.await_that(lambda: accounted() - before >= len(messages), SETTLE_S)
    return monotonic() - began_s


class Probe:
    """One good gauge: says a reading, waits until others can see it in the tables, and says the next."""

    def __init__(self, here: Town) -> None:
        """Says nothing before the `with` begins."""
        self.delays_s: list[float] = []
        self._here = here
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Probe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with BulkPublisher(self._here.broker.url, client_id="probe") as wire:
            while not self._stop.wait(PROBE_EVERY_S):
                number, said_s = len(self.delays_s), monotonic()
                wire.send([reading(number, 0.4)])
                while self._here.count("river_readings") == number:
                    if monotonic() > said_s + SETTLE_S:
                        return
                    sleep(LOOK_EVERY_S)
                self.delays_s.append(monotonic() - said_s)
