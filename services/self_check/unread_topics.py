"""Topics on which somebody publishes and nobody reads, such as sensores/nivel, where the broker shows them.

It listens only where no reading of Vigía goes: to short topics, and to misspelt beginnings of ours. A broker that lets
its user see its own topics only, as that of deploy/, shows none, and refuses such messages itself.
"""

from threading import Lock
from time import monotonic

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.canary import PREFIX

FILTERS = (
    *("+", "+/+", "+/+/+", "+/+/+/+"),
    *("Vigia/#", "VIGIA/#", "/vigia/#", "vigia/V1/#", "vigia/v0/#", "vigia/v2/#", "vigía/#"),
)
OURS = (PREFIX, "vigia/v1/", "/hfp/v2/", "/gtfsrt/vp/", "$")
LOOK_EVERY_S = 600.0
MAX_HEARD = 100
"""Messages of one look. Then it listens to nothing until the next: other uses of the broker cost it nothing."""
MAX_TOPICS = 20
MAX_TOPIC_CHARS = 80


class UnreadTopics:
    """What a client hears on topics that nobody reads. Its own thread hears; the others ask."""

    def __init__(self, client: Client) -> None:
        """Take the client's call-backs. It connects afterwards."""
        self._client, self._lock = client, Lock()
        self._topics: dict[str, None] = {}
        self._heard = 0
        self._looked_s = monotonic()
        client.on_connect = self._connected
        client.on_message = self._hear

    @property
    def topics(self) -> list[str]:
        """The topics heard since the start, the first MAX_TOPICS of them."""
        with self._lock:
            return list(self._topics)

    def look_if_due(self) -> None:
        """Listen again where the last look was long enough ago."""
        if monotonic() - self._looked_s >= LOOK_EVERY_S and self._client.is_connected():
            self._listen()

    def _listen(self) -> None:
        self._looked_s, self._heard = monotonic(), 0
        self._client.subscribe([(one, 0) for one in FILTERS])

    def _connected(
        self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if not reason.is_failure:
            self._listen()

    def _hear(self, client: Client, _data: object, message: MQTTMessage) -> None:
        self._heard += 1
        if self._heard == MAX_HEARD:
            client.unsubscribe(list(FILTERS))
        if is_ours(message.topic):
            return
        with self._lock:
            if len(self._topics) < MAX_TOPICS:
                self._topics[message.topic[:MAX_TOPIC_CHARS]] = None


def is_ours(topic: str) -> bool:
    """Whether a pipeline reads this topic, or the broker or Vigía itself writes it."""
    return topic.startswith(OURS)
