"""Publish messages fetched from elsewhere to the broker, so that they take the same path as those of devices."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from threading import Event
from time import monotonic

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.mqtt.receiver import BrokerAddress, Tls
from services.runtime.mqtt_client import new_client

IN_FLIGHT = 100
KEEPALIVE_S = 60
ACKNOWLEDGE_TIMEOUT_S = 15.0


class BrokerUnavailable(ConnectionError):
    """The broker refused, or did not accept or acknowledge in time. What was published may arrive twice."""


@contextmanager
def relay(url: str, client_id: str, tls: Tls) -> Iterator["Relay"]:
    """A connection for as long as the block lasts. Raises BrokerUnavailable, or ValueError for a bad address."""
    address = BrokerAddress.parse(url)
    client = new_client(address, client_id, tls)
    client.max_inflight_messages_set(IN_FLIGHT)
    connected = Event()
    refusals: list[str] = []

    def welcomed(_c: Client, _d: object, _f: ConnectFlags, reason: ReasonCode, _p: Properties | None) -> None:
        if reason.is_failure:
            refusals.append(str(reason))
        connected.set()

    client.on_connect = welcomed
    try:
        client.connect(address.host, address.port, KEEPALIVE_S)
    except OSError as error:
        raise BrokerUnavailable(f"no broker at {address.host}: {error}") from error
    client.loop_start()
    try:
        if not connected.wait(ACKNOWLEDGE_TIMEOUT_S) or refusals:
            raise BrokerUnavailable(f"the broker did not welcome us: {refusals[0] if refusals else 'no answer'}")
        yield Relay(client)
    finally:
        client.disconnect()
        client.loop_stop()


class Relay:
    """An open connection to the broker."""

    def __init__(self, client: Client) -> None:
        """`client`: connected, with its loop running."""
        self._client = client

    def publish(self, messages: Iterable[tuple[str, bytes]]) -> int:
        """Publish at QoS 1 and wait until all is acknowledged; returns how many. Raises BrokerUnavailable."""
        waiting, sent = iter(messages), 0
        while batch := list(islice(waiting, IN_FLIGHT)):
            deadline_s = monotonic() + ACKNOWLEDGE_TIMEOUT_S
            publications = [self._client.publish(topic, payload, qos=1) for topic, payload in batch]
            for publication in publications:
                publication.wait_for_publish(max(0.0, deadline_s - monotonic()))
                if not publication.is_published():
                    raise BrokerUnavailable(f"a message was not acknowledged for {ACKNOWLEDGE_TIMEOUT_S:.0f} s")
            sent += len(publications)
        return sent
