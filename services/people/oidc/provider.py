"""An OpenID Connect provider: its description and keys, the address of its sign-in, a code exchanged for a token."""

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from services.runtime.http_exchange import EXCHANGE_ERRORS, exchange
from services.runtime.problem import HttpProblem
from services.runtime.settings import LOOPBACK_HOSTS, Settings, SettingsError

DEADLINE_S = 5.0
"""For one answer of the provider. Meanwhile a person waits, and others behind them."""
MAX_BYTES = 256 * 1024
DESCRIPTION_KEPT_S = 3600.0
KEYS_KEPT_S = 3600.0
KEYS_ASKED_AGAIN_S = 30.0
"""A token by an unknown key makes us ask for the keys again, but not more often than this."""
SCOPE = "openid profile email"
_METADATA = "/.well-known/openid-configuration"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderUnavailable(HttpProblem):
    """El proveedor de cuentas no contesta bien: probá de nuevo, o entrá con contraseña. / The identity provider does
    not answer as it should: try again, or sign in with a password.
    """

    status = 503
    retry_after_s = 10


class ProviderRefusedError(Exception):
    """The provider gave no token for a code: it was used, is too old, or belongs to another sign-in."""


@dataclass(frozen=True, slots=True)
class Client:
    """Vigía as the provider knows it."""

    issuer: str
    client_id: str
    client_secret: str | None
    login_claim: str
    links_by_login: bool
    """Whether a person without an identity of the provider gets the one whose login claim is their login."""
    name: str
    """What the button says after "sign in with"."""


def client_of_settings(settings: Settings) -> Client | None:
    """The client that the settings describe; None without a provider. Raises SettingsError."""
    if not settings.oidc_issuer and not settings.oidc_client_id:
        return None
    if not settings.oidc_issuer or not settings.oidc_client_id:
        raise SettingsError("VIGIA_OIDC_ISSUER and VIGIA_OIDC_CLIENT_ID belong together: set both or neither")
    if not _is_private(settings.oidc_issuer):
        raise SettingsError("VIGIA_OIDC_ISSUER must begin with https://, or be on this machine")
    secret = settings.oidc_client_secret
    return Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=secret.get_secret_value() if secret else None,
        login_claim=settings.oidc_login_claim,
        links_by_login=settings.oidc_link_by_login,
        name=settings.oidc_name or urlsplit(settings.oidc_issuer).hostname or settings.oidc_issuer,
    )


def _is_private(url: object) -> bool:
    """Whether nobody on the network reads what goes to this address."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
        )
    except ValueError:
        return False


class Provider:
    """The provider as its own documents describe it. They are kept for an hour; all requests are bounded."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._lock = threading.Lock()
        self._description: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, dict[str, Any]] | None = None

    def sign_in_address(self, redirect_uri: str, *, state: str, nonce: str, challenge: str) -> str:
        """Where the browser goes to sign in. `challenge`: S256 of the code verifier. Raises ProviderUnavailable."""
        endpoint = self._described()["authorization_endpoint"]
        asked = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def exchange_code(self, code: str, verifier: str, redirect_uri: str) -> str:
        """The ID token for a code. Raises ProviderUnavailable, ProviderRefusedError."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.client.client_id,
            "code_verifier": verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        secret, description = self.client.client_secret, self._described()
        if secret is not None:
            methods = description.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
            if "client_secret_basic" in methods:
                pair = f"{quote(self.client.client_id, safe='')}:{quote(secret, safe='')}"
                headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            else:
                form["client_secret"] = secret
        status, answer = _ask("POST", description["token_endpoint"], headers, urlencode(form).encode())
        if 400 <= status < 500:
            raise ProviderRefusedError
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):
            raise ProviderUnavailable
        return token

    def keys(self, *, renewed: bool = False) -> dict[str, Any]:
        """The JWK set. `renewed`: ask again, since a token was signed by a key that is not in it."""
        kept_s = KEYS_ASKED_AGAIN_S if renewed else KEYS_KEPT_S
        with self._lock:
            found = self._keys
        if found is None or monotonic() - found[0] > kept_s:
            found = (monotonic(), _document(self._described()["jwks_uri"]))
            with self._lock:
                self._keys = found
        return found[1]

    def _described(self) -> dict[str, Any]:
        with self._lock:
            found = self._description
        if found is None or monotonic() - found[0] > DESCRIPTION_KEPT_S:
            found = (monotonic(), self._checked(_document(self.client.issuer.rstrip("/") + _METADATA)))
            with self._lock:
                self._description = found
        return found[1]

    def _checked(self, description: dict[str, Any]) -> dict[str, Any]:
        """The description, if it is that of our issuer, and safe. Raises ProviderUnavailable."""
        methods = description.get("code_challenge_methods_supported", ["S256"])
        is_right = description.get("issuer") == self.client.issuer and isinstance(methods, list) and "S256" in methods
        if not is_right or not all(_is_private(description.get(name)) for name in _ENDPOINTS):
            raise ProviderUnavailable
        return description


def _document(url: str) -> dict[str, Any]:
    status, answer = _ask("GET", url, {})
    if status != 200:
        raise ProviderUnavailable
    return answer


def _ask(method: str, url: str, headers: Mapping[str, str], content: bytes | None = None) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of an answer; an empty one where it holds none. Raises ProviderUnavailable."""
    sent = {"accept": "application/json", "accept-encoding": "identity", **headers}
    try:
        answer = exchange(
            method,
            url,
            headers=sent,
            content=content,
            deadline_s=DEADLINE_S,
            max_bytes=MAX_BYTES,
            max_error_bytes=0,
        )
        body = json.loads(answer.body) if answer.is_success and not answer.is_cut else {}
    except (*EXCHANGE_ERRORS, ValueError, RecursionError) as error:
        raise ProviderUnavailable from error
    return answer.status, body if isinstance(body, dict) else {}
