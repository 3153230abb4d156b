"""Bisection of a failing batch: find the items that make it fail and process all others."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from services.runtime.retry import DATABASE_UNAVAILABLE

Item = TypeVar("Item")


def bisect_failures(
    items: Sequence[Item], process: Callable[[Sequence[Item]], None], on_failure: Callable[[Item, Exception], None]
) -> None:
    """Process all items at once. Where that fails, process each half, down to the single items that fail.

    `on_failure` gets each failing item and its error. An unavailable database is no item's fault and is raised.
    """
    if not items:
        return
    try:
        process(items)
    except DATABASE_UNAVAILABLE:
        raise
    except Exception as error:  # noqa: BLE001 - whatever error one item causes, the others must be processed
        if len(items) == 1:
            on_failure(items[0], error)
            return
        middle = len(items) // 2
        bisect_failures(items[:middle], process, on_failure)
        bisect_failures(items[middle:], process, on_failure)
