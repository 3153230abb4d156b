"""The canary: a test message that Vigía sends to itself through the broker, one for each lane. It must become a row."""

from dataclasses import dataclass
from datetime import datetime

from models.kind import Lane

PREFIX = "vigia/canary/"
_LANES = {f"{PREFIX}{lane}": lane for lane in Lane}


@dataclass(frozen=True, slots=True)
class Canary:
    """A canary that arrived. `sent_at`: by the clock of the process that sent it."""

    lane: Lane
    sent_at: datetime


def canary_topic(lane: Lane) -> str:
    """The topic of a lane's canary. Only the broker's user `canary` may write there."""
    return f"{PREFIX}{lane}"


def canary_payload(sent_at: datetime) -> bytes:
    """The message."""
    return sent_at.isoformat().encode()


def canary_lane(topic: str) -> Lane | None:
    """The lane whose canary comes on this topic; None for all other topics."""
    return _LANES.get(topic)


def parse_canary(lane: Lane, payload: bytes) -> Canary | None:
    """The canary of a message; None where it says no time."""
    try:
        sent_at = datetime.fromisoformat(payload[:64].decode("ascii"))
    except ValueError:
        return None
    return Canary(lane, sent_at) if sent_at.tzinfo else None
