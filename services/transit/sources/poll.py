"""Poll a vendor's URL for GTFS-realtime vehicle positions, for cities that are given nothing better.

New positions are published to the broker, one GTFS-realtime message for each vehicle, and take the same path from there
as any other message. Nothing is decided here.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic

import httpx
from google.transit.gtfs_realtime_pb2 import FeedEntity, FeedMessage

from ingest.formats import gtfsrt
from ingest.formats.vigia_json import Unreadable

log = logging.getLogger(__name__)

LARGEST_BYTES = 16 << 20
"""The limit for one answer; a region with 5,500 vehicles takes 0.6 MB."""
FETCH_TIMEOUT_S = 30.0
"""The limit for one whole answer, however slowly it arrives."""
PHASE_TIMEOUT_S = 10.0
MOST_VEHICLES = 50_000
LONGEST_BACKOFF_S = 600.0

Send = Callable[[Sequence[tuple[str, bytes]]], int]
"""Publishes topics and payloads; returns their number once all are acknowledged."""


class BadAnswer(Exception):
    """The answer is no feed of positions, or too large, or too slow."""


@dataclass(slots=True)
class Poller:
    """One URL, with the cache headers and vehicles of its last answer."""

    client: httpx.Client
    url: str
    feed: str
    _cache_headers: dict[str, str] = field(default_factory=dict)
    _last_sent: dict[str, bytes] = field(default_factory=dict)

    def run(self, send: Send, every_s: float, stop: threading.Event) -> None:
        """Poll every `every_s` until stopped; less and less often while the URL or the broker fails."""
        failures = 0
        while not stop.is_set():
            try:
                sent = self.poll_once(send)
            except (httpx.HTTPError, BadAnswer, OSError) as trouble:
                failures += 1
                log.warning(
                    "no positions", extra={"action": "poll", "failures": failures, "trouble": error_text(trouble)}
                )
            else:
                failures = 0
                log.info("asked for positions", extra={"action": "poll", "sent": sent})
            stop.wait(min(LONGEST_BACKOFF_S, every_s * 2 ** min(failures, 16)))

    def poll_once(self, send: Send) -> int:
        """Poll once and publish what is new; returns how many. Raises BadAnswer, httpx.HTTPError, or what `send` does.

        What could not be published counts as new the next time.
        """
        answer = self._fetch()
        if answer is None:
            return 0
        body, conditions = answer
        feed = _parse_feed(body)
        fresh = {
            name: (mark, entity) for name, mark, entity in _vehicle_entities(feed) if self._last_sent.get(name) != mark
        }
        topic = f"{gtfsrt.PREFIX}{self.feed}/"
        sent = send([(topic, gtfsrt.single_entity_feed(feed, entity)) for _, entity in fresh.values()])
        self._last_sent = {**self._last_sent, **{name: mark for name, (mark, _) in fresh.items()}}
        while len(self._last_sent) > MOST_VEHICLES:
            del self._last_sent[next(iter(self._last_sent))]
        self._cache_headers = conditions
        return sent

    def _fetch(self) -> tuple[bytes, dict[str, str]] | None:
        """The body and the headers to ask for a newer one; None where there is none."""
        deadline_s, body = monotonic() + FETCH_TIMEOUT_S, bytearray()
        with self.client.stream("GET", self.url, headers=self._cache_headers, timeout=PHASE_TIMEOUT_S) as answer:
            if answer.status_code == httpx.codes.NOT_MODIFIED:
                return None
            if answer.status_code != httpx.codes.OK:
                raise BadAnswer(f"status {answer.status_code}")
            for part in answer.iter_bytes():
                body += part
                if len(body) > LARGEST_BYTES or monotonic() > deadline_s:
                    raise BadAnswer(f"more than {LARGEST_BYTES:,} bytes, or more than {FETCH_TIMEOUT_S:.0f} s")
            validators = {"If-None-Match": "ETag", "If-Modified-Since": "Last-Modified"}
            return bytes(body), {
                request_header: answer.headers[answer_header]
                for request_header, answer_header in validators.items()
                if answer_header in answer.headers
            }


def _parse_feed(body: bytes) -> FeedMessage:
    try:
        return gtfsrt.parse_feed(body)
    except Unreadable as fault:
        raise BadAnswer(fault.detail) from None


def _vehicle_entities(feed: FeedMessage) -> Iterator[tuple[str, bytes, FeedEntity]]:
    """The vehicles: name, fingerprint of the content, entity."""
    for entity in feed.entity:
        if entity.HasField("vehicle"):
            mark = entity.vehicle.SerializeToString(deterministic=True)
            if not entity.vehicle.timestamp:
                mark += feed.header.timestamp.to_bytes(8)
            yield gtfsrt.vehicle_id(entity.vehicle) or entity.id, mark, entity


def error_text(trouble: Exception) -> str:
    """An error without the URL, which may hold a key."""
    return str(trouble) if isinstance(trouble, BadAnswer) else type(trouble).__name__
