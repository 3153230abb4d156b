"""Paging of lists: an opaque cursor and a link to the next page, the same for all routes."""

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


PageCursor = Annotated[
    str | None, Query(max_length=MAX_CURSOR_CHARS, description="From `next`; means nothing outside this list")
]


class Paging:
    """The requested page of a list."""

    def __init__(
        self,
        request: Request,
        limit: Annotated[
            int, Query(ge=1, le=MAX_PAGE_ITEMS, description="Most items in the answer")
        ] = DEFAULT_PAGE_ITEMS,
        cursor: PageCursor = None,
    ) -> None:
        """From the query parameters, which are documented with each list."""
        self._request = request
        self._limit = limit
        self.cursor = decode_cursor(cursor)

    @property
    def fetch_limit(self) -> int:
        """How many rows to read: one more than a page holds, to know whether another page follows."""
        return self._limit + 1

    @property
    def cursor_number(self) -> int | None:
        """The cursor of a list whose key is a number. Raises BadCursor."""
        if self.cursor is None:
            return None
        if not self.cursor.isascii() or not self.cursor.isdigit() or int(self.cursor) > MAX_ID:
            raise BadCursor
        return int(self.cursor)

    def page(self, rows: Sequence[Item], key: Callable[[Item], object]) -> Page[Item]:
        """The page made from up to `fetch_limit` rows. `key`: of the last item, becomes the cursor of the next page."""
        items = rows[: self._limit]
        more = len(rows) > len(items)
        return Page(items=list(items), next=address_with_cursor(self._request, str(key(items[-1]))) if more else None)


Paged = Annotated[Paging, Depends()]


def address_with_cursor(request: Request, cursor: str | None, **changed: str) -> str:
    """The requested path and query with another cursor (none for None) and some parameters changed."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in {"cursor", *changed}]
    added = [] if cursor is None else [("cursor", base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("="))]
    return f"{request.url.path}?{urlencode([*kept, *changed.items(), *added])}"


def decode_cursor(cursor: str | None) -> str | None:
    """The content of a cursor. Raises BadCursor."""
    if cursor is None:
        return None
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    if not content.isprintable():
        raise BadCursor
    return content
