"""A hundred thousand malformed payloads are kept as what they are, and the reading behind them arrives within a second.

The garbage flows as fast as the pipeline carries it: what came faster would queue at the broker before any reading.
"""

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import monotonic, sleep

import pytest

from ingest.decode import decode
from models.reading import Message, Rejected
from services.embedded.mqtt_broker import embedded_broker
from simulators.bulk_publisher import BulkPublisher
from tests.ingest.test_decode import TOPICS, VALID, damaged
from tests.simulation.town import BEGAN_AT, Said, Town, reading, town

GARBAGE = 100_000
ON_THE_ROAD = 1_500
"""Malformed messages published and not yet kept, at most."""
SHARE_OF_NOISE = 0.3
LONGEST_NOISE = 300
PROBE_EVERY_S = 0.1
LOOK_EVERY_S = 0.02
LONGEST_DELAY_S = 1.0
SETTLE_S = 60.0


@pytest.mark.timeout(240)
def test_a_hundred_thousand_malformed_payloads_are_kept_and_delay_no_reading(migrated_url: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("VIGIA_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
    print(f"seed {seed}")
    garbage = list(islice(malformed(random.Random(seed)), GARBAGE))
    with embedded_broker(tmp_path, 0) as broker, town(migrated_url, broker, tmp_path) as here:
        with Probe(here) as probe:
            began_s = monotonic()
            publish_at_the_roads_pace(here, garbage)
            here.await_that(lambda: here.count("rejected_messages") >= GARBAGE, SETTLE_S)
            elapsed_s = monotonic() - began_s
        print(
            f"{GARBAGE / elapsed_s:,.0f} malformed/s; {len(probe.delays_s)} readings behind them, "
            f"slowest {max(probe.delays_s):.3f} s; {here.carrier.rss_mb:.0f} MB"
        )
        assert Counter(here.rows("SELECT topic, payload FROM rejected_messages")) == Counter(garbage)
        assert len(probe.delays_s) == here.count("river_readings") > elapsed_s
        assert max(probe.delays_s) < LONGEST_DELAY_S
        here.carrier.stop()


def malformed(chance: random.Random) -> Iterator[Said]:
    """Damaged messages of every kind and noise, each of them no reading at all."""
    while True:
        noise = chance.random() < SHARE_OF_NOISE
        payload = chance.randbytes(chance.randrange(LONGEST_NOISE)) if noise else damaged(chance, chance.choice(VALID))
        message = Message(chance.choice(TOPICS), payload, BEGAN_AT)
        match decode(message):
            case [Rejected(message=whole)] if whole == message:
                yield message.topic, payload


def publish_at_the_roads_pace(here: Town, things: list[Said]) -> None:
    """Publish them all, never more ahead of what is kept than `ON_THE_ROAD`."""
    sent = 0
    with BulkPublisher(here.broker.url, client_id="vandal") as wire:
        while sent < len(things):
            room = here.count("rejected_messages") + ON_THE_ROAD - sent
            wire.send(things[sent : sent + room])
            wire.drain()
            sent = min(sent + room, len(things))
            sleep(LOOK_EVERY_S)


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
