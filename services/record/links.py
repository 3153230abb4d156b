"""Hash chain over the record: the hash of an entry's content, the hash of a link, and the walk over all links. Pure.

Content hash: SHA-256 of the salt and the content's text. Link hash: SHA-256 of five lines: the number, the hash of the
link before, the time, what happened, and the content hash. Erased content leaves its hash, so that the links after it
still fit.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

BEFORE_ALL = bytes(32)
"""Stands for the hash before link 1."""


@dataclass(frozen=True, slots=True)
class Head:
    """A link that stands for all up to it: its number and its hash. Number 0: an empty chain."""

    number: int = 0
    hash: bytes = BEFORE_ALL

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """The head that NUMBER:HASH names. Raises ValueError."""
        number, _, digest = text.partition(":")
        head = cls(int(number), bytes.fromhex(digest))
        if head.number < 0 or len(head.hash) != hashlib.sha256().digest_size:
            raise ValueError("NUMBER:HASH, with 64 hexadecimal digits")
        return head


@dataclass(frozen=True, slots=True)
class Link:
    """One link as stored, with its entry. `at`: None where the entry is missing. `content`: None where erased."""

    number: int
    hash: bytes
    at: datetime | None
    what: str
    content_hash: bytes
    salt: bytes | None
    content: str | None


class Break(StrEnum):
    """What is wrong with a link."""

    REMOVED = "removed"
    ALTERED = "altered"
    """The content is not what its hash says."""
    REPLACED = "replaced"
    """What stands there is not what was chained there: moved from elsewhere, or altered together with its hash."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The first link that does not fit."""

    number: int
    how: Break


def hash_content(salt: bytes, content: str) -> bytes:
    """The hash of an entry's content: the text of its JSON as PostgreSQL writes it."""
    return hashlib.sha256(salt + content.encode()).digest()


def instant(at: datetime) -> str:
    """The time of an entry as it is hashed: UTC with microseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def hash_link(number: int, before: bytes, at: datetime, what: str, content_hash: bytes) -> bytes:
    """The hash of a link. at: UTC."""
    lines = (str(number), before.hex(), instant(at), what, content_hash.hex())
    return hashlib.sha256("\n".join(lines).encode()).digest()


def walk(links: Iterable[Link], start: Head | None = None) -> Iterator[Head | Broken]:
    """Each link's head while they fit; ends with the first broken link. `start`: the link before the first."""
    head = start or Head()
    for link in links:
        how = _break(link, head)
        if how is not None:
            yield Broken(head.number + 1, how)
            return
        head = Head(link.number, link.hash)
        yield head


def _break(link: Link, before: Head) -> Break | None:
    if link.number != before.number + 1 or link.at is None:
        return Break.REMOVED
    if link.content is not None and hash_content(link.salt or b"", link.content) != link.content_hash:
        return Break.ALTERED
    if hash_link(link.number, before.hash, link.at, link.what, link.content_hash) != link.hash:
        return Break.REPLACED
    return None
