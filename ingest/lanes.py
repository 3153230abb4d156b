"""Lanes: which pipeline process subscribes to which topics, and which messages it stores."""

from functools import lru_cache

from ingest.canary import PREFIX, canary_lane, canary_topic
from ingest.decode import FOREIGN_FORMATS
from ingest.topic import MAX_TOPIC_LENGTH, MAX_TOPICS_REMEMBERED
from models.kind import Lane
from models.kinds import KINDS, KINDS_BY_NAME

ALL_TOPICS = "vigia/v1/#"
COMMAND_SUFFIX = "/command"


def lane_kinds(lane: Lane | None) -> list[str]:
    """The kinds whose readings a lane stores and whose silence it detects. None means all lanes, and all kinds."""
    return [kind.name for kind in KINDS if lane in (None, kind.lane)]


def lane_topics(lane: Lane | None, *, foreign: bool) -> tuple[str, ...]:
    """The topic filters of a lane. The bulk lane subscribes to everything, so that no topic is left out."""
    canary = canary_topic(lane) if lane else f"{PREFIX}+"
    if lane is Lane.CRITICAL:
        return (*(f"vigia/v1/+/{kind}/#" for kind in lane_kinds(lane)), canary)
    return (ALL_TOPICS, canary, *(f"{prefix}#" for prefix in FOREIGN_FORMATS if foreign))


def belongs_to_lane(lane: Lane | None, topic: str) -> bool:
    """Whether the lane must store a message on this topic."""
    owner = owning_lane(topic)
    return owner is not None and lane in (None, owner)


def owning_lane(topic: str) -> Lane | None:
    """The lane that must store a message on this topic; None for commands, which no lane stores."""
    return topic_lane(topic) if len(topic) <= MAX_TOPIC_LENGTH else Lane.BULK


@lru_cache(maxsize=MAX_TOPICS_REMEMBERED)
def topic_lane(topic: str) -> Lane | None:
    """The lane of a topic. The bulk lane rejects topics without a known kind; commands belong to no lane (None)."""
    if topic.startswith("/"):
        return Lane.BULK
    if topic.endswith(COMMAND_SUFFIX):
        return None
    if lane := canary_lane(topic):
        return lane
    kind = KINDS_BY_NAME.get(topic.split("/", 4)[3]) if topic.count("/") > 3 else None
    return kind.lane if kind else Lane.BULK
