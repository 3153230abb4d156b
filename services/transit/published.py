"""The GTFS-realtime feeds as bytes, each made when it is asked for and kept while it is fresh."""

import threading
from dataclasses import dataclass

from google.protobuf.json_format import MessageToJson

from services.transit.feed import Part, message
from services.transit.view import View

FRESH_S = 5.0
"""How old a feed that was made may be told again; what it tells is at most a second older."""


@dataclass(frozen=True, slots=True)
class Made:
    """A feed as bytes, made at `at`, Unix seconds."""

    at: float
    protobuf: bytes
    json: bytes


class Published:
    """The feeds of one application; safe between threads, which wait for one another rather than make it twice."""

    def __init__(self) -> None:
        self._kept: dict[Part, Made] = {}
        self._making = threading.Lock()

    def feed(self, part: Part, view: View, now: float) -> Made:
        """The feed, at most FRESH_S old. Its time never goes back, nor stands still while its content moves."""
        with self._making:
            kept = self._kept.get(part)
            if kept is not None and 0 <= now - kept.at < FRESH_S:
                return kept
            # A whole second later at least, since that is all the header can tell.
            at = now if kept is None else max(now, kept.at + 1)
            told = message(view, part, at)
            text = MessageToJson(told, preserving_proto_field_name=True, indent=None)
            self._kept[part] = made = Made(at, told.SerializeToString(deterministic=True), text.encode())
            return made
