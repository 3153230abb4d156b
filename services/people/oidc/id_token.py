"""Check of an ID token: signature by a key of the provider, issuer, audience, time and nonce. Pure."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures by a key that only the provider has. Never `none`, never HS256: its key is our own secret."""
LEEWAY = timedelta(seconds=60)
"""How far the provider's clock may be off ours."""
MAX_AGE = timedelta(minutes=10)
"""A token that was issued longer ago belongs to another sign-in."""
MAX_TOKEN_CHARS = 16_384
MAX_SUBJECT_CHARS = 255
"""OpenID Connect Core 1.0, section 2."""


class BadIdTokenError(Exception):
    """The provider's answer does not prove who somebody is; the message says what is wrong, without its contents."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token of one sign-in must say."""

    issuer: str
    client_id: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says somebody is. `claims`: all that the checked token says."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]

    def login(self, claim: str) -> str | None:
        """The login that a claim names, in lower case. An address of e-mail counts only where it was verified."""
        value = self.claims.get(claim)
        if not isinstance(value, str) or (claim == "email" and self.claims.get("email_verified") is not True):
            return None
        return value.strip().lower() or None


def check_id_token(token: str, keys: Mapping[str, Any], expected: Expected, now: datetime) -> Identity:
    """The identity that an ID token proves. `keys`: the provider's JWK set. Raises BadIdTokenError."""
    claims = _claims_of(token, keys)
    registry = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=int(LEEWAY.total_seconds()),
        iss={"essential": True, "value": expected.issuer},
        sub={"essential": True},
        aud={"essential": True, "value": expected.client_id},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        raise BadIdTokenError(f"a claim is wrong: {error}"[:200]) from None
    _check_rest(claims, expected, now)
    return Identity(expected.issuer, claims["sub"], claims)


def _claims_of(token: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    if len(token) > MAX_TOKEN_CHARS:
        raise BadIdTokenError(f"longer than {MAX_TOKEN_CHARS} characters")
    try:
        return dict(jwt.decode(token, KeySet.import_key_set({"keys": _signing_keys(keys)}), ALGORITHMS).claims)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise BadIdTokenError(f"not signed by a key of the provider: {error}"[:200]) from None


def _signing_keys(keys: Mapping[str, Any]) -> list[Any]:
    """The keys for signatures. Providers publish keys of other uses and kinds beside them."""
    found = keys.get("keys")
    listed = [key for key in found if isinstance(key, dict)] if isinstance(found, list) else []
    return [key for key in listed if key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use", "sig") == "sig"]


def _check_rest(claims: Mapping[str, Any], expected: Expected, now: datetime) -> None:
    """What the registry does not check: the nonce, the party for which a token of several audiences is, its age."""
    nonce, subject, audience = claims.get("nonce"), claims["sub"], claims["aud"]
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise BadIdTokenError("the nonce is another sign-in's")
    if not isinstance(subject, str) or not 1 <= len(subject) <= MAX_SUBJECT_CHARS:
        raise BadIdTokenError("sub is no text of 1 to 255 characters")
    is_shared = isinstance(audience, list) and len(audience) > 1
    if (is_shared or "azp" in claims) and claims.get("azp") != expected.client_id:
        raise BadIdTokenError("azp names another client")
    if claims["iat"] < (now - MAX_AGE - LEEWAY).timestamp():
        raise BadIdTokenError("issued too long ago")
