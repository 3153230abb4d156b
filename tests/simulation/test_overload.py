"""More messages than the pipeline can process: they wait at the broker, memory stays flat and nothing is lost.

The pipeline is paused while the first half is published, so that a backlog exists on any machine. The backlog stays
below the limit of the embedded broker; beyond its limit a broker drops messages.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.embedded.mqtt_broker import embedded_broker
from simulators.bulk_publisher import BulkPublisher
from tests.simulation.town import DEVICES, TopicAndPayload, Town, reading, town

WARM = 6_000
FLOOD = 60_000
WINDOW = 5_000
SAMPLE_S = 0.1
MORE_MB = 30.0
DRAIN_S = 100.0


@pytest.mark.timeout(180)
def test_a_flood_of_messages_waits_with_the_broker_and_not_in_memory(migrated_url: str, tmp_path: Path) -> None:
    with embedded_broker(tmp_path, 0) as broker, town(migrated_url, broker, tmp_path) as here:
        flood(broker.url, range(WARM))
        here.await_that(lambda: here.accounted() == WARM, DRAIN_S)
        warm_mb = here.carrier.rss_mb
        with memory_watched(here) as seen_mb:
            here.carrier.pause()
            flood(broker.url, range(WARM, WARM + FLOOD // 2))
            assert here.accounted() == WARM
            here.carrier.resume()
            flood(broker.url, range(WARM + FLOOD // 2, WARM + FLOOD))
            here.await_that(lambda: here.accounted() >= WARM + FLOOD, DRAIN_S)
        print(f"warm {warm_mb:.0f} MB, most {max(seen_mb):.0f} MB")
        assert max(seen_mb) < warm_mb + MORE_MB
        assert here.rows("SELECT count(DISTINCT (device_id, seq)), count(*) FROM river_readings") == [
            (WARM + FLOOD, WARM + FLOOD)
        ]


def flood(url: str, numbers: range) -> None:
    """Publish readings as fast as the broker takes them; all are acknowledged at the end."""
    with BulkPublisher(url, client_id="flood", window=WINDOW) as wire:
        wire.send(said(number) for number in numbers)
        wire.drain()
        assert wire.acknowledged == len(numbers)
        assert wire.refused == wire.without_subscriber == 0


def said(number: int) -> TopicAndPayload:
    """A stream that swings by a centimetre, so that nothing is worth an alert."""
    return reading(number, 0.4 + number // DEVICES % 2 / 100)


@contextmanager
def memory_watched(here: Town) -> Iterator[list[float]]:
    """What the pipeline holds, MB, sampled until the block ends."""
    seen_mb, done = [here.carrier.rss_mb], threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_S):
            seen_mb.append(here.carrier.rss_mb)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen_mb
    finally:
        done.set()
        watcher.join()
