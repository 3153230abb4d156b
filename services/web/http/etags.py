"""ETag middleware (ASGI): a client that already has a response gets 304 instead of its body."""

from hashlib import blake2b

from fastapi import Depends, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REVALIDATE = "no-cache"
"""Cache-Control of a response that a client may store but must revalidate each time."""
CACHE_BRIEFLY = "public, max-age=10"
"""Cache-Control of a response that is the same for everybody and stays valid for 10 seconds."""


def _ask_for_revalidation(response: Response) -> None:
    response.headers["Cache-Control"] = REVALIDATE


WITH_ETAG = Depends(_ask_for_revalidation)
"""Declares that a route's response changes seldom and gets an ETag."""


class ETagMiddleware:
    """Adds an ETag of the body to responses marked for revalidation. Answers 304 where the client has that body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        known_tags = Headers(scope=scope).get("if-none-match", "")
        start: Message | None = None

        async def send_tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _needs_etag(message):
                start = message
                return
            if start is not None:
                is_whole = not message.get("more_body", False)
                head, start = start, None
                if is_whole and _is_unchanged(head, message["body"], known_tags):
                    message = {"type": "http.response.body", "body": b""}
                await send(head)
            await send(message)

        await self._app(scope, receive, send_tagged)


def _needs_etag(start: Message) -> bool:
    return start["status"] == 200 and Headers(scope=start).get("cache-control") in {REVALIDATE, CACHE_BRIEFLY}


def _is_unchanged(start: Message, body: bytes, known_tags: str) -> bool:
    """Add the ETag to the head. True where the client has this body: the head then becomes a 304."""
    tag = f'"{blake2b(body, digest_size=16).hexdigest()}"'
    headers = MutableHeaders(scope=start)
    headers["ETag"] = tag
    if tag not in (part.strip().removeprefix("W/") for part in known_tags.split(",")) and known_tags.strip() != "*":
        return False
    start["status"] = 304
    del headers["content-length"]
    return True
