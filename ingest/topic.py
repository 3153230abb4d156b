"""Whose message it is: the topic taken apart."""

import re
from dataclasses import dataclass
from functools import lru_cache

from models.kind import SensorKind
from models.kinds import KINDS_BY_NAME

MAX_TOPICS_REMEMBERED = 65_536

_ID = "[a-z0-9-]{1,64}"
_TOPIC = re.compile(rf"vigia/v1/({_ID})/({_ID})/({_ID})(/status)?")
MAX_TOPIC_LENGTH = len("vigia/v1///") + 3 * 64 + len("/status")
"""None of ours is longer; those that are would fill the memory that is kept for topics."""
_BAD_TOPIC = (
    "topic is not vigia/v1/{municipality}/{kind}/{device}, with or without /status; names are 1 to 64 of a-z, 0-9 and -"
)


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """The device a message speaks for; `status` marks its births and last wills."""

    municipality: str
    kind: SensorKind
    device: str
    status: bool


def parse_topic(topic: str) -> DeviceTopic | str:
    """The device behind a topic, or a sentence saying why there is none."""
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
