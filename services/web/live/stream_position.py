"""Position in the live stream, exact even while several transactions write at once.

Event numbers are assigned before the commit, so "all events above the last number" would skip events that commit late.
A cursor at the snapshot's xmin would wait for all older transactions, so that one forgotten transaction anywhere in the
server would stop the stream. Therefore a position consists of PostgreSQL snapshots: the next events are those that a
newer snapshot sees and an older one did not, ordered by transaction and number.
"""

import re
from dataclasses import dataclass
from typing import Self

MAX_POSITION_CHARS = 8_192
"""A snapshot lists the transactions in progress, at most one a connection."""
_SNAPSHOT = r"\d{1,19}:\d{1,19}:(?:\d{1,19}(?:,\d{1,19})*)?"
_PATTERN = re.compile(rf"(\d{{1,12}})~({_SNAPSHOT})~({_SNAPSHOT})~(\d{{1,19}})-(\d{{1,19}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """All events that snapshot `before` sees were read, and of those that `after` adds, all up to (`xid`, `id`).

    `taken_s`: when `after` was taken, by the database's clock, Unix seconds. Snapshots as PostgreSQL writes them.
    """

    taken_s: int
    before: str
    after: str
    xid: int = 0
    id: int = 0

    def __str__(self) -> str:
        return f"{self.taken_s}~{self.before}~{self.after}~{self.xid}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The position that `text` encodes; None where it encodes none."""
        match = _PATTERN.fullmatch(text) if len(text) <= MAX_POSITION_CHARS else None
        if match is None:
            return None
        taken_s, before, after, xid, number = match.groups()
        return cls(int(taken_s), before, after, int(xid), int(number))


def covers(newer: str, older: str) -> bool:
    """Whether the newer snapshot sees everything that the older one sees."""
    _, newer_end, newer_running = _parts(newer)
    _, older_end, older_running = _parts(older)
    return older_end <= newer_end and {xid for xid in newer_running if xid < older_end} <= older_running


def _parts(snapshot: str) -> tuple[int, int, set[int]]:
    start, end, running = snapshot.split(":")
    return int(start), int(end), {int(xid) for xid in running.split(",") if xid}
