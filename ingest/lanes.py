"""Which process keeps which messages: what a lane subscribes to, and which of what it hears are its own."""

from functools import lru_cache

from ingest.decode import FOREIGN_FORMATS
from ingest.topic import MAX_TOPIC_LENGTH, MAX_TOPICS_REMEMBERED
from models.kind import Lane
from models.kinds import KINDS, KINDS_BY_NAME

ALL_TOPICS = "vigia/v1/#"
COMMAND_SUFFIX = "/command"


def lane_kinds(lane: Lane | None) -> list[str]:
    """The kinds whose readings a lane keeps and whose silence it notices; all for a process that is every lane."""
    return [kind.name for kind in KINDS if lane in (None, kind.lane)]


def lane_topics(lane: Lane | None, *, foreign: bool) -> tuple[str, ...]:
    """What a lane subscribes to. The bulk lane hears everything, so that no topic is nobody's."""
    if lane is Lane.CRITICAL:
        return tuple(f"vigia/v1/+/{kind}/#" for kind in lane_kinds(lane))
    return (ALL_TOPICS, *(f"{prefix}#" for prefix in FOREIGN_FORMATS if foreign))


def belongs_to_lane(lane: Lane | None, topic: str) -> bool:
    """Whether a message on this topic is the lane's to keep."""
    its = topic_lane(topic) if len(topic) <= MAX_TOPIC_LENGTH else Lane.BULK
    return its is not None and lane in (None, its)


@lru_cache(maxsize=MAX_TOPICS_REMEMBERED)
def topic_lane(topic: str) -> Lane | None:
    """Whose a message is; what names no kind of ours is the bulk lane's to reject, and commands are nobody's."""
    if topic.startswith("/"):
        return Lane.BULK
    if topic.endswith(COMMAND_SUFFIX):
        return None
    kind = KINDS_BY_NAME.get(topic.split("/", 4)[3]) if topic.count("/") > 3 else None
    return kind.lane if kind else Lane.BULK
