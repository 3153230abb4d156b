"""Protection middleware (ASGI): host names, size and time of bodies, surplus connections, and security headers."""

import asyncio
from collections.abc import Collection
from http import HTTPStatus

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.json_keys import key_given_twice
from services.web.http.admission import TooBusy
from services.web.http.credentials import KnownOperators, sends_token
from services.web.problems import Fault, problem_response

MAX_BODY_BYTES = 256 * 1024
BODY_TIMEOUT_S = 10.0
"""Longest time for a body to arrive."""
MAX_SHOWN_CHARS = 50
"""Characters of a key that a problem repeats."""
SURPLUS = "surplus"
"""In the state of a request: its connection is beyond the limits, and only operators are answered on it."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": browsers would then send "Origin: null" with the forms of this site.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class ProtectionMiddleware:
    """Refuses unknown host names and large or slow bodies before the application gets them. Adds security headers.

    `hosts`: names that this server answers to. Otherwise any page in a browser on this machine could reach it through a
    name of its own (DNS rebinding). `metrics_token`: whoever sends it is no such page, and may use any name.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str], known_operators: KnownOperators, metrics_token: str | None
    ) -> None:
        self._app = app
        self._metrics_token = metrics_token
        self._hosts = hosts
        self._known_operators = known_operators

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        problem = self._check_surplus(scope) or self._check_host(scope, headers) or _check_content_length(headers)
        if problem is None and ("content-length" in headers or "transfer-encoding" in headers):
            body = await _read_body(receive)
            if isinstance(body, JSONResponse):
                problem = body
            else:
                problem, receive = _check_keys(headers, body), _ReplayBody(body, receive)
        await (problem or self._app)(scope, receive, send_protected)

    def _check_surplus(self, scope: Scope) -> JSONResponse | None:
        if not scope.get("state", {}).get(SURPLUS) or self._known_operators.sent(HTTPConnection(scope)):
            return None
        headers = {"Retry-After": str(TooBusy.retry_after_s), "Connection": "close"}
        return problem_response(TooBusy.__name__, TooBusy.status, str(TooBusy()), headers=headers)

    def _check_host(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        name = headers.get("host", "").rsplit(":", 1)[0].lower()
        if name in self._hosts or sends_token(HTTPConnection(scope), self._metrics_token):
            return None
        return problem_response(
            "ForeignHost", HTTPStatus.MISDIRECTED_REQUEST, "This server does not answer to that name."
        )


class _ReplayBody:
    """An ASGI `receive` that returns a body read before, then the messages after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _read_body(receive: Receive) -> bytes | JSONResponse:
    """The whole body, or the problem where it is too large or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    return _body_too_large()
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return problem_response(
            "TooSlow",
            HTTPStatus.REQUEST_TIMEOUT,
            f"The body took longer than {BODY_TIMEOUT_S:g} s.",
            headers={"Connection": "close"},
        )


def _check_keys(headers: Headers, body: bytes) -> JSONResponse | None:
    """The problem of a JSON body with a key twice; a body without a type is JSON too."""
    if "form" in headers.get("content-type", "") or (name := key_given_twice(body)) is None:
        return None
    shown = name[:MAX_SHOWN_CHARS]
    fault = Fault(where=f"body {shown}", what="The key is given twice: send it once")
    detail = f"La clave {shown!r} está dos veces en el pedido. / The request has the key {shown!r} twice."
    return problem_response("KeyTwice", HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults=[fault])


def _check_content_length(headers: Headers) -> JSONResponse | None:
    length = headers.get("content-length", "0")
    return _body_too_large() if length.isdigit() and int(length) > MAX_BODY_BYTES else None


def _body_too_large() -> JSONResponse:
    detail = f"The body is larger than {MAX_BODY_BYTES} bytes."
    return problem_response("TooLarge", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers={"Connection": "close"})
