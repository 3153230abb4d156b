"""Export of the record for a judge: JSON lines that prove themselves without a database, and a detached signature.

The first line says what the file holds; then one line for each link, without a hole. Of entries outside the period the
content is withheld: their hashes stand there, so that the chain can be followed through them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from models.rows import driver
from services.record.chain_writer import read_head
from services.record.links import Broken, Head, Link, instant, walk
from services.record.verification import read_links

FORMAT = "vigia record export 1"
_RANGE = (
    "SELECT min(c.number), max(c.number) FROM log_entries e JOIN log_chain c ON c.entry_id = e.id"
    " WHERE e.at >= %s AND e.at < %s"
)


class EmptyExportError(Exception):
    """The period holds no chained entry."""


class WrongFileError(Exception):
    """The file is no export, or was cut or changed; the message says where."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to but not at `end`."""

    start: datetime
    end: datetime


def export_lines(transaction: Connection, period: Period, title: Mapping[str, object]) -> Iterator[str]:
    """The lines of an export, from a server cursor. `title`: more for the first line. Raises EmptyExportError."""
    connection = driver(transaction)
    with connection.cursor() as cursor:
        first, last = cursor.execute(_RANGE, [period.start, period.end]).fetchall()[0]
        if first is None:
            raise EmptyExportError
        row = cursor.execute("SELECT hash FROM log_chain WHERE number = %s", [first - 1]).fetchone()
    before = Head() if row is None else Head(first - 1, bytes(row[0]))
    yield _line(
        {
            "format": FORMAT,
            **title,
            "from": period.start.isoformat(),
            "to": period.end.isoformat(),
            "first": first,
            "last": last,
            "before": str(before),
            "head": str(read_head(transaction)),
        }
    )
    for link in read_links(connection, "c.number BETWEEN %s AND %s", (first, last)):
        yield _line(_link_document(link, within=link.at is not None and period.start <= link.at < period.end))


def _link_document(link: Link, *, within: bool) -> dict[str, object]:
    document: dict[str, object] = {
        "number": link.number,
        "at": None if link.at is None else instant(link.at),
        "what": link.what,
        "content_hash": link.content_hash.hex(),
        "hash": link.hash.hex(),
    }
    if not within:
        return document | {"withheld": True}
    if link.content is None or link.salt is None:
        return document | {"erased": True}
    return document | {"salt": bytes(link.salt).hex(), "content": link.content}


def _line(document: Mapping[str, object]) -> str:
    return json.dumps(document, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file says of itself, its last link that fits, and the first that does not."""

    title: Mapping[str, Any]
    last: Head
    broken: Broken | None

    @property
    def complete(self) -> bool:
        """Whether every link that the first line promises is there and fits."""
        return self.broken is None and self.last.number == self.title["last"]


def check_export(path: Path) -> Checked:
    """Check an export without a database, in bounded memory. Raises WrongFileError."""
    with path.open(encoding="utf-8") as file:
        try:
            title = json.loads(next(file))
            if title["format"] != FORMAT:
                raise WrongFileError(f"{path}: {FORMAT!r} expected, {title['format']!r} found")
            start, promised = Head.parse(title["before"]), int(title["last"])
            last = start
            for step in walk(map(_read_link, file), start):
                if isinstance(step, Broken):
                    return Checked(title, last, step)
                last = step
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise WrongFileError(f"{path}: not an export of the record ({type(error).__name__}: {error})") from error
    return Checked(title | {"last": promised}, last, None)


def _read_link(line: str) -> Link:
    document = json.loads(line)
    return Link(
        int(document["number"]),
        bytes.fromhex(document["hash"]),
        datetime.fromisoformat(document["at"]),
        document["what"],
        bytes.fromhex(document["content_hash"]),
        bytes.fromhex(document["salt"]) if "salt" in document else None,
        document.get("content"),
    )
