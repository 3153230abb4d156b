"""Authentication of operators by token. Names and notes of people, and every action, need an operator's token."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPBearer
from sqlalchemy import Connection, Engine, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from models.tables.operations import operators
from services.runtime.audience import Audience
from services.runtime.problem import HttpProblem, NotFound
from services.runtime.secret import new_secret
from services.runtime.settings import parse_networks
from services.web.context import DatabaseSnapshot, context_of
from services.web.http.addresses import client_of, is_within
from services.web.http.credentials import (
    OPERATOR_COOKIE,
    SECURE_OPERATOR_COOKIE,
    KnownOperators,
    bearer_token,
    sends_token,
    token_hash,
)

TOKEN_PREFIX = "vigia_"  # noqa: S105 - the prefix of a token, not a token
TOKEN_BYTES = 32
MAX_TOKEN_CHARS = 128
COOKIE_MAX_AGE_S = 12 * 3600
"""One watch (12 h); after it the operator enters the token again."""
FIRST_OPERATOR = "operador"
FIRST_OPERATOR_LOCK = 0x6F706572  # "oper"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": 80, "https": 443}
PROXY_HEADERS = frozenset({"x-forwarded-for", "forwarded", "via", "x-real-ip"})
OPERATORS_REFRESH_S = 2.0
"""How soon a new operator's requests use the operators' slots."""


class NotAnOperator(HttpProblem):
    """Hace falta el código de un operador. / This needs an operator's token."""

    status = 401


class TooManyWrongTokens(HttpProblem):
    """Demasiados códigos equivocados: esperá un minuto. / Too many wrong tokens: wait a minute."""

    status = 429
    retry_after_s = 60


class ForeignForm(HttpProblem):
    """El pedido no vino de esta misma página. / The request did not come from this very site."""

    status = 403


class NoOperatorYet(HttpProblem):
    """Todavía no hay operadores: `vigia token` como vigia_upkeep hace el primero. / No operators: run `vigia token`."""

    status = 503


class NoSuchOperator(NotFound):
    """No hay un operador con ese nombre. / There is no operator of that name."""


class OperatorExists(HttpProblem):
    """Ya hay un operador con ese nombre. / There is an operator of that name already."""

    status = 409


def add_operator(transaction: Connection, name: str, now: datetime) -> str:
    """Add an operator and return the token. Only its hash is stored. A revoked name gets a new token.

    Raises OperatorExists.
    """
    token = TOKEN_PREFIX + new_secret(TOKEN_BYTES)
    values = {"token_sha256": token_hash(token), "created_at": now, "revoked_at": None}
    added = transaction.execute(
        insert(operators)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=["name"], set_=values, where=operators.c.revoked_at.is_not(None))
        .returning(operators.c.id)
    ).first()
    if added is None:
        raise OperatorExists
    return token


