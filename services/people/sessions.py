"""Sessions of people: opened by a sign-in, found by the cookie's token, ended by time or by the person."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from alerts.record import Entry, record
from models.tables.people import people, person_roles, sessions
from services.people.roles import Actor, with_included
from services.people.tokens import MAX_TOKEN_CHARS, SESSION_PREFIX, new_token, token_hash

SESSION_LASTS = timedelta(hours=12)
"""One watch; after it the person signs in again."""
IDLE_END = timedelta(hours=4)
"""A session without any request for so long has ended. An open page asks by itself, so a watched screen stays."""
MAX_SESSIONS = 10
"""Of one person at a time; the oldest gives way."""
MAX_AGENT_CHARS = 80
MAX_ADDRESS_CHARS = 60


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What is kept of the request that opened a session. `agent`: browser and system in a few words."""

    agent: str
    address: str


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as its person sees it in the list."""

    id: int
    opened_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    method: str
    agent: str
    address: str


def open_session(transaction: Connection, person_id: int, method: str, facts: RequestFacts, now: datetime) -> str:
    """Open a session of a person who has proved who they are, and return its token, which is stored nowhere.

    `method`: how they proved it, such as `password+totp` or `oidc`.
    """
    token = new_token(SESSION_PREFIX)
    transaction.execute(
        insert(sessions).values(
            token_sha256=token_hash(token),
            person_id=person_id,
            opened_at=now,
            last_seen_at=now,
            expires_at=now + SESSION_LASTS,
            method=method,
            agent=facts.agent[:MAX_AGENT_CHARS],
            address=facts.address[:MAX_ADDRESS_CHARS],
        )
    )
    surplus = (
        select(sessions.c.id)
        .where(sessions.c.person_id == person_id, _is_open(now))
        .order_by(sessions.c.id.desc())
        .offset(MAX_SESSIONS)
    )
    transaction.execute(update(sessions).where(sessions.c.id.in_(surplus)).values(revoked_at=now))
    return token


def find_session(connection: Connection, token: str, agent: str, now: datetime) -> Actor | None:
    """The person whose open session has this token; None for a wrong, ended or disabled one, or another browser's.

    A session belongs to the browser that opened it: `agent` is compared with that of its sign-in.
    """
    if len(token) > MAX_TOKEN_CHARS:
        return None
    roles = select(func.array_agg(person_roles.c.role)).where(person_roles.c.person_id == people.c.id).scalar_subquery()
    row = connection.execute(
        select(sessions.c.id, sessions.c.agent, sessions.c.person_id, people.c.name, roles.label("roles"))
        .join(people, people.c.id == sessions.c.person_id)
        .where(sessions.c.token_sha256 == token_hash(token), _is_open(now), people.c.disabled_at.is_(None))
    ).first()
    if row is None or row.agent != agent[:MAX_AGENT_CHARS]:
        return None
    return Actor(row.name, with_included(row.roles or ()), row.person_id, row.id)


def open_sessions(connection: Connection, person_id: int, now: datetime) -> list[OpenSession]:
    """The open sessions of a person, newest first."""
    columns = [sessions.c[name] for name in OpenSession.__slots__]
    rows = connection.execute(
        select(*columns).where(sessions.c.person_id == person_id, _is_open(now)).order_by(sessions.c.id.desc())
    )
    return [OpenSession(**row._mapping) for row in rows]


def revoke_session(transaction: Connection, person_id: int, session_id: int, now: datetime) -> bool:
    """End one session of a person at once. False where the person has no such open session."""
    mine = (sessions.c.id == session_id) & (sessions.c.person_id == person_id) & sessions.c.revoked_at.is_(None)
    if not transaction.execute(update(sessions).where(mine).values(revoked_at=now)).rowcount:
        return False
    _record_closed(transaction, person_id, 1, now)
    return True


def revoke_all_sessions(transaction: Connection, person_id: int, now: datetime, *, but: int | None = None) -> int:
    """End all sessions of a person at once, except `but`. Returns how many."""
    others = (sessions.c.person_id == person_id) & sessions.c.revoked_at.is_(None)
    if but is not None:
        others &= sessions.c.id != but
    ended = transaction.execute(update(sessions).where(others).values(revoked_at=now)).rowcount
    if ended and but is not None:  # without it, what ended them is recorded: a disabled account, a new password
        _record_closed(transaction, person_id, ended, now)
    return ended


def _record_closed(transaction: Connection, person_id: int, count: int, now: datetime) -> None:
    """Record that a person ended sessions of their own."""
    person = transaction.execute(select(people.c.login, people.c.name).where(people.c.id == person_id)).one()
    record(transaction, Entry("session.closed", f"person:{person.login}", person.name, {"sessions": count}), now)


def hashes_of_open_sessions(connection: Connection, now: datetime) -> list[bytes]:
    """The hashes of all open sessions of people who are not disabled."""
    statement = (
        select(sessions.c.token_sha256)
        .join(people, people.c.id == sessions.c.person_id)
        .where(_is_open(now), people.c.disabled_at.is_(None))
    )
    return list(connection.execute(statement).scalars())


def note_seen(transaction: Connection, hashes: Collection[bytes], now: datetime) -> None:
    """Write that requests came now for the sessions with these hashes."""
    if hashes:
        seen = func.greatest(sessions.c.last_seen_at, now)
        transaction.execute(update(sessions).where(sessions.c.token_sha256.in_(hashes)).values(last_seen_at=seen))


def _is_open(now: datetime) -> ColumnElement[bool]:
    return sessions.c.revoked_at.is_(None) & (sessions.c.expires_at > now) & (sessions.c.last_seen_at > now - IDLE_END)
