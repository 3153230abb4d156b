"""HEAD, OPTIONS and cross-origin reads for every route, from one table of the routes (ASGI).

HEAD is answered as GET without the body. OPTIONS names the methods of an address. Pages of other sites may read what is
public, without credentials (CORS): they get `Access-Control-Allow-Origin: *`, and may send no token and no form.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READS = ("GET", "HEAD")
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Disposition, ETag, Retry-After",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": ", ".join(READS),
    "Access-Control-Allow-Headers": "Accept, Cache-Control, If-None-Match, Last-Event-ID",
    "Access-Control-Max-Age": "86400",
}


@dataclass(frozen=True, slots=True)
class ServedPath:
    """An address with its methods. `path`: with parameters in braces.

    `reads`: whether GET only reads, so that HEAD may do the same. `public`: whether pages of other sites may read it.
    """

    path: str
    methods: frozenset[str]
    reads: bool
    public: bool


class ReadsMiddleware:
    """Answers HEAD and OPTIONS, and lets other sites read the public paths."""

    def __init__(self, app: ASGIApp, paths: Sequence[ServedPath]) -> None:
        self._app = app
        self._paths = [(_pattern([one.path]), one.methods) for one in paths]
        self._reads = _pattern([one.path for one in paths if one.reads])
        self._public = _pattern([one.path for one in paths if one.public])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_public = self._public.fullmatch(scope["path"]) is not None
        match scope["method"]:
            case "OPTIONS" if methods := self._methods(scope["path"]):
                await _options(methods, Headers(scope=scope), is_public=is_public)(scope, receive, send)
            case "HEAD" if self._reads.fullmatch(scope["path"]):
                head = HeadOnly(_readable(send) if is_public else send)
                await self._app({**scope, "method": "GET"}, head.receive, head.send)
            case "GET" if is_public:
                await self._app(scope, receive, _readable(send))
            case _:
                await self._app(scope, receive, send)

    def _methods(self, path: str) -> set[str]:
        return set().union(*(methods for pattern, methods in self._paths if pattern.fullmatch(path)))


class HeadOnly:
    """The `receive` and `send` of a GET of which only the head is sent. A stream ends when its head is sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._asked = False
        self._started = asyncio.Event()

    async def receive(self) -> Message:
        """Return the empty body of the request; then, once the head is sent, that the client has gone."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._started.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass the head on, with an empty body; drop the rest."""
        if message["type"] == "http.response.start":
            await self._send(message)
            await self._send({"type": "http.response.body", "body": b""})
            self._started.set()


def _options(methods: set[str], asked: Headers, *, is_public: bool) -> Response:
    allowed = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    headers = {"Allow": ", ".join(sorted(allowed))}
    if is_public and asked.get("access-control-request-method", "GET") in READS:
        headers |= CORS | PREFLIGHT
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


def _readable(send: Send) -> Send:
    """A `send` that adds the headers by which a browser lets pages of other sites read the answer."""

    async def send_readable(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(CORS)
        await send(message)

    return send_readable


def _pattern(paths: Sequence[str]) -> re.Pattern[str]:
    """Matches these paths, with anything but a slash for each parameter; nothing where there are none."""
    parts = [
        re.sub(r"\\\{\w+(:path)?\\\}", lambda found: ".*" if found[1] else "[^/]+", re.escape(path)) for path in paths
    ]
    return re.compile("|".join(parts) or "(?!)")
