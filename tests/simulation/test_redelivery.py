"""A pipeline dies between commit and acknowledgement: everything is redelivered, and nothing is stored twice."""

from pathlib import Path
from time import monotonic

from sqlalchemy import Engine, text

from ingest.lanes import ALL_TOPICS
from ingest.mqtt.receiver import Receiver
from models.reading import Message
from services.embedded.mqtt_broker import embedded_broker
from services.pipeline.road import Pipeline
from services.runtime.clock import wall_clock
from simulators.bulk_publisher import BulkPublisher
from tests.simulation.town import TopicAndPayload, prepare, reading

SAID = 60
WAIT_S = 60.0


def test_what_was_kept_and_not_acknowledged_is_kept_once(database: Engine, migrated_url: str, tmp_path: Path) -> None:
    prepare(migrated_url)
    with embedded_broker(tmp_path, 0) as server:
        first = session(server.url)
        assert taken(first, wait_s=1.0) == []
        assert first.connected
        with BulkPublisher(server.url, client_id="gauges") as wire:
            wire.send(said(number) for number in range(SAID))
            wire.drain()
        messages = taken(first)
        carry(database, messages)
        first.close()
        second = session(server.url)
        again = taken(second)
        second.close()
        assert [message.payload for message in again] == [message.payload for message in messages]
        carry(database, again)
    with database.begin() as transaction:
        for table in ("river_readings", "rejected_messages"):
            assert transaction.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == SAID / 2


def said(number: int) -> TopicAndPayload:
    """Readings and garbage in turns."""
    topic, payload = reading(number // 2, 0.4)
    return topic, payload if number % 2 else f"wet {number}".encode()


def session(url: str) -> Receiver:
    """The pipeline's, not yet connected."""
    return Receiver(url, client_id="vigia-pipeline-all", filters=[ALL_TOPICS], now=wall_clock)


def taken(broker: Receiver, *, wait_s: float = WAIT_S) -> list[Message]:
    """All that was said, and nothing acknowledged."""
    messages: list[Message] = []
    deadline_s = monotonic() + wait_s
    while len(messages) < SAID and monotonic() < deadline_s:
        messages += broker.receive(SAID - len(messages), 0.2)
    return messages


def carry(database: Engine, messages: list[Message]) -> None:
    """As a process that begins anew."""
    pipeline = Pipeline(database, wall_clock, None)
    pipeline.process_messages(messages)
    pipeline.close()
