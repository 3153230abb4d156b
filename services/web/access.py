"""Authentication of operators by token. Reading needs none; an action needs an operator's token."""

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.security import HTTPBearer
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from models.tables.operations import operators
from services.runtime.problem import HttpProblem
from services.web.context import DatabaseSnapshot, context_of

TOKEN_PREFIX = "vigia_"  # noqa: S105 - the prefix of a token, not a token
TOKEN_BYTES = 32
MAX_TOKEN_CHARS = 128
OPERATOR_COOKIE = "vigia_operator"
COOKIE_MAX_AGE_S = 12 * 3600
"""One watch (12 h); after it the operator enters the token again."""
FIRST_OPERATOR = "operador"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


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


class OperatorExists(HttpProblem):
    """Ya hay un operador con ese nombre. / There is an operator of that name already."""

    status = 409


def add_operator(transaction: Connection, name: str, now: datetime) -> str:
    """Add an operator and return the token. Only its hash is stored. Raises OperatorExists."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    try:
        transaction.execute(insert(operators).values(name=name, token_sha256=_sha256(token), created_at=now))
    except IntegrityError as error:
        raise OperatorExists from error
    return token


def ensure_first_operator(transaction: Connection, now: datetime) -> str | None:
    """Add the first operator where there is none, and return the token, to be shown once; else None.

    Several processes may call it at once: the table is locked.
    """
    transaction.execute(text("LOCK TABLE operators IN SHARE ROW EXCLUSIVE MODE"))
    if transaction.execute(select(func.count()).select_from(operators)).scalar_one():
        return None
    return add_operator(transaction, FIRST_OPERATOR, now)


def current_operator(request: Request, connection: Connection) -> str | None:
    """The name of the operator whose token is in the header or the cookie; None where there is no valid token.

    Raises TooManyWrongTokens, and ForeignForm where a form of another site comes with the cookie.
    """
    header, cookie = _bearer_token(request), request.cookies.get(_cookie_name(request))
    if header is not None:
        return authenticate(request, connection, header)
    if cookie is None:
        return None
    if request.method not in SAFE_METHODS and not is_same_origin(request):
        raise ForeignForm
    return authenticate(request, connection, cookie)


def is_same_origin(request: Request) -> bool:
    """Whether the request comes from a page of this site, by its Origin header. Browsers send it with every POST."""
    origin = request.headers.get("origin")
    if origin is None:
        return False
    public_url = context_of(request).settings.public_url
    own_hosts = {request.headers.get("host", "")} | ({urlsplit(public_url).netloc} if public_url else set())
    return urlsplit(origin).netloc in own_hosts


def authenticate(request: Request, connection: Connection, token: str) -> str | None:
    """The name of the operator with this token. None for a wrong token, which is counted. Raises TooManyWrongTokens."""
    wrong_tokens, address = context_of(request).wrong_tokens, request.client.host if request.client else ""
    if wrong_tokens.is_exceeded(address):
        raise TooManyWrongTokens
    token_hash = _sha256(token)
    row = connection.execute(
        select(operators.c.name, operators.c.token_sha256).where(operators.c.token_sha256 == token_hash)
    ).first()
    if row is None or len(token) > MAX_TOKEN_CHARS or not hmac.compare_digest(row.token_sha256, token_hash):
        wrong_tokens.add(address)
        return None
    return str(row.name)


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


def require_operator(
    request: Request, snapshot: DatabaseSnapshot, _documented: Annotated[object, Depends(_SCHEME)] = None
) -> str:
    """Declare that a route needs an operator. Returns the operator's name.

    Raises NotAnOperator without one, and what `current_operator` raises.
    """
    name = current_operator(request, snapshot)
    if name is None:
        raise NotAnOperator
    return name


PUBLIC = Depends(allow_anyone)
Operator = Annotated[str, Depends(require_operator)]
"""The name of the operator who sends the request. A request without an operator is refused."""


def _sha256(token: str) -> bytes:
    # A token of 256 random bits cannot be guessed, so a fast hash is enough.
    return hashlib.sha256(token.encode()).digest()


def _bearer_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _is_secure(request: Request) -> bool:
    return (context_of(request).settings.public_url or "").startswith("https://")


def _cookie_name(request: Request) -> str:
    """With TLS, the prefix `__Host-` binds the cookie to this host and to TLS."""
    return f"__Host-{OPERATOR_COOKIE}" if _is_secure(request) else OPERATOR_COOKIE
