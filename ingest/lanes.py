"""Which process keeps which messages: what a lane subscribes to, and which of what it hears are its own."""

from functools import lru_cache

from ingest.decode import FOREIGN
from ingest.topic import LONGEST_TOPIC, MAX_TOPICS_REMEMBERED
from models.kind import Lane
from models.kinds import BY_NAME, KINDS

EVERYTHING = "vigia/v1/#"
COMMANDS = "/command"


def kinds_of(lane: Lane | None) -> list[str]:
    """The kinds whose readings a lane keeps and whose silence it notices; all for a process that is every lane."""
    return [kind.name for kind in KINDS if lane in (None, kind.lane)]


def topics_of(lane: Lane | None, *, foreign: bool) -> tuple[str, ...]:
    """What a lane subscribes to. The bulk lane hears everything, so that no topic is nobody's."""
    if lane is Lane.CRITICAL:
        return tuple(f"vigia/v1/+/{kind}/#" for kind in kinds_of(lane))
    return (EVERYTHING, *(f"{prefix}#" for prefix in FOREIGN if foreign))


def concerns(lane: Lane | None, topic: str) -> bool:
    """Whether a message on this topic is the lane's to keep."""
    its = lane_of(topic) if len(topic) <= LONGEST_TOPIC else Lane.BULK
    return its is not None and lane in (None, its)


@lru_cache(maxsize=MAX_TOPICS_REMEMBERED)
def lane_of(topic: str) -> Lane | None:
    """Whose a message is; what names no kind of ours is the bulk lane's to reject, and commands are nobody's."""
    if topic.startswith("/"):
        return Lane.BULK
    if topic.endswith(COMMANDS):
        return None
    kind = BY_NAME.get(topic.split("/", 4)[3]) if topic.count("/") > 3 else None
    return kind.lane if kind else Lane.BULK
