"""Live stream as server-sent events, without a gap across reconnections. The only asynchronous route."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from alerts.declared.declaration_log import DECLARATION_NOTICE
from alerts.delivery.live_events import CALL_EVENT
from alerts.exercise_log import EXERCISE
from services.actuators.orders import ACTUATOR
from services.runtime.clock import Clock
from services.runtime.problem import HttpProblem
from services.web.access import PUBLIC, look_up_new_credentials
from services.web.context import context_of
from services.web.http.addresses import client_of
from services.web.http.admission import TooBusy
from services.web.http.credentials import is_anonymous
from services.web.live.event_feed import ClientTooSlow, Event, EventFeed, FeedClosed, Subscription, encode_event
from services.web.live.process_watch import ProcessWatch
from services.web.live.stream_position import MAX_POSITION_CHARS
from services.web.same_origin import is_same_origin

MAX_CLIENTS = 500
MAX_CLIENTS_PER_ADDRESS = 100
"""Screens behind one address: a building's, or a mobile carrier's."""
OPERATOR_CLIENTS = 100
"""Screens of operators beyond MAX_CLIENTS. They count to no address."""
PULSE_S = 10.0
RETRY_MS = 2_000
SEND_TIMEOUT_S = 10.0
"""A client that takes longer to receive an event is dropped."""
OTHER_SITES = "other sites"
"""What streams of pages of other sites are counted by, all together: they leave room to the city's own screens."""
OPERATORS = "operators"
"""What operators' streams are counted by."""
END_TIMEOUT_S = 0.5
"""Longest wait to send the end of the stream to a dropped client."""

EventName = Literal[
    "readings",
    "transition",
    "alert",
    "incident",
    "device",
    "attention",
    "declaration",
    "declaration_notice",
    "call",
    "exercise",
    "actuator",
    "pulse",
    "resync",
]
"""What may be selected. A pulse or resync comes always: a client must see that its stream lives, and what it missed."""

STAFF_EVENTS = frozenset({DECLARATION_NOTICE, CALL_EVENT, EXERCISE, ACTUATOR})
"""Events that only operators get, whatever a client asks for."""

router = APIRouter(tags=["live"], dependencies=[PUBLIC])

EXAMPLE = encode_event(
    "1735732800~812:812:~812:815:~814-99",
    "transition",
    '{"id": 12, "subject": "gato-143-524", "before": 0, "after": 1}',
).decode()


class TooManyClients(HttpProblem):
    """Hay demasiadas pantallas conectadas. / Too many screens are connected."""

    status = 503
    retry_after_s = 10


class EventStream(Response):
    """Sends events of the feed to one client, until it disconnects, falls behind or the server stops."""

    media_type = "text/event-stream"

    def __init__(
        self,
        feed: EventFeed,
        watch: ProcessWatch,
        clock: Clock,
        client: str,
        last: str | None,
        names: frozenset[str],
        *,
        is_staff: Callable[[], bool],
    ) -> None:
        """`client`: what the stream is counted by. `last`: the position to continue from, None for the present.

        `names`: the requested events, empty for all. `is_staff`: asked again for each event, since a session may end;
        without it STAFF_EVENTS are left out.
        """
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed, self._watch, self._clock = feed, watch, clock
        self._client, self._last, self._names = client, last, names
        self._is_staff = is_staff

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until one side ends the stream."""
        self._feed.clients += 1
        self._feed.clients_by_address[self._client] += 1
        writing = asyncio.ensure_future(self._write(send))
        leaving = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
        finally:
            self._feed.clients -= 1
            self._feed.clients_by_address[self._client] -= 1
            if not self._feed.clients_by_address[self._client]:
                del self._feed.clients_by_address[self._client]
            writing.cancel()
            leaving.cancel()
            await asyncio.gather(writing, leaving, return_exceptions=True)

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            await self._send(send, f"retry: {RETRY_MS}\n\n".encode())
            await self._send(send, self._first_events(subscription := await self._feed.subscribe(self._last)))
            index = subscription.next_index
            while True:
                events, position = await self._feed.events_from(index, PULSE_S)
                index += len(events)
                await self._send(send, self._encode(events) if events else self._pulse(position))
        except FeedClosed:
            pass
        except (ClientTooSlow, TimeoutError):
            self._feed.dropped_clients += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await send({"type": "http.response.body", "body": b""})

    async def _send(self, send: Send, body: bytes) -> None:
        if body:
            message: Message = {"type": "http.response.body", "body": body, "more_body": True}
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await send(message)

    def _first_events(self, subscription: Subscription) -> bytes:
        if subscription.resync:
            return encode_event(subscription.position, "resync", "{}") + self._pulse(subscription.position)
        return self._encode(subscription.missed) + self._pulse(subscription.position)

    def _encode(self, events: list[Event]) -> bytes:
        told = [event for event in events if event.name not in STAFF_EVENTS or self._is_staff()]
        return b"".join(event.encoded for event in told if not self._names or event.name in self._names)

    def _pulse(self, position: str) -> bytes:
        """A pulse is an event and not a comment, so that a page can notice when pulses stop."""
        connected = self._feed.connected and self._watch.answers
        pulse = orjson.dumps({"at": self._clock(), "connected": connected, "dead": self._watch.dead})
        return encode_event(position, "pulse", pulse.decode())


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@router.get(
    "/live",
    summary="Live events (server-sent)",
    status_code=200,
    response_class=EventStream,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}}}},
)
async def live(
    request: Request,
    last_event_id: Annotated[
        str | None,
        Header(max_length=MAX_POSITION_CHARS, description="Continue after this event; browsers send it by themselves"),
    ] = None,
    after: Annotated[
        str | None,
        Query(max_length=MAX_POSITION_CHARS, description="The same for a first connection, as pages render it"),
    ] = None,
    events: Annotated[
        list[EventName] | None,
        Query(
            max_length=13,
            description="Only these events; all where unset. `pulse` and `resync` come always, also where not named",
        ),
    ] = None,
) -> EventStream:
    """Readings, transitions, alerts, devices, proposed and declared levels as server-sent events, when committed.

    Only operators get `declaration_notice` (a proposal graver than what is declared, or a declared level about to
    end), `call` (somebody is called on the console about an incident), `exercise` (what happens in a drill or training,
    under `what`) and `actuator` (what became of an order to a siren or a sign).

    Every event has an `id`. A client that reconnects with it gets exactly the events that it missed, in order, however
    many processes write. `resync` means that too much was missed: read the state again. `pulse` comes every 10 s with
    the server's time, so that a client can distinguish a lost stream from a quiet one, and with the names of the
    processes that are dead (`dead`).
    """
    context = context_of(request)
    if not is_anonymous(request) and not context.known_operators.sent(request):
        with suppress(TooBusy, DBAPIError, NoConnectionFree):
            async with context.admission.visitors.taken():
                await run_in_threadpool(look_up_new_credentials, request)
    client = client_of(request) if is_same_origin(request) or "origin" not in request.headers else OTHER_SITES
    feed = context.event_feed
    if context.known_operators.sent(request):
        client = OPERATORS
        is_full = feed.clients >= MAX_CLIENTS + OPERATOR_CLIENTS
    else:
        is_full = feed.clients >= MAX_CLIENTS or feed.clients_by_address[client] >= MAX_CLIENTS_PER_ADDRESS
    if is_full:
        raise TooManyClients
    return EventStream(
        feed,
        context.process_watch,
        context.clock,
        client,
        last_event_id or after,
        frozenset(events or ()),
        is_staff=lambda: context.known_operators.sent(request),
    )
