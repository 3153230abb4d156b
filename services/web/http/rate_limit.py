"""Counts what each address does within a window, so that too much of it is refused; bounded in memory."""

import threading
from collections import OrderedDict
from time import monotonic

WINDOW_S = 60.0
MAX_ADDRESSES = 1024


class RateLimit:
    """How often each address did something within its window of a minute; `most` is how often it may."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def is_exceeded(self, address: str) -> bool:
        """Whether this address has used up its tries."""
        with self._lock:
            began, count = self._counts.get(address, (0.0, 0))
            return count >= self._most and monotonic() - began < WINDOW_S

    def add(self, address: str) -> None:
        """Once more from this address; past MOST_ADDRESSES the one unheard of for longest is forgotten."""
        with self._lock:
            now = monotonic()
            began, count = self._counts.pop(address, (now, 0))
            if now - began >= WINDOW_S:
                began, count = now, 0
            self._counts[address] = (began, count + 1)
            if len(self._counts) > MAX_ADDRESSES:
                self._counts.popitem(last=False)
