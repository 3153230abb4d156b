"""Lists in pages: an opaque cursor and a link to the next page, the same for every noun."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from services.runtime.problem import HttpProblem

MAX_PAGE_ITEMS = 1_000
DEFAULT_PAGE_ITEMS = 100
MAX_CURSOR_CHARS = 400
MAX_ID = 2**63 - 1

Item = TypeVar("Item")


class BadCursor(HttpProblem):
    """Ese cursor no salió de esta lista. / That cursor did not come from this list."""


class Page(BaseModel, Generic[Item]):
    """One page of a list. `next` is the address of the following one, null on the last."""

    # A generic model's docstring does not reach its descriptions.
    model_config = ConfigDict(json_schema_extra={"description": "One page of a list"})

    items: list[Item] = Field(max_length=MAX_PAGE_ITEMS)
    next: str | None = Field(description="Address of the next page", examples=["/api/v1/alerts?limit=100&cursor=Nw"])


class Paging:
    """Which page of a list is asked for."""

    def __init__(
        self,
        request: Request,
        limit: Annotated[
            int, Query(ge=1, le=MAX_PAGE_ITEMS, description="Most items in the answer")
        ] = DEFAULT_PAGE_ITEMS,
        cursor: Annotated[
            str | None, Query(max_length=MAX_CURSOR_CHARS, description="From `next`; means nothing outside this list")
        ] = None,
    ) -> None:
        """As the query says; its parameters are documented with each list."""
        self._request = request
        self._limit = limit
        self.cursor = decode_cursor(cursor)

    @property
    def fetch_limit(self) -> int:
        """How many rows to read: one more than a page shows whether another follows."""
        return self._limit + 1

    @property
    def cursor_number(self) -> int | None:
        """The cursor of a list whose key is a number."""
        if self.cursor is None:
            return None
        if not self.cursor.isascii() or not self.cursor.isdigit() or int(self.cursor) > MAX_ID:
            raise BadCursor
        return int(self.cursor)

    def page(self, rows: Sequence[Item], key: Callable[[Item], object]) -> Page[Item]:
        """The page that `fetch_limit` rows make; `key` of its last item leads to the next one."""
        shown = rows[: self._limit]
        more = len(rows) > len(shown)
        return Page(items=list(shown), next=address_with_cursor(self._request, str(key(shown[-1]))) if more else None)


Paged = Annotated[Paging, Depends()]


def address_with_cursor(request: Request, cursor: str | None, **changed: str) -> str:
    """The address asked for, without host, behind a cursor where there is one and with some parameters changed."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in {"cursor", *changed}]
    behind = [] if cursor is None else [("cursor", base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("="))]
    return f"{request.url.path}?{urlencode([*kept, *changed.items(), *behind])}"


def decode_cursor(cursor: str | None) -> str | None:
    """What stands in a cursor. Raises BadCursor."""
    if cursor is None:
        return None
    try:
        read = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    if not read.isprintable():
        raise BadCursor
    return read
