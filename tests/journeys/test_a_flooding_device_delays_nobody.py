"""One river gauge publishes without end while another crosses its threshold: the alert does not wait behind it.

With the embedded broker, and with Mosquitto where there is one.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest

from services.embedded.mqtt_broker import embedded_broker
from services.runtime.clock import wall_clock
from simulators.bulk_publisher import BulkPublisher
from tests.databases import new_database
from tests.simulation.town import Mosquitto, TopicAndPayload, Town, mosquitto, town

BROKERS = ("embedded", "mosquitto")
FLOOD = 20_000
BUFFERED = 5_000
"""Readings of a gauge that was cut off for three and a half days, more than may be sent at once."""
QUEUED = 900_000
"""Readings of the flood in a proof, at most: the broker has room for them."""
FLOOD_PER_S = {"embedded": 5_000, "mosquitto": 1_000_000}
"""Mosquitto takes no more from a device than the pipeline takes from it. The embedded broker takes up to 90,000 a
second, thrice what the pipeline can, and others wait behind what it took: there the flood has a limit."""
WARM_S, CROSSING_EVERY_S = 1.0, 0.2
FLOODER, LOUD, BEHIND = "gauge-0", "gauge-24", "gauge-23"
CROSSED = "SELECT 1 FROM alerts WHERE subject = '{}' AND judgement = 'stage'"
DRAIN_S = 200.0
GARBAGE_S = 60.0
CROSSINGS = 8
MOST_DELAY_S = 1.0
MOST_MB_A_MINUTE = 1.0
GARBAGE_BYTES = 10_000
GARBAGE_AHEAD = 2_000
"""Garbage that waits at the broker, at most: 20 MB."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("here", BROKERS, indirect=True)
def test_a_crossing_behind_a_flood_is_told_while_the_flood_still_waits(here: Town) -> None:
    here.carrier.pause()
    with BulkPublisher(here.broker.url, client_id="devices", window=5_000) as wire:
        wire.send(said(FLOODER, number) for number in range(FLOOD))
        wire.send(said("gauge-1", number, 2.5) for number in range(2))
        wire.send(said(BEHIND, number) for number in range(BUFFERED))
        wire.drain()
        here.carrier.resume()
        here.await_that(lambda: bool(here.rows(CROSSED.format("gauge-1"))), DRAIN_S)
    processed, waiting = here.count("river_readings"), here.count("postponed_messages")
    print(f"at the alert: {processed:,} readings processed, {waiting:,} messages postponed")
    # The alert is noticed some time after it was raised: by then part of what waited has been processed too.
    assert waiting > 0
    here.await_that(lambda: here.count("river_readings") == FLOOD + BUFFERED + 2, DRAIN_S)
    here.await_that(lambda: here.count("postponed_messages") == 0)
    assert here.rows("SELECT * FROM sequence_gaps") == []
    assert here.rejected() == 0
    here.carrier.stop()


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("here", BROKERS, indirect=True)
def test_a_flood_delays_other_gauges_by_less_than_a_second_and_garbage_fills_no_disk(here: Town) -> None:
    calm_s = [crossing_s(here, number) for number in range(1, 1 + CROSSINGS)]
    per_s, began_s = FLOOD_PER_S["mosquitto" if isinstance(here.broker, Mosquitto) else "embedded"], monotonic()
    with flooding(
        here.broker.url,
        lambda number: said(FLOODER, number),
        lambda: min(QUEUED, int((monotonic() - began_s) * per_s)),
    ) as sent:
        sleep(WARM_S)
        flooded_s = []
        for number in range(CROSSINGS):
            flooded_s.append(crossing_s(here, 1 + CROSSINGS + number))
            sleep(CROSSING_EVERY_S)
        received = here.count("river_readings") + here.count("postponed_messages")
    print(f"{sent[0]:,} sent, {received:,} of them received when the last gauge crossed")
    print(f"{type(here.broker).__name__}, {here.rows('SHOW shared_preload_libraries')[0][0] or 'plain PostgreSQL'}")
    print(f"{'':24}{'median, s':>12}{'slowest, s':>12}")
    for name, delays_s in (("calm", calm_s), (f"{sent[0]:,} sent at once", flooded_s)):
        print(f"{name:24}{sorted(delays_s)[len(delays_s) // 2]:12.2f}{max(delays_s):12.2f}")
    here.await_that(lambda: here.count("river_readings") == sent[0] + 2 * CROSSINGS, DRAIN_S)
    garbage, minutes, grown_mb = garbage_kept(here)
    print(f"{garbage[0]:,} messages of garbage: {grown_mb:.2f} MB in {minutes:.1f} minutes")
    assert sent[0] < QUEUED, "the flood ended before the crossings"
    assert max(flooded_s) - min(calm_s) <= MOST_DELAY_S
    assert grown_mb <= MOST_MB_A_MINUTE * minutes
    here.carrier.stop()


