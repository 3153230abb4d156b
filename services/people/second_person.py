"""What one person asks for and another confirms: for what cannot be undone, or hands out power over others."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, Row, insert, select, update

from alerts.record import Entry, record
from models.tables.people import second_person_requests as requests
from services.runtime.problem import HttpProblem, NotFound

REQUEST_LASTS = timedelta(days=2)
MAX_OPEN = 100


class NoSuchRequest(NotFound):
    """Ese pedido no existe, ya se decidió o venció. / There is no such request, or it was decided, or has ended."""


class AnotherMustConfirm(HttpProblem):
    """Lo tiene que confirmar otra persona, no quien lo pidió. / Another person must confirm it, not who asked."""

    status = 403


class AskedAlready(HttpProblem):
    """Eso ya está pedido y espera a otra persona. / That was asked for already and waits for another person."""

    status = 409


@dataclass(frozen=True, slots=True)
class Request:
    """What waits for a second person. `details`: what the action needs, by name."""

    id: int
    action: str
    about: str
    details: Mapping[str, Any]
    requested_at: datetime
    requested_by: str
    expires_at: datetime


class Execute(Protocol):
    """Does what was asked for, in the transaction of the confirmation."""

    def __call__(self, transaction: Connection, request: Request, by: str, now: datetime) -> str | None:
        """Returns what the second person is shown, if anything. `by`: who asked and who confirmed."""


def ask(transaction: Connection, action: str, about: str, details: Mapping[str, Any], *, by: str, now: datetime) -> int:
    """Ask for what a second person must confirm. Returns the number of the request. Raises AskedAlready."""
    ended = (requests.c.action == action) & (requests.c.about == about) & (requests.c.expires_at <= now)
    refused = {"decided_at": now, "decided_by": "expired", "approved": False}
    transaction.execute(update(requests).where(ended, requests.c.decided_at.is_(None)).values(refused))
    standing = (requests.c.action == action) & (requests.c.about == about) & requests.c.decided_at.is_(None)
    if transaction.execute(select(requests.c.id).where(standing)).first() is not None:
        raise AskedAlready
    number: int = transaction.execute(
        insert(requests)
        .values(
            action=action,
            about=about,
            details=dict(details),
            requested_at=now,
            requested_by=by,
            expires_at=now + REQUEST_LASTS,
        )
        .returning(requests.c.id)
    ).scalar_one()
    record(transaction, Entry("request.asked", f"request:{number}", by, {"action": action, "of": about}), now)
    return number


def open_requests(connection: Connection, now: datetime) -> list[Request]:
    """What waits for a second person, oldest first."""
    waiting = requests.c.decided_at.is_(None) & (requests.c.expires_at > now)
    rows = connection.execute(select(requests).where(waiting).order_by(requests.c.id).limit(MAX_OPEN))
    return [_request(row) for row in rows]


def confirm(
    transaction: Connection, request_id: int, executors: Mapping[str, Execute], *, by: str, now: datetime
) -> tuple[Request, str | None]:
    """Confirm a request as the second person and do what it asks for. Returns the request and what is to be shown.

    Raises NoSuchRequest, AnotherMustConfirm, and what the action raises.
    """
    request = _decide(transaction, request_id, by=by, now=now, approved=True)
    return request, executors[request.action](transaction, request, f"{request.requested_by} + {by}", now)


def refuse(transaction: Connection, request_id: int, *, by: str, now: datetime) -> Request:
    """Refuse a request. Whoever asked may take it back so. Raises NoSuchRequest."""
    return _decide(transaction, request_id, by=by, now=now, approved=False)


def _decide(transaction: Connection, request_id: int, *, by: str, now: datetime, approved: bool) -> Request:
    waiting = requests.c.decided_at.is_(None) & (requests.c.expires_at > now)
    row = transaction.execute(select(requests).where(requests.c.id == request_id, waiting).with_for_update()).first()
    if row is None:
        raise NoSuchRequest
    if approved and row.requested_by.casefold() == by.casefold():
        raise AnotherMustConfirm
    decided = {"decided_at": now, "decided_by": by, "approved": approved}
    transaction.execute(update(requests).where(requests.c.id == request_id).values(decided))
    details = {"action": row.action, "of": row.about, "asked_by": row.requested_by}
    what = "request.confirmed" if approved else "request.refused"
    record(transaction, Entry(what, f"request:{request_id}", by, details), now)
    return _request(row)


def _request(row: Row[Any]) -> Request:
    return Request(**{name: row._mapping[name] for name in Request.__slots__})
