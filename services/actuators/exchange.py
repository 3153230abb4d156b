"""Exchange with sirens and signs over MQTT: sends what is due, and stores what they answer."""

import logging
from collections import deque
from functools import partial
from threading import Event

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from sqlalchemy import Engine

from ingest.mqtt.receiver import BrokerAddress, Tls
from services.actuators.messages import STATES, read_answer
from services.actuators.orders import due_commands, end_unanswered, take_answer
from services.runtime.clock import Clock
from services.runtime.mqtt_client import new_client
from services.runtime.retry import retry_while_unavailable

log = logging.getLogger(__name__)

CLIENT_ID = "actuators"
RECONNECT_S = 5
KEEPALIVE_S = 30
MAX_WAITING = 1_000
"""Answers that wait to be stored; the oldest is dropped, since a device says its state again."""


def _expiring(seconds: int) -> Properties:
    """The broker drops the message after so long, so that no device gets an order that has ended."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.MessageExpiryInterval = seconds
    return properties


class Exchange:
    """The connection to the broker. Commands are neither retained nor queued while the broker is away."""

    def __init__(self, database: Engine, clock: Clock, url: str, tls: Tls) -> None:
        """Connect in the background. Raises ValueError on a bad address."""
        address = BrokerAddress.parse(url)
        self._database, self._clock = database, clock
        self._heard: deque[tuple[str, bytes]] = deque(maxlen=MAX_WAITING)
        self._client = new_client(address, CLIENT_ID, tls)
        self._client.reconnect_delay_set(1, RECONNECT_S)
        self._client.on_connect, self._client.on_message = self._subscribe, self._hear
        self._client.connect_async(address.host, address.port, KEEPALIVE_S)
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def run_due(self, stop: Event) -> None:
        """Store what was heard, end what is over, and send what is due."""
        while self._heard:
            retry_while_unavailable(partial(self._store, *self._heard.popleft()), stop)
        retry_while_unavailable(self._send, stop)

    def _send(self) -> None:
        with self._database.begin() as transaction:
            end_unanswered(transaction, self._clock())
            if self._client.is_connected():
                for command in due_commands(transaction, self._clock()):
                    self._client.publish(command.topic, command.payload, qos=1, properties=_expiring(command.lasts_s))

    def _store(self, topic: str, payload: bytes) -> None:
        answer = read_answer(topic, payload)
        if answer is None:
            log.warning("an answer that cannot be read", extra={"action": "actuators", "topic": topic[:200]})
            return
        with self._database.begin() as transaction:
            take_answer(transaction, answer, self._clock())

    def _subscribe(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refuses us", extra={"action": "actuators", "trouble": str(reason)})
            return
        client.subscribe(STATES, 1)

    def _hear(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._heard.append((message.topic, bytes(message.payload)))