@pytest.fixture
def here(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Town]:
    """A town at the broker of this name.

    Its database is on the server that `VIGIA_TEST_DATABASE_URL` names, else on the embedded one.
    """
    named = os.environ.get("VIGIA_TEST_DATABASE_URL", database_url)
    with (
        new_database(named) as url,
        mosquitto(tmp_path) if request.param == "mosquitto" else embedded_broker(tmp_path, 0) as broker,
        town(url, broker, tmp_path) as running,
    ):
        yield running


def said(device: str, number: int, level_m: float = 0.4) -> TopicAndPayload:
    """A reading of the last minute, the number-th of its device."""
    at = wall_clock().timestamp() - 60 + number * 1e-4
    return f"vigia/v1/town/river/{device}", (
        f'{{"observed_at": {at:.6f}, "boot": "flood", "seq": {number}, "level_m": {level_m}}}'.encode()
    )


def crossing_s(here: Town, number: int) -> float:
    """How long after its publication a gauge's crossing is an alert, s."""
    with BulkPublisher(here.broker.url, client_id=f"honest-{number}") as wire:
        began_s = monotonic()
        wire.send([said(f"gauge-{number}", 0, 2.5)])
        here.await_that(lambda: bool(here.rows(CROSSED.format(f"gauge-{number}"))), DRAIN_S)
        return monotonic() - began_s


def garbage_kept(here: Town) -> tuple[list[int], float, float]:
    """Publish garbage for a minute, as fast as it is read. Returns the messages, minutes, and MB the database grew."""
    size, before, began_s = "SELECT pg_database_size(current_database())", here.rejected(), monotonic()
    vacuum(here)  # what it frees later is not the garbage's
    began_bytes = here.rows(size)[0][0]
    topic = f"vigia/v1/town/river/{LOUD}"
    with flooding(
        here.broker.url,
        lambda number: (topic, b"x" * GARBAGE_BYTES + b"%d" % number),
        lambda: here.rejected() - before + GARBAGE_AHEAD,
    ) as sent:
        sleep(GARBAGE_S)
    here.await_that(lambda: here.rejected() - before >= sent[0], DRAIN_S)
    minutes = (monotonic() - began_s) / 60
    return sent, minutes, (here.rows(size)[0][0] - began_bytes) / 1e6


def vacuum(here: Town) -> None:
    """Give back the space of what was postponed."""
    with psycopg.connect(here.database_url, autocommit=True) as connection:
        connection.execute("VACUUM postponed_messages")


@contextmanager
def flooding(url: str, message: Callable[[int], TopicAndPayload], most: Callable[[], int]) -> Iterator[list[int]]:
    """Publish as fast as the broker takes it, until the block ends. Yields the count, complete after the block.

    most: how many messages may have been sent by now.
    """
    stop, sent = threading.Event(), [0]

    def publish() -> None:
        with BulkPublisher(url, client_id="flooder", window=1_000) as wire:
            while not stop.is_set():
                chunk = min(500, most() - wire.sent)
                if chunk <= 0:
                    stop.wait(0.02)
                wire.send(message(number) for number in range(wire.sent, wire.sent + chunk))
            wire.drain()
            sent[0] = wire.acknowledged

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()
