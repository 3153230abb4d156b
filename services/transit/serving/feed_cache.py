"""The GTFS-realtime feeds as bytes, each made when it is asked for and kept while it is fresh."""

import threading
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.json_format import MessageToJson
from google.transit import gtfs_realtime_pb2 as gtfs_rt

from services.transit.serving.gtfs_realtime import FeedKind, feed_message
from services.transit.serving.snapshot import TransitSnapshot

FRESH_S = 5.0
"""How old a feed that was made may be told again; what it tells is at most a second older."""


@dataclass(frozen=True)
class EncodedFeed:
    """A feed as bytes, made at `at`, Unix seconds."""

    at: float
    protobuf: bytes

    @cached_property
    def json(self) -> bytes:
        """The same in JSON, by the names of the specification: several times the work, so only where asked for."""
        told = gtfs_rt.FeedMessage.FromString(self.protobuf)
        return MessageToJson(told, preserving_proto_field_name=True, indent=None).encode()


class FeedCache:
    """The feeds of one application; safe between threads, which wait for one another rather than make it twice."""

    def __init__(self) -> None:
        self._kept: dict[FeedKind, EncodedFeed] = {}
        self._making = threading.Lock()

    def feed(self, part: FeedKind, snapshot: TransitSnapshot, now: float) -> EncodedFeed:
        """The feed, at most FRESH_S old. Its time never goes back, nor stands still while its content moves."""
        with self._making:
            kept = self._kept.get(part)
            if kept is not None and 0 <= now - kept.at < FRESH_S:
                return kept
            # A whole second later at least, since that is all the header can tell.
            at = now if kept is None else max(now, kept.at + 1)
            self._kept[part] = made = EncodedFeed(
                at, feed_message(snapshot, part, at).SerializeToString(deterministic=True)
            )
            return made
