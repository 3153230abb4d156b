"""Verify the record: every link from the first to the last, what is not chained, and a head that was written down."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from sqlalchemy import Connection

from models.rows import driver
from services.record.links import Broken, Head, Link, walk

UNCHAINED_S = 10.0
"""An entry is chained within a second. One that has waited for longer is an unchained tail."""
ROWS_AT_ONCE = 2_000
CONTENT = "jsonb_build_object('about', e.about, 'actor', e.actor, 'details', e.details)::text"
"""The content of an entry as it is hashed."""
_LINKS = (
    f"SELECT c.number, c.hash, e.at, e.what, e.content_hash, e.salt, CASE WHEN e.salt IS NOT NULL THEN {CONTENT} END"
    " FROM log_chain c LEFT JOIN log_entries e ON e.id = c.entry_id"
)
_UNCHAINED = (
    "SELECT count(*) FROM log_entries e WHERE NOT EXISTS (SELECT 1 FROM log_chain c WHERE c.entry_id = e.id)"
    " AND NOT EXISTS (SELECT 1 FROM log_pending p WHERE p.entry_id = e.id"
    " AND p.since > clock_timestamp() - make_interval(secs => %s))"
)
_CONTRADICTED = (
    "SELECT c.number FROM log_entries e JOIN log_chain c ON c.entry_id = e.id LEFT JOIN transitions t"
    " ON t.id = (e.details ->> 'transition')::bigint WHERE e.actor = 'rule' AND e.details ? 'transition'"
    " AND (t.rule_id, t.subject, t.before, t.after, t.cause, t.confirmed, t.decided_at) IS DISTINCT FROM"
    " (e.details ->> 'rule', e.details ->> 'subject', (e.details ->> 'before')::int, (e.details ->> 'after')::int,"
    " e.details ->> 'cause', (e.details ->> 'confirmed')::boolean, e.at) ORDER BY c.number LIMIT 1"
)
_ERASED = (
    "SELECT (SELECT count(*) FROM log_entries WHERE salt IS NULL),"
    " (SELECT coalesce(sum(row_count), 0) FROM erasures WHERE erased = 'log_entries: content')"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verification found. Sound where it has no trouble.

    `last`: the last link that fits. `broken`: the first that does not. `unchained`: entries that stand in no link,
    though they were written more than UNCHAINED_S ago. `cut`: the head that was written down, where the chain does not
    hold it. `contradicted`: the number of an entry whose transition says something else now. `erased`: entries whose
    content was erased; `erased_unrecorded`: how many more than were accounted for.
    """

    last: Head
    broken: Broken | None = None
    unchained: int = 0
    cut: Head | None = None
    contradicted: int | None = None
    erased: int = 0
    erased_unrecorded: int = 0

    @property
    def sound(self) -> bool:
        """Whether everything fits."""
        return not (
            self.broken or self.unchained or self.cut or self.contradicted is not None or self.erased_unrecorded > 0
        )


def verify(transaction: Connection, head: Head | None = None) -> Verdict:
    """Read the whole record once, in bounded memory. `head`: what a heartbeat or an export wrote down earlier.

    The transaction must show one state of the database throughout (REPEATABLE READ).
    """
    connection = driver(transaction)
    last, broken, held = Head(), None, head is None or head == Head()
    for step in walk(read_links(connection)):
        if isinstance(step, Broken):
            broken = step
        else:
            last, held = step, held or step == head
    with connection.cursor() as cursor:
        unchained = cursor.execute(_UNCHAINED, [UNCHAINED_S]).fetchall()[0][0]
        contradicted = cursor.execute(_CONTRADICTED).fetchone()
        erased, recorded = cursor.execute(_ERASED).fetchall()[0]
    return Verdict(
        last=last,
        broken=broken,
        unchained=unchained,
        cut=None if held or (broken is not None and head is not None and broken.number <= head.number) else head,
        contradicted=None if contradicted is None else contradicted[0],
        erased=erased,
        erased_unrecorded=max(0, erased - int(recorded)),
    )


def read_links(connection: psycopg.Connection, where: str = "true", values: tuple[object, ...] = ()) -> Iterator[Link]:
    """The links in order, from a cursor of the server. `where`: SQL on the link c and its entry e, with its values."""
    with connection.cursor(name="links") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(f"{_LINKS} WHERE {where} ORDER BY c.number".encode(), values)
        for number, digest, at, what, content_hash, salt, content in cursor:
            yield Link(number, bytes(digest), at, what or "", bytes(content_hash or b""), salt, content)
