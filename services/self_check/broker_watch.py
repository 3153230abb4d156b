"""What upkeep itself sees of the broker: figures of `$SYS`, and how long a canary takes to become a row.

A canary is published for each lane every CANARY_S. It passes broker, pipeline and database as readings do, so that what
stops readings stops it too.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from threading import Lock
from time import monotonic

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from sqlalchemy import Connection, select

from ingest.canary import canary_payload, canary_topic
from ingest.mqtt.receiver import BrokerAddress, Tls
from models.kind import Lane
from models.tables.operations import canaries
from services.runtime.clock import Clock, PeriodicTimer
from services.runtime.mqtt_client import new_client
from services.self_check.unread_topics import UnreadTopics

log = logging.getLogger(__name__)

CLIENT_ID = "vigia-canary"
CANARY_S = 30.0
MAX_WAITING = 100
"""Canaries of a lane that are remembered, so that the one that arrived last is known."""
KEEPALIVE_S = 30
RECONNECT_S = 10
FIGURES = {
    "$SYS/broker/publish/messages/dropped": "broker_dropped",
    "$SYS/broker/store/messages/count": "broker_stored_messages",
    "$SYS/broker/store/messages/bytes": "broker_stored_bytes",
}
"""Topics of Mosquitto, and what each is called in the heartbeat. A broker without them sends none."""
WAIT = "canary_wait_s_"
"""Begins the name of the status that says how long a lane's oldest canary has been waiting to become a row."""


class BrokerWatch:
    """Connections to the broker, each with a thread, which come back by themselves. `url`: of the user `canary`."""

    def __init__(self, url: str, tls: Tls, clock: Clock, *, canary_s: float = CANARY_S) -> None:
        """Begin to connect. Raises ValueError on a bad address."""
        address = BrokerAddress.parse(url)
        self._clock, self._canary_timer = clock, PeriodicTimer(canary_s)
        self._lock = Lock()
        self._figures: dict[str, int] = {}
        self._dropped_rose_s: float | None = None
        self._waiting: dict[Lane, list[tuple[datetime, float]]] = {lane: [] for lane in Lane}
        """By lane, the canaries that are no row yet: the time each carries, and when it was sent, monotonic."""
        self._client = _client(address, tls, CLIENT_ID)
        # A connection of its own: a broker without $SYS may end the connection that asks for it.
        self._reader = _client(address, tls, f"{CLIENT_ID}-reader")
        self._reader.on_connect = self._subscribe
        self._reader.on_message = self._hear
        self._stray = _client(address, tls, f"{CLIENT_ID}-topics")
        self._unread = UnreadTopics(self._stray)
        for client in self._clients:
            client.connect_async(address.host, address.port, KEEPALIVE_S)
            client.loop_start()

    def run_due(self, transaction: Connection) -> dict[str, object]:
        """Publish the canaries that are due, and return what the heartbeat says of the broker.

        Reads which canaries are rows. Raises what the database raises.
        """
        if self._canary_timer.due():
            self._publish()
        self._unread.look_if_due()
        arrived = {Lane(row.lane): row.sent_at for row in transaction.execute(select(canaries))}
        return self._status(arrived, monotonic())

    @property
    def _clients(self) -> tuple[Client, ...]:
        return self._client, self._reader, self._stray

    def close(self) -> None:
        """Disconnect."""
        for client in self._clients:
            client.disconnect()
            client.loop_stop()

    def _publish(self) -> None:
        for lane, waiting in self._waiting.items():
            sent_at = self._clock()
            self._client.publish(canary_topic(lane), canary_payload(sent_at), qos=1)
            waiting.append((sent_at, monotonic()))
            del waiting[1:-MAX_WAITING]  # the oldest says for how long

    def _status(self, arrived: Mapping[Lane, datetime], now_s: float) -> dict[str, object]:
        for lane, waiting in self._waiting.items():
            # Only one that was sent from here proves anything: its time may have been any, by a clock that was wrong.
            rows = [place for place, (sent_at, _) in enumerate(waiting) if sent_at == arrived.get(lane)]
            del waiting[: rows[0] + 1 if rows else 0]
        with self._lock:
            status: dict[str, object] = {"broker_connected": self._client.is_connected(), **self._figures}
            if self._dropped_rose_s is not None:
                status["broker_dropped_age_s"] = round(now_s - self._dropped_rose_s, 1)
        if unread := self._unread.topics:
            status["unread_topics"] = unread
        waits_s = {lane: now_s - waiting[0][1] if waiting else 0.0 for lane, waiting in self._waiting.items()}
        return status | {f"{WAIT}{lane}": round(wait_s, 1) for lane, wait_s in waits_s.items()}

    def _subscribe(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refuses upkeep", extra={"action": "broker", "trouble": str(reason)})
            return
        client.subscribe([(topic, 0) for topic in FIGURES])

    def _hear(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        name = FIGURES.get(message.topic)
        if name is None or not message.payload.isdigit():
            return
        figure = int(message.payload)
        with self._lock:
            # A broker that started again counts from nought.
            if name == "broker_dropped" and figure > self._figures.get(name, figure):
                self._dropped_rose_s = monotonic()
            self._figures[name] = figure


def _client(address: BrokerAddress, tls: Tls, client_id: str) -> Client:
    client = new_client(address, client_id, tls)
    client.max_queued_messages_set(len(Lane))
    client.reconnect_delay_set(1, RECONNECT_S)
    return client
