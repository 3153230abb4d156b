"""An OpenID Connect provider on the loopback that checks what a provider must: code, client, redirection and S256."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

CLIENT_ID, CLIENT_SECRET = "vigia-test", "a secret of the client, of 32 characters or more"


class IdentityProvider:
    """Whoever is asked for is signed in. `claims` and `header` change the next tokens; `key` signs them."""

    def __init__(self, issuer: str, now: datetime) -> None:
        self.issuer = issuer
        self.now_s = int(now.timestamp())
        self.key: ECKey | OctKey = ECKey.generate_key("P-256", {"kid": "one"})
        self.published = [self.key.as_dict(private=False)]
        self.claims: dict[str, object] = {}
        self.header: dict[str, str] = {"alg": "ES256", "kid": "one"}
        self.description: dict[str, object] = {}
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}

    def sign_in(self, address: str, subject: str = "sub-1", **claims: object) -> str:
        """What a browser is sent back to, after a person signed in at `address`."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked | {"sub": subject, "claims": json.dumps(claims)}
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def token(self, form: Mapping[str, str], authorization: str) -> tuple[int, dict[str, object]]:
        """The answer of the token endpoint. A code works once."""
        self.asked.append(dict(form))
        begun = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        client = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET.replace(' ', '%20').replace(',', '%2C')}".encode())
        if authorization != f"Basic {client.decode()}":
            return 401, {"error": "invalid_client"}
        if (
            begun is None
            or begun["code_challenge"] != challenge
            or begun["redirect_uri"] != form.get("redirect_uri")
            or begun["client_id"] != form.get("client_id")
        ):
            return 400, {"error": "invalid_grant"}
        said: dict[str, Any] = {
            "iss": self.issuer,
            "sub": begun["sub"],
            "aud": CLIENT_ID,
            "iat": self.now_s,
            "exp": self.now_s + 300,
            "nonce": begun["nonce"],
            **json.loads(begun["claims"]),
            **self.claims,
        }
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self._signed(said)}

    def _signed(self, claims: dict[str, Any]) -> str:
        if self.header["alg"] == "none":
            parts = (json.dumps(self.header), json.dumps(claims))
            return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "."
        return jwt.encode(dict(self.header), claims, self.key, algorithms=[self.header["alg"]])

    def document(self, path: str) -> dict[str, object] | None:
        """The provider's description, or its keys."""
        if path == "/jwks":
            return {"keys": self.published}
        if path != "/.well-known/openid-configuration":
            return None
        named = {
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "code_challenge_methods_supported": ["S256"],
        }
        return {"issuer": self.issuer} | named | self.description


@contextmanager
def identity_provider(now: datetime) -> Iterator[IdentityProvider]:
    """A running provider on a free port, whose clock stands at `now`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = provider.document(self.path)
            self._answer(404 if document is None else 200, document or {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*provider.token(form, self.headers.get("authorization", "")))

        def _answer(self, status: int, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = IdentityProvider(f"http://127.0.0.1:{server.server_port}", now)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
