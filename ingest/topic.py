"""Parse an MQTT topic into municipality, sensor kind and device."""

import re
from dataclasses import dataclass
from functools import lru_cache

from models.kind import SensorKind
from models.kinds import KINDS_BY_NAME

MAX_TOPICS_REMEMBERED = 65_536

_ID = "[a-z0-9-]{1,64}"
_TOPIC = re.compile(rf"vigia/v1/({_ID})/({_ID})/({_ID})(/status)?")
MAX_TOPIC_LENGTH = len("vigia/v1///") + 3 * 64 + len("/status")
"""No valid topic is longer. Longer ones are not cached, since they would fill the cache."""
_BAD_TOPIC = (
    "topic is not vigia/v1/{municipality}/{kind}/{device}, with or without /status; names are 1 to 64 of a-z, 0-9 and -"
)


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """A parsed topic: the device of a message. `status`: the message is a birth or a last will."""

    municipality: str
    kind: SensorKind
    device: str
    status: bool


def parse_topic(topic: str) -> DeviceTopic | str:
    """The parsed topic, or a text that says why it is not valid."""
    return _BAD_TOPIC if len(topic) > MAX_TOPIC_LENGTH else _parse_topic(topic)


@lru_cache(maxsize=MAX_TOPICS_REMEMBERED)
def _parse_topic(topic: str) -> DeviceTopic | str:
    match = _TOPIC.fullmatch(topic)
    if match is None:
        return _BAD_TOPIC
    municipality, name, device, status = match.groups()
    kind = KINDS_BY_NAME.get(name)
    if kind is None:
        return f"kind {name!r} is not known here; known are {', '.join(KINDS_BY_NAME)}"
    return DeviceTopic(municipality, kind, device, status is not None)
