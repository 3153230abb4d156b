"""Operators' credentials in a request, and the tokens known at present, by which operators get their reserve."""

import hmac
from collections.abc import Collection

from starlette.requests import HTTPConnection

from services.people.tokens import token_hash

OPERATOR_COOKIE = "vigia_operator"
SECURE_OPERATOR_COOKIE = f"__Host-{OPERATOR_COOKIE}"
"""The cookie's name with TLS: the prefix binds it to this host and to TLS."""


def bearer_token(request: HTTPConnection) -> str | None:
    """The token in the Authorization header; None where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def sends_token(request: HTTPConnection, wanted: str | None) -> bool:
    """Whether this token is in the Authorization header; never where none is wanted."""
    sent = bearer_token(request)
    return bool(wanted and sent) and hmac.compare_digest(token_hash(sent or ""), token_hash(wanted or ""))


def is_anonymous(request: HTTPConnection) -> bool:
    """Whether a request comes without any credentials, right or wrong. Only then may its answer be shared."""
    if "authorization" in request.headers:
        return False
    return not ({OPERATOR_COOKIE, SECURE_OPERATOR_COOKIE} & request.cookies.keys())


class KnownOperators:
    """Hashes of the tokens of keys and sessions in force, read every few seconds.

    They choose who gets the operators' reserve and authenticate nobody.
    A new token gets the reserve at the next reading of the table or when it opens a live stream, and acts at once.
    """

    def __init__(self) -> None:
        self._hashes: frozenset[bytes] = frozenset()
        self._used: set[bytes] = set()

    def replace(self, hashes: Collection[bytes]) -> None:
        """Hold these hashes from now on."""
        self._hashes = frozenset(hashes)

    def add(self, token: str) -> None:
        """Hold the hash of a token that was found in force, until the table is read again."""
        self._hashes |= {token_hash(token)}

    def sent(self, request: HTTPConnection) -> bool:
        """Whether an operator's token comes with the request, in the header or a cookie."""
        if is_anonymous(request):
            return False
        cookies = (request.cookies.get(name) for name in (SECURE_OPERATOR_COOKIE, OPERATOR_COOKIE))
        sent = {token_hash(token) for token in (bearer_token(request), *cookies) if token} & self._hashes
        self._used |= sent
        return bool(sent)

    def take_used(self) -> frozenset[bytes]:
        """The hashes of the tokens in force that were sent since the last call."""
        used, self._used = self._used, set()
        return frozenset(used)
