"""Finding the one that breaks the work of many: by halves, so that the others get through."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from services.runtime.retry import DATABASE_UNAVAILABLE

Item = TypeVar("Item")


def bisect_failures(
    items: Sequence[Item], work: Callable[[Sequence[Item]], None], set_aside: Callable[[Item, Exception], None]
) -> None:
    """Do the work on all items at once; where it fails, on each half, until each culprit stands alone.

    A lost database is nobody's fault and is raised.
    """
    if not items:
        return
    try:
        work(items)
    except DATABASE_UNAVAILABLE:
        raise
    except Exception as trouble:  # noqa: BLE001 - whatever one item breaks, the others must get through
        if len(items) == 1:
            set_aside(items[0], trouble)
            return
        middle = len(items) // 2
        bisect_failures(items[:middle], work, set_aside)
        bisect_failures(items[middle:], work, set_aside)
