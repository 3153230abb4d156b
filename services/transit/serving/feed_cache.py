"""Cache of encoded GTFS-realtime feeds: each is encoded when it is requested and served while it is fresh."""

import threading
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.json_format import MessageToJson
from google.transit import gtfs_realtime_pb2 as gtfs_rt

from services.transit.serving.gtfs_realtime import FeedKind, feed_message
from services.transit.serving.snapshot import TransitSnapshot

FRESH_S = 5.0
"""How long an encoded feed is served again. Its content is at most a second older, since the snapshot is refreshed
each second.
"""


@dataclass(frozen=True)
class EncodedFeed:
    """A feed as bytes, encoded at `at`, Unix seconds."""

    at: float
    protobuf: bytes

    @cached_property
    def json(self) -> bytes:
        """The same feed as JSON, by the specification's names. Encoded on request only: it costs several times more."""
        feed = gtfs_rt.FeedMessage.FromString(self.protobuf)
        return MessageToJson(feed, preserving_proto_field_name=True, indent=None).encode()


class FeedCache:
    """The encoded feeds of one application. Safe between threads: a lock prevents encoding the same feed twice."""

    def __init__(self) -> None:
        self._feeds: dict[FeedKind, EncodedFeed] = {}
        self._lock = threading.Lock()

    def feed(self, part: FeedKind, snapshot: TransitSnapshot, now: float) -> EncodedFeed:
        """The feed, at most FRESH_S old. Its timestamp never goes back and never repeats with other content."""
        with self._lock:
            cached = self._feeds.get(part)
            if cached is not None and 0 <= now - cached.at < FRESH_S:
                return cached
            # At least one whole second later: the timestamp in the header has whole seconds.
            at = now if cached is None else max(now, cached.at + 1)
            self._feeds[part] = encoded = EncodedFeed(
                at, feed_message(snapshot, part, at).SerializeToString(deterministic=True)
            )
            return encoded
