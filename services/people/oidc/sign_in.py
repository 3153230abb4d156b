"""Sign-in with a provider: begun in one browser, finished once and by that browser only, for people known here."""

import base64
import hashlib
import hmac
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from alerts.record import Entry, record
from models.tables.people import oidc_sign_ins
from services.people.oidc.id_token import BadIdTokenError, Expected, Identity, check_id_token
from services.people.oidc.links import known_person
from services.people.oidc.provider import Provider, ProviderRefusedError
from services.people.sessions import RequestFacts, open_session
from services.people.tokens import token_hash
from services.runtime.problem import HttpProblem
from services.runtime.secret import new_secret

SIGN_IN_LASTS = timedelta(minutes=10)
"""From the button to the way back: time to type a password and a second factor at the provider."""
MAX_PENDING = 10_000
"""Sign-ins that wait at once; a flood of beginnings takes no more rows than these."""
SECRET_BYTES = 32
VERIFIER_BYTES = 48
"""64 characters; RFC 7636 asks for 43 to 128."""
METHOD = "oidc"

log = logging.getLogger(__name__)


class SignInFailed(HttpProblem):
    """No se pudo entrar con el proveedor de cuentas: empezá de nuevo desde esta página. / Signing in with the identity
    provider did not work: start again from this page.
    """

    status = 401


class TooManySignIns(HttpProblem):
    """Hay demasiados ingresos empezados: probá en unos minutos. / Too many sign-ins were begun: try in some minutes."""

    status = 503
    retry_after_s = 60


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that begins. `cookie`: binds it to the browser; `address`: where the browser goes."""

    cookie: str
    address: str


@dataclass(frozen=True, slots=True)
class WayBack:
    """What the browser brings back from the provider. `issuer`: as RFC 9207 has it; None where it is not said."""

    cookie: str | None
    state: str
    code: str
    issuer: str | None
    redirect_uri: str


def begin_sign_in(
    database: Engine, provider: Provider, redirect_uri: str, alert_id: int | None, now: datetime
) -> Begun:
    """Store a sign-in of one browser. `alert_id`: the alert that is shown afterwards.

    Raises ProviderUnavailable, TooManySignIns.
    """
    cookie, state, nonce = (new_secret(SECRET_BYTES) for _ in range(3))
    verifier = new_secret(VERIFIER_BYTES)
    address = provider.sign_in_address(redirect_uri, state=state, nonce=nonce, challenge=challenge_of(verifier))
    with database.begin() as transaction:
        transaction.execute(delete(oidc_sign_ins).where(oidc_sign_ins.c.expires_at <= now))
        if transaction.execute(select(func.count()).select_from(oidc_sign_ins)).scalar_one() >= MAX_PENDING:
            raise TooManySignIns
        values = {"state": state, "nonce": nonce, "code_verifier": verifier, "alert_id": alert_id}
        transaction.execute(
            insert(oidc_sign_ins).values(cookie_sha256=token_hash(cookie), expires_at=now + SIGN_IN_LASTS, **values)
        )
    return Begun(cookie, address)


def challenge_of(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def finish_sign_in(
    database: Engine, provider: Provider, back: WayBack, facts: RequestFacts, now: datetime
) -> tuple[str, int | None]:
    """The token of a new session, and the alert that is shown now.

    The begun sign-in is used up before anything is checked. No connection is held while the provider is asked.
    Raises SignInFailed, NotKnownHere, ProviderUnavailable.
    """
    with database.begin() as transaction:
        begun = _take(transaction, back.cookie, now)
    if begun is None:
        raise _failed("no sign-in was begun in this browser, or it is over")
    if not hmac.compare_digest(begun.state.encode(), back.state.encode()):
        raise _failed("the state is another sign-in's")
    if back.issuer is not None and back.issuer != provider.client.issuer:
        raise _failed("another issuer answers")
    try:
        token = provider.exchange_code(back.code, begun.code_verifier, back.redirect_uri)
        identity = _identity(provider, token, begun.nonce, now)
    except (ProviderRefusedError, BadIdTokenError) as error:
        raise _failed(str(error) or "the provider gives no token for this code") from None
    with database.begin() as transaction:
        person = known_person(transaction, identity, provider.client, now)
        details = {"method": METHOD, "agent": facts.agent, "address": facts.address}
        record(transaction, Entry("session.opened", f"person:{person.login}", person.name, details), now)
        return open_session(transaction, person.id, METHOD, facts, now), begun.alert_id


def _take(transaction: Connection, cookie: str | None, now: datetime) -> Row[Any] | None:
    """The begun sign-in of this browser, which is then gone."""
    mine = oidc_sign_ins.c.cookie_sha256 == token_hash(cookie or "")
    row = transaction.execute(delete(oidc_sign_ins).where(mine).returning(*oidc_sign_ins.columns)).first()
    return row if row is not None and row.expires_at > now else None


def _failed(reason: str) -> SignInFailed:
    log.warning("refused a sign-in by the provider", extra={"action": "oidc", "reason": reason})
    return SignInFailed()


def _identity(provider: Provider, token: str, nonce: str, now: datetime) -> Identity:
    """Who the token names; the provider's keys are asked for again where none of them signed it."""
    expected = Expected(provider.client.issuer, provider.client.client_id, nonce)
    keys = provider.keys()
    try:
        return check_id_token(token, keys, expected, now)
    except BadIdTokenError:
        renewed = provider.keys(renewed=True)
        if renewed is keys:
            raise
        return check_id_token(token, renewed, expected, now)
