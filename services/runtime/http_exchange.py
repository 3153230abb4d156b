"""One HTTP request to a server that may be slow, endless or hostile: bounded in time and bytes, never redirected.

httpx limits each read, not the whole answer: a server that sends a byte now and then is never cut off. The exchange
therefore runs on an event loop of its own, which can be cancelled at any byte.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import cast

import httpx

EXCHANGE_ERRORS = (httpx.HTTPError, httpx.InvalidURL, OSError)
"""What an exchange raises: no connection, no HTTP, no answer in time (TimeoutError), an address that is none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a server. `body` is as sent, never decompressed, and at most as long as was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool
    redirect: str | None

    @property
    def is_success(self) -> bool:
        """Whether the status is 200 to 299."""
        return httpx.codes.is_success(self.status)


def exchange(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes | None = None,
    deadline_s: float,
    max_bytes: int,
    max_error_bytes: int,
) -> Answer:
    """Send one request and read its answer. Raises EXCHANGE_ERRORS.

    headers: say which encodings are accepted, since none is decoded here. deadline_s: for everything, from the look-up
    of the name to the last byte. max_bytes, max_error_bytes: read of the body where the status is a success or not;
    with 0 the body is not waited for.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(
            asyncio.wait_for(_exchange(method, url, headers, content, max_bytes, max_error_bytes), deadline_s)
        )
    except TimeoutError:
        raise TimeoutError(f"no whole answer within {deadline_s:g} s") from None
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())  # httpx leaves its own open where a body is not read whole
        loop.close()  # unlike asyncio.run, this does not wait for a name that is still being looked up


async def _exchange(
    method: str, url: str, headers: Mapping[str, str], content: bytes | None, max_bytes: int, max_error_bytes: int
) -> Answer:
    async with (
        httpx.AsyncClient(verify=_tls(), timeout=None, follow_redirects=False) as client,  # noqa: S113 - the deadline
        client.stream(method, url, headers=headers, content=content) as response,
    ):
        limit = max_bytes if response.is_success else max_error_bytes
        body = await _read(response, limit) if limit else b""
        redirect = None if response.next_request is None else str(response.next_request.url)
        return Answer(response.status_code, response.headers, body[:limit], len(body) > limit, redirect)


async def _read(response: httpx.Response, limit: int) -> bytes:
    """The body as sent, until it ends or is longer than the limit."""
    body = bytearray()
    async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_raw())) as parts:
        async for part in parts:
            body += part
            if len(body) > limit:
                break
    return bytes(body)


@cache
def _tls() -> ssl.SSLContext:
    """The authorities that are trusted. Reading them takes longer than a request."""
    return httpx.create_ssl_context()
