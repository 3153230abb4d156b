"""Rate limit by client address within a time window, with bounded memory."""

import threading
from collections import OrderedDict
from time import monotonic

WINDOW_S = 60.0
MAX_ADDRESSES = 1024


class RateLimit:
    """Counts events of each address within a window of WINDOW_S. `max_count`: how many are allowed."""

    def __init__(self, max_count: int) -> None:
        self._max_count = max_count
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def is_exceeded(self, address: str) -> bool:
        """Whether this address has reached its limit in the current window."""
        with self._lock:
            began, count = self._counts.get(address, (0.0, 0))
            return count >= self._max_count and monotonic() - began < WINDOW_S

    def add(self, address: str) -> None:
        """Count one event of this address. Beyond MAX_ADDRESSES the address silent for longest is dropped."""
        with self._lock:
            now = monotonic()
            began, count = self._counts.pop(address, (now, 0))
            if now - began >= WINDOW_S:
                began, count = now, 0
            self._counts[address] = (began, count + 1)
            if len(self._counts) > MAX_ADDRESSES:
                self._counts.popitem(last=False)