def revoke_operator(transaction: Connection, name: str, now: datetime) -> None:
    """End an operator's access at once. The name stays with what was done. Raises NoSuchOperator."""
    revoked = transaction.execute(
        update(operators).where(operators.c.name == name, operators.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    if not revoked.rowcount:
        raise NoSuchOperator


def ensure_first_operator(transaction: Connection, now: datetime) -> str | None:
    """Add the first operator where there is none, and return the token, to be shown once; else None.

    Several processes may call it at once: they wait for each other. Raises NoOperatorYet where there is none and the
    database role of this process may not add one.
    """
    transaction.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": FIRST_OPERATOR_LOCK})
    if transaction.execute(select(operators.c.id).limit(1)).first() is not None:
        return None
    if not transaction.execute(text("SELECT has_table_privilege('operators', 'INSERT')")).scalar_one():
        raise NoOperatorYet
    return add_operator(transaction, FIRST_OPERATOR, now)


def current_operator(request: Request, connection: Connection) -> str | None:
    """The name of the operator whose token is in the header or the cookie; None where there is no valid token.

    A valid cookie counts beside a bearer token of somebody else's, such as a gateway's. An old cookie that a forgotten
    page sends with each reading is no attempt and is not counted. Raises TooManyWrongTokens, and ForeignForm where a
    form of another site comes with the cookie.
    """
    header, cookie = bearer_token(request), request.cookies.get(_cookie_name(request))
    acts = request.method not in SAFE_METHODS
    if header is not None and (name := find_operator(connection, header)) is not None:
        return name
    name = None if cookie is None else find_operator(connection, cookie)
    if acts and (name is not None or (header is None and cookie is not None)):
        require_same_origin(request)
    if name is None and (header is not None or (acts and cookie is not None)):
        _count_wrong_token(request)
    return name


def is_same_origin(request: Request) -> bool:
    """Whether the request comes from a page of this site: scheme, host and port of its Origin header are ours.

    Browsers send the header with every POST. The public address counts with its own scheme only.
    """
    origin = _origin(request.headers.get("origin", ""))
    if not origin.host:
        return False
    public_url = context_of(request).settings.public_url
    if public_url and origin.host == _origin(public_url).host:
        return origin == _origin(public_url)
    return origin == _origin(f"{request.url.scheme}://{request.headers.get('host', '')}")


def require_same_origin(request: Request) -> None:
    """Refuse a form that was not sent from a page of this site. Raises ForeignForm."""
    if not is_same_origin(request):
        raise ForeignForm


@asynccontextmanager
async def following_operators(known: KnownOperators, engine: Engine) -> AsyncIterator[None]:
    """Read which tokens are valid every OPERATORS_REFRESH_S while the block runs. Without a database, none change."""

    def read() -> None:
        with engine.connect() as connection:
            in_force = select(operators.c.token_sha256).where(operators.c.revoked_at.is_(None))
            known.replace(connection.execute(in_force).scalars().all())

    async def follow() -> None:
        while True:
            with suppress(DBAPIError, NoConnectionFree):
                await run_in_threadpool(read)
            await asyncio.sleep(OPERATORS_REFRESH_S)

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Origin(NamedTuple):
    """Who made a page, as browsers compare it."""

    scheme: str
    host: str
    port: int | None


def _origin(address: str) -> _Origin:
    """The origin of an address, without a host where it cannot be read."""
    try:
        parts = urlsplit(address)
        return _Origin(parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme))
    except ValueError:
        return _Origin("", "", None)


def find_operator(connection: Connection, token: str) -> str | None:
    """The name of the operator with this token; None for a wrong one. Counts nothing."""
    hashed = token_hash(token)
    row = connection.execute(
        select(operators.c.name, operators.c.token_sha256).where(
            operators.c.token_sha256 == hashed, operators.c.revoked_at.is_(None)
        )
    ).first()
    if row is None or len(token) > MAX_TOKEN_CHARS or not hmac.compare_digest(row.token_sha256, hashed):
        return None
    return str(row.name)


def authenticate(request: Request, connection: Connection, token: str) -> str | None:
    """The name of the operator with this token. None for a wrong token, which is counted by the client's address.

    A right token is never refused, whatever others at the same address sent. Raises TooManyWrongTokens for a wrong one.
    """
    name = find_operator(connection, token)
    if name is None:
        _count_wrong_token(request)
    return name


def _count_wrong_token(request: Request) -> None:
    """Count a wrong token of the client's address. Raises TooManyWrongTokens."""
    wrong_tokens, address = context_of(request).wrong_tokens, client_of(request)
    if wrong_tokens.is_exceeded(address):
        raise TooManyWrongTokens
    wrong_tokens.add(address)


def set_operator_cookie(request: Request, response: Response, token: str) -> None:
    """Set the cookie that authenticates the operator on the pages, for one watch."""
    response.set_cookie(
        _cookie_name(request),
        token,
        max_age=COOKIE_MAX_AGE_S,
        httponly=True,
        samesite="strict",
        secure=_is_secure(request),
    )


def delete_operator_cookie(request: Request, response: Response) -> None:
    """Delete the operator's cookie."""
    response.delete_cookie(_cookie_name(request), httponly=True, samesite="strict", secure=_is_secure(request))


async def allow_anyone() -> None:
    """Declare that anyone may read a route. Asynchronous because it waits for nothing: a thread would cost more."""


_SCHEME = HTTPBearer(
    auto_error=False,
    scheme_name="operator",
    description="An operator's token: `vigia_...`, made by `vigia token NAME`",
)


def require_operator(request: Request, _documented: Annotated[object, Depends(_SCHEME)] = None) -> str:
    """Declare that a route needs an operator. Returns the operator's name.

    Takes a connection of its own and returns it before the route takes another: a route names its operator first, so
    that a request never holds two. Raises NotAnOperator without an operator, and what `current_operator` raises.
    """
    with context_of(request).engine.connect() as connection:
        name = current_operator(request, connection)
    if name is None:
        raise NotAnOperator
    return name


def may_see_inside(request: Request) -> bool:
    """Whether a request may read metrics and details of health without an operator's token.

    It has VIGIA_METRICS_TOKEN, or comes from where VIGIA_METRICS_FROM allows it: never through a proxy that is not
    trusted, which would pass on anybody's request under its own address.
    """
    client, settings = request.client, context_of(request).settings
    if settings.metrics_token and sends_token(request, settings.metrics_token.get_secret_value()):
        return True
    # uvicorn gives port 0 to an address that a trusted proxy named.
    if client is None or (client.port and not PROXY_HEADERS.isdisjoint(request.headers.keys())):
        return False
    return is_within(client.host, parse_networks(settings.metrics_from))


def require_insight(request: Request, _documented: Annotated[object, Depends(_SCHEME)] = None) -> None:
    """Declare that a route is for operators, and for whoever VIGIA_METRICS_FROM names. Raises NotAnOperator."""
    if not may_see_inside(request):
        require_operator(request)


PUBLIC = Depends(allow_anyone)
Operator = Annotated[str, Depends(require_operator)]
"""The name of the operator who sends the request. A request without an operator is refused."""


def _audience(
    request: Request, snapshot: DatabaseSnapshot, _documented: Annotated[object, Depends(_SCHEME)] = None
) -> Audience:
    return Audience.PUBLIC if current_operator(request, snapshot) is None else Audience.OPERATORS


ReadBy = Annotated[Audience, Depends(_audience)]
"""Who reads the answer: operators, by token or cookie, or the public."""


def _is_secure(request: Request) -> bool:
    return (context_of(request).settings.public_url or "").startswith("https://")


def _cookie_name(request: Request) -> str:
    return SECURE_OPERATOR_COOKIE if _is_secure(request) else OPERATOR_COOKIE
