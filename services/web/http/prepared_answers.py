"""Answers shared by anonymous visitors: each is computed once for all who ask for it within a second."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic

from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.runtime.problem import HttpProblem

FRESH_S = 1.0
"""How long an answer is served again."""
MAX_ANSWERS = 128
MAX_ANSWER_BYTES = 256 * 1024
"""Larger answers are not kept. With MAX_ANSWERS this bounds the memory: 32 MiB."""


Variant = Callable[[Request], str]
"""What else than the address decides an answer, such as the visitor's language."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer as it can be sent again: without anything of the visitor who first asked for it."""

    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def response(self) -> Response:
        """A response of its own for each visitor: middleware changes the headers."""
        response = Response()
        response.body, response.raw_headers = self.body, list(self.headers)
        return response


@dataclass(slots=True)
class _Entry:
    """One computation, running or finished. `outcome`: the answer; the error; None where it cannot be shared."""

    began_s: float
    version: int
    outcome: asyncio.Future[_Answer | Exception | None]


class PreparedRoutes:
    """By path, what else than the address decides a route's answer: so that the route need not be found again."""

    def __init__(self) -> None:
        self._variants: OrderedDict[str, Variant] = OrderedDict()

    def note(self, path: str, variant: Variant) -> None:
        """Remember the variant of a path's route. Beyond MAX_ANSWERS paths the oldest is forgotten."""
        self._variants[path] = variant
        if len(self._variants) > MAX_ANSWERS:
            self._variants.popitem(last=False)

    def variant_of(self, path: str) -> Variant | None:
        """The variant of a path's route; None for a path not asked for of late."""
        return self._variants.get(path)


class PreparedAnswers:
    """Answers by key, at most FRESH_S old and never older than the newest change that `version` counts.

    Several visitors who ask at once wait for one computation (single flight). Belongs to one event loop.
    """

    def __init__(self, version: Callable[[], int], fresh_s: float = FRESH_S) -> None:
        """`version`: grows with each change that visitors must see at once."""
        self._version, self._fresh_s = version, fresh_s
        self._entries: OrderedDict[object, _Entry] = OrderedDict()

    def ready(self, key: object) -> Response | None:
        """The answer of `key` where it is computed and still valid; None otherwise."""
        entry = self._entries.get(key)
        if entry is None or not entry.outcome.done() or not self._is_valid(entry):
            return None
        outcome = entry.outcome.result()
        return outcome.response() if isinstance(outcome, _Answer) else None

    async def get(self, key: object, compute: Callable[[], Awaitable[Response]]) -> Response:
        """The answer of `key`. Computed where there is none or it is too old. Raises what `compute` raises."""
        entry = self._entries.get(key)
        if entry is None or not self._is_valid(entry):
            return await self._compute(key, compute)
        outcome = await asyncio.shield(entry.outcome)
        if outcome is None:
            return await compute()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome.response()

    def _is_valid(self, entry: _Entry) -> bool:
        if entry.version != self._version():
            return False
        return not entry.outcome.done() or monotonic() - entry.began_s < self._fresh_s

    async def _compute(self, key: object, compute: Callable[[], Awaitable[Response]]) -> Response:
        entry = _Entry(monotonic(), self._version(), asyncio.get_running_loop().create_future())
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > MAX_ANSWERS:
            self._entries.popitem(last=False)
        outcome: _Answer | Exception | None = None
        try:
            response = await compute()
            outcome = _shareable(response)
        except (HttpProblem, HTTPException, RequestValidationError, SQLAlchemyError) as error:
            outcome = error
            raise
        finally:
            entry.outcome.set_result(outcome)
            if not isinstance(outcome, _Answer) and self._entries.get(key) is entry:
                del self._entries[key]
        return response


def _shareable(response: Response) -> _Answer | None:
    """The answer to keep; None for a response that only the visitor who asked may have, or that is too large."""
    if response.status_code != HTTPStatus.OK or isinstance(response, StreamingResponse):
        return None
    body = getattr(response, "body", None)
    if not isinstance(body, bytes) or len(body) > MAX_ANSWER_BYTES or "set-cookie" in response.headers:
        return None
    return _Answer(tuple(response.raw_headers), body)
