"""API keys: tokens of machines, with roles and an end. Only their hashes are stored."""

import hmac
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, insert, select, text, update

from alerts.record import Entry, record
from models.tables.people import api_keys, people
from services.people.roles import Actor, Role, with_included
from services.people.tokens import KEY_PREFIX, MAX_TOKEN_CHARS, new_token, token_hash
from services.runtime.problem import HttpProblem, NotFound

NAMES_LOCK = 0x6F706572  # "oper"
"""Held while a name is taken, so that no two of people and keys get the same."""
OPERATES = frozenset({Role.OPERATOR})


class NoOperatorYet(HttpProblem):
    """Todavía no hay operadores: `vigia people add` como vigia_upkeep hace al primero. / Nobody: `vigia people add`."""

    status = 503


class NoSuchKey(NotFound):
    """No hay una clave con ese nombre. / There is no API key of that name."""


class NameTaken(HttpProblem):
    """Ya hay una persona o una clave con ese nombre. / A person or an API key has that name already."""

    status = 409


def lock_names(transaction: Connection) -> None:
    """Wait for whoever else takes a name, until this transaction ends."""
    transaction.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": NAMES_LOCK})


def is_name_taken(connection: Connection, name: str) -> bool:
    """Whether a person, or a key that is not revoked, has this name. Upper and lower case are the same."""
    by_key = select(api_keys.c.id).where(
        func.lower(api_keys.c.name) == func.lower(name), api_keys.c.revoked_at.is_(None)
    )
    by_person = select(people.c.id).where(func.lower(people.c.name) == func.lower(name))
    return connection.execute(select(by_key.exists() | by_person.exists())).scalar_one()


def add_api_key(
    transaction: Connection,
    name: str,
    now: datetime,
    *,
    roles: Collection[Role] = OPERATES,
    lasts: timedelta | None = None,
    by: str = "console",
) -> str:
    """Add an API key and return its token, which is stored nowhere. A revoked name gets a new token.

    Raises NameTaken.
    """
    lock_names(transaction)
    if is_name_taken(transaction, name):
        raise NameTaken
    token = new_token(KEY_PREFIX)
    values = {
        "name": name,
        "token_sha256": token_hash(token),
        "roles": sorted(roles),
        "created_at": now,
        "created_by": by,
        "expires_at": None if lasts is None else now + lasts,
        "last_used_at": None,
        "revoked_at": None,
    }
    revoked = update(api_keys).where(func.lower(api_keys.c.name) == func.lower(name)).values(values)
    if not transaction.execute(revoked).rowcount:
        transaction.execute(insert(api_keys).values(values))
    details = {"roles": values["roles"], "expires_at": values["expires_at"]}
    record(transaction, Entry("api_key.made", f"api_key:{name}", by, details), now)
    return token


def revoke_api_key(transaction: Connection, name: str, now: datetime, *, by: str = "console") -> None:
    """End a key's access at once. The name stays with what was done. Raises NoSuchKey."""
    revoked = transaction.execute(
        update(api_keys).where(api_keys.c.name == name, api_keys.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    if not revoked.rowcount:
        raise NoSuchKey
    record(transaction, Entry("api_key.revoked", f"api_key:{name}", by), now)


def find_api_key(connection: Connection, token: str, now: datetime) -> Actor | None:
    """The actor with this API key; None for a wrong, revoked or expired one."""
    hashed = token_hash(token)
    row = connection.execute(
        select(api_keys.c.name, api_keys.c.token_sha256, api_keys.c.roles).where(
            api_keys.c.token_sha256 == hashed, in_force(now)
        )
    ).first()
    if row is None or len(token) > MAX_TOKEN_CHARS or not hmac.compare_digest(row.token_sha256, hashed):
        return None
    return Actor(row.name, with_included(row.roles))


def in_force(now: datetime) -> ColumnElement[bool]:
    """Whether a key is neither revoked nor expired, as a condition."""
    return api_keys.c.revoked_at.is_(None) & (api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > now))


def hashes_in_force(connection: Connection, now: datetime) -> list[bytes]:
    """The hashes of all keys in force."""
    return list(connection.execute(select(api_keys.c.token_sha256).where(in_force(now))).scalars())


def note_used(transaction: Connection, hashes: Collection[bytes], now: datetime) -> None:
    """Write that the keys with these hashes were used now."""
    if hashes:
        transaction.execute(update(api_keys).where(api_keys.c.token_sha256.in_(hashes)).values(last_used_at=now))
