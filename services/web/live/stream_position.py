"""How far into the live stream somebody is, exact even while several transactions write at once.

Event numbers are given before the commit, so "everything above the last number seen" skips what commits late. And
waiting for all older transactions (a cursor at the snapshot's xmin) would let one forgotten transaction anywhere in the
server silence the stream. So a position is made of PostgreSQL's snapshots: the stream's next stretch is what a newer
snapshot sees and an older one did not, in the order of transaction and number.
"""

import re
from dataclasses import dataclass
from typing import Self

MAX_POSITION_CHARS = 8_192
"""Characters: a snapshot lists the transactions in progress, one a connection at most."""
_SNAPSHOT = r"\d{1,19}:\d{1,19}:(?:\d{1,19}(?:,\d{1,19})*)?"
_PATTERN = re.compile(rf"(\d{{1,12}})~({_SNAPSHOT})~({_SNAPSHOT})~(\d{{1,19}})-(\d{{1,19}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """Everything that snapshot `before` sees was had, and of what `after` adds, all up to (`xid`, `id`).

    `taken_s`: when `after` was taken, by the database's clock, seconds since 1970. Snapshots as PostgreSQL writes them.
    """

    taken_s: int
    before: str
    after: str
    xid: int = 0
    id: int = 0

    def __str__(self) -> str:
        return f"{self.taken_s}~{self.before}~{self.after}~{self.xid}-{self.id}"

    @classmethod
    def parse(cls, written: str) -> Self | None:
        """The position written there; None where it is none of ours."""
        match = _PATTERN.fullmatch(written) if len(written) <= MAX_POSITION_CHARS else None
        if match is None:
            return None
        taken_s, before, after, xid, number = match.groups()
        return cls(int(taken_s), before, after, int(xid), int(number))


def covers(newer: str, older: str) -> bool:
    """Whether a snapshot sees all that another one sees."""
    _, newer_end, newer_running = _parts(newer)
    _, older_end, older_running = _parts(older)
    return older_end <= newer_end and {xid for xid in newer_running if xid < older_end} <= older_running


def _parts(snapshot: str) -> tuple[int, int, set[int]]:
    start, end, running = snapshot.split(":")
    return int(start), int(end), {int(xid) for xid in running.split(",") if xid}
