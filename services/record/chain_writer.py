"""Chain new entries of the record. One writer at a time; nobody who writes an entry waits for it.

Each entry stands in `log_pending` from its commit on, however late that is, until it is chained: no number is skipped,
and no entry.
"""

from sqlalchemy import Connection, Engine, text

from models.rows import driver
from services.record.links import Head, hash_link

LOCK = 0x76696769_1065
MAX_ENTRIES = 5_000
"""In one transaction; the next follows at once."""


class ChainWriter:
    """Chains what waits, and knows the newest link for the heartbeat; none before the first round.

    The notifier runs it in each of its rounds of half a second: it runs in every installation, and its role may erase
    nothing.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._head: Head | None = None

    def chain_all(self) -> Head:
        """Chain everything that waits; returns the newest link."""
        while True:
            with self._database.begin() as transaction:
                chained = chain(transaction)
                head = read_head(transaction)
            self._head = head
            if chained < MAX_ENTRIES:
                return head

    def status(self) -> dict[str, object]:
        """The head, for a heartbeat."""
        return {} if self._head is None else {"record_number": self._head.number, "record_hash": self._head.hash.hex()}


def chain(transaction: Connection, limit: int = MAX_ENTRIES) -> int:
    """Chain at most `limit` waiting entries; returns how many. 0 also where another process is chaining now."""
    if not transaction.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": LOCK}).scalar_one():
        return 0
    head = read_head(transaction)
    with driver(transaction).cursor() as cursor:
        rows = cursor.execute(
            "SELECT e.id, e.at, e.what, e.content_hash FROM log_pending p JOIN log_entries e ON e.id = p.entry_id"
            " WHERE NOT EXISTS (SELECT 1 FROM log_chain c WHERE c.entry_id = e.id) ORDER BY e.id LIMIT %s",
            [limit],
        ).fetchall()
        if not rows:
            return 0
        numbers, hashes = [], []
        for _, at, what, content_hash in rows:
            head = Head(head.number + 1, hash_link(head.number + 1, head.hash, at, what, content_hash))
            numbers.append(head.number)
            hashes.append(head.hash)
        entries = [row[0] for row in rows]
        cursor.execute(
            "INSERT INTO log_chain (number, entry_id, hash)"
            " SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[])",
            [numbers, entries, hashes],
        )
        cursor.execute("DELETE FROM log_pending WHERE entry_id = ANY(%s)", [entries])
    return len(rows)


def read_head(transaction: Connection) -> Head:
    """The newest link."""
    with driver(transaction).cursor() as cursor:
        row = cursor.execute("SELECT number, hash FROM log_chain ORDER BY number DESC LIMIT 1").fetchone()
    return Head() if row is None else Head(row[0], bytes(row[1]))
