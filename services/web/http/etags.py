"""ETags for what changes seldom: a client that has it already is told so instead of sent it again. Plain ASGI."""

from hashlib import blake2b

from fastapi import Depends, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REVALIDATE = "no-cache"
"""The Cache-Control that means: keep it, and ask each time whether it still holds."""
CACHE_BRIEFLY = "public, max-age=10"
"""The one that means: for seconds it holds; after that, ask. Of what is the same for everybody."""


def _ask_for_revalidation(response: Response) -> None:
    response.headers["Cache-Control"] = REVALIDATE


WITH_ETAG = Depends(_ask_for_revalidation)
"""Declares that a route's answer changes seldom and gets an ETag."""


class ETagMiddleware:
    """Gives answers marked for revalidation an ETag of their bytes, and answers 304 to who has those bytes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        start: Message | None = None

        async def send_tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _needs_etag(message):
                start = message
                return
            if start is not None:
                whole = not message.get("more_body", False)
                head, start = start, None
                if whole and _is_unchanged(head, message["body"], known):
                    message = {"type": "http.response.body", "body": b""}
                await send(head)
            await send(message)

        await self._app(scope, receive, send_tagged)


def _needs_etag(start: Message) -> bool:
    return start["status"] == 200 and Headers(scope=start).get("cache-control") in {REVALIDATE, CACHE_BRIEFLY}


def _is_unchanged(start: Message, body: bytes, known: str) -> bool:
    """Put the ETag on the head; True, with the head turned into a 304, where the client has these bytes."""
    tag = f'"{blake2b(body, digest_size=16).hexdigest()}"'
    headers = MutableHeaders(scope=start)
    headers["ETag"] = tag
    if tag not in (part.strip().removeprefix("W/") for part in known.split(",")) and known.strip() != "*":
        return False
    start["status"] = 304
    del headers["content-length"]
    return True
