"""Poll a vendor's URL for GTFS-realtime vehicle positions, for cities that are given nothing better.

New positions are published to the broker, one GTFS-realtime message for each vehicle, and take the same path from there
as any other message. Nothing is decided here.
"""

import logging
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from time import monotonic

import httpx

from ingest.formats import gtfsrt
from ingest.formats.gtfsrt import EntityPart, Feed
from ingest.formats.vigia_json import Unreadable, short_repr
from services.runtime.alive import mark_alive
from services.runtime.http_exchange import EXCHANGE_ERRORS, Answer, exchange

log = logging.getLogger(__name__)

LARGEST_BYTES = 8 << 20
"""The limit for one answer, as sent and unpacked; a region with 5,500 vehicles takes 0.6 MB."""
FETCH_TIMEOUT_S = 30.0
"""The limit for one whole answer, redirects included, however slowly it arrives."""
MOST_REDIRECTS = 3
MOST_ENTITIES = 50_000
MOST_VEHICLES = 50_000
LARGEST_MESSAGE_BYTES = 30_000
"""Limit of what is published of one entity. The deployed broker cuts off who publishes 32,768 bytes, topic included."""
LONGEST_BACKOFF_S = 600.0

Send = Callable[[Sequence[tuple[str, bytes]]], int]
"""Publishes topics and payloads; returns their number once all are acknowledged."""


class BadAnswer(Exception):
    """The answer is no feed of positions, too large, too slow, or leads to another host."""


POLL_ERRORS = (*EXCHANGE_ERRORS, BadAnswer)
"""What makes one poll fail: the vendor, or, as an OSError, the broker. The next one may succeed."""


@dataclass(slots=True)
class Poller:
    """One URL, with the cache headers and vehicles of its last answer."""

    url: str
    feed: str
    _cache_headers: dict[str, str] = field(default_factory=dict)
    _last_sent: dict[str | bytes, bytes] = field(default_factory=dict)

    def run(self, send: Send, every_s: float, stop: threading.Event) -> None:
        """Poll every `every_s` until stopped; less and less often while the URL or the broker fails."""
        failures = 0
        while not stop.is_set():
            try:
                sent = self.poll_once(send)
            except POLL_ERRORS as trouble:
                failures += 1
                log.warning(
                    "no positions", extra={"action": "poll", "failures": failures, "trouble": error_text(trouble)}
                )
            else:
                failures = 0
                mark_alive()
                log.info("asked for positions", extra={"action": "poll", "sent": sent})
            stop.wait(min(LONGEST_BACKOFF_S, every_s * 2 ** min(failures, 16)))

    def poll_once(self, send: Send) -> int:
        """Poll once and publish what is new; returns how many. Raises POLL_ERRORS, or what `send` does.

        What could not be published counts as new the next time. An entity that cannot be read is published too: the
        pipeline keeps it as a rejection with its reason.
        """
        answer = self._fetch()
        if answer is None:
            return 0
        feed = _parse_feed(_unpacked(answer))
        marks = {name: (mark, part) for name, mark, part in _vehicles(feed)}
        fresh = {name: (mark, part) for name, (mark, part) in marks.items() if self._last_sent.get(name) != mark}
        topic = f"{gtfsrt.PREFIX}{self.feed}/"
        sent = send([(topic, _message(feed, part)) for _, part in fresh.values()])
        self._last_sent = {**self._last_sent, **{name: mark for name, (mark, _) in fresh.items()}}
        while len(self._last_sent) > MOST_VEHICLES:
            del self._last_sent[next(iter(self._last_sent))]
        self._cache_headers = _conditions(answer)
        return sent

    def _fetch(self) -> Answer | None:
        """The answer; None where there is no newer one. A redirect is followed only within its host."""
        deadline_s, url = monotonic() + FETCH_TIMEOUT_S, self.url
        for _ in range(MOST_REDIRECTS + 1):
            answer = exchange(
                "GET",
                url,
                headers={"Accept-Encoding": "gzip", **self._cache_headers},
                deadline_s=max(0.0, deadline_s - monotonic()),
                max_bytes=LARGEST_BYTES,
                max_error_bytes=0,
            )
            if answer.redirect is None:
                break
            url = _redirect_within_host(url, answer.redirect)
        if answer.status == httpx.codes.NOT_MODIFIED:
            return None
        if answer.status != httpx.codes.OK:
            raise BadAnswer(f"status {answer.status}")
        return answer


def _redirect_within_host(url: str, redirect: str) -> str:
    """The redirect, if it stays at the same host and port, or goes from http to https there. Else raises BadAnswer."""
    here, there = httpx.URL(url), httpx.URL(redirect)
    stays = (there.scheme, there.host, there.port) == (here.scheme, here.host, here.port)
    if stays or ((here.scheme, there.scheme) == ("http", "https") and here.host == there.host and there.port is None):
        return redirect
    raise BadAnswer(f"redirects to {there.scheme}://{there.host}, another host; poll that address if you trust it")


def _unpacked(answer: Answer) -> bytes:
    """The body, unpacked where it was sent as gzip. Raises BadAnswer, before more than LARGEST_BYTES are unpacked."""
    encoding, body = answer.headers.get("content-encoding", "identity").strip().lower(), answer.body
    if encoding in {"gzip", "x-gzip"}:
        packed = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            body = packed.decompress(answer.body, LARGEST_BYTES + 1)
        except zlib.error as error:
            raise BadAnswer(f"said to be gzip and is not: {error}") from None
        if not packed.eof and len(body) <= LARGEST_BYTES:
            raise BadAnswer("a gzip answer that was cut short")
    elif encoding != "identity":
        raise BadAnswer(f"content encoding {short_repr(encoding)}; only gzip was asked for")
    if answer.is_cut or len(body) > LARGEST_BYTES:
        raise BadAnswer(f"more than {LARGEST_BYTES:,} bytes")
    return body


def _conditions(answer: Answer) -> dict[str, str]:
    """The headers that ask only for something newer than this answer."""
    validators = {"If-None-Match": "etag", "If-Modified-Since": "last-modified"}
    return {asked: answer.headers[told] for asked, told in validators.items() if told in answer.headers}


def _parse_feed(body: bytes) -> Feed:
    try:
        return gtfsrt.parse_feed(body, MOST_ENTITIES)
    except Unreadable as fault:
        raise BadAnswer(fault.detail) from None


def _vehicles(feed: Feed) -> Iterator[tuple[str | bytes, bytes, EntityPart]]:
    """The vehicles: name, fingerprint of the content, entity. The fingerprint names what has no name or no form."""
    for part in feed.parts:
        if (vehicle := part.vehicle) is not None:
            mark = _fingerprint(
                vehicle.SerializePartialToString(deterministic=True)
                + (b"" if vehicle.timestamp else feed.timestamp_s.to_bytes(8))
            )
            yield gtfsrt.vehicle_id(vehicle) or (part.entity and part.entity.id) or mark, mark, part
        elif part.holds_vehicle:
            mark = _fingerprint(part.payload)
            yield mark, mark, part


def _fingerprint(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()


def _message(feed: Feed, part: EntityPart) -> bytes:
    """What is published of one entity. What is too long for the broker is cut, and so becomes a rejection."""
    return gtfsrt.single_entity_feed(feed, part)[:LARGEST_MESSAGE_BYTES]


def error_text(trouble: Exception) -> str:
    """An error without the URL, which may hold a key."""
    return str(trouble) if isinstance(trouble, BadAnswer) else type(trouble).__name__
