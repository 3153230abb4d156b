"""Send a message to a browser by Web Push: encrypted for it alone (RFC 8188, RFC 8291), signed by our key (RFC 8292).

The push service of the browser's vendor carries the message and cannot read it. It needs the Internet, and it may stop
at any time: an addition, never the only channel of a person.
"""

import base64
import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.notices.channels import ATTEMPT_TIMEOUT_S, MAX_TROUBLE_CHARS, storable
from services.notices.messages import Message
from services.notices.outcomes import Outcome, Refused, Retry, Sent, Unknown
from services.runtime.http_exchange import EXCHANGE_ERRORS, exchange

PUSH_LASTS_S = 3_600
TOKEN_LASTS = timedelta(hours=12)
RECORD_BYTES = 4_096
MAX_TEXT_CHARS = 500
"""Of a message: a push service takes 4,096 bytes, and each character may take six."""
TOPIC_CHARS = 32
_GONE = frozenset({404, 410})
_CURVE = ec.SECP256R1()
"""P-256, the curve of RFC 8291 and RFC 8292."""


@dataclass(frozen=True, slots=True, repr=False)
class PushKey:
    """Our key of RFC 8292 (VAPID). `contact`: where the push service reaches whoever runs this."""

    private: ec.EllipticCurvePrivateKey
    contact: str

    @property
    def public(self) -> str:
        """The public key, as a browser's subscription takes it."""
        return _encode(_point(self.private.public_key()))

    def authorization(self, endpoint: str, now: datetime) -> str:
        """The header that proves to a push service that the message is ours."""
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int((now + TOKEN_LASTS).timestamp()),
            "sub": self.contact,
        }
        signed = ".".join(_encode(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ES256"}, claims))
        r, s = decode_dss_signature(self.private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        token = f"{signed}.{_encode(r.to_bytes(32) + s.to_bytes(32))}"
        return f"vapid t={token}, k={self.public}"


def read_push_key(pem: str, contact: str) -> PushKey:
    """The key of a PEM text. Raises ValueError where it holds no key of the curve P-256."""
    private = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != _CURVE.name:
        raise ValueError("the key of web push must be an EC key of the curve P-256")
    return PushKey(private, contact)


def stored_push_key(path: Path, contact: str) -> PushKey:
    """The key in a file, made at first need. Only its owner may read the file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        pem = ec.generate_private_key(_CURVE).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pem)
        try:
            os.link(draft, path)  # of two processes, the first one's key counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return read_push_key(path.read_text(encoding="ascii"), contact)


def send_by_web_push(address: str, key: str, message: Message, push_key: PushKey, now: datetime) -> Outcome:
    """Hand a message to the push service of a browser. `address`: the subscription as JSON."""
    subscription = json.loads(address)
    text = message.text[:MAX_TEXT_CHARS]
    shown = {"title": message.title, "text": text, "url": message.url, "tag": message.tag, "key": key}
    content = json.dumps(shown, ensure_ascii=False).encode()
    try:
        body = encrypt(content, subscription["p256dh"], subscription["auth"])
    except (ValueError, InvalidTag):
        return Refused("the browser's key is none: subscribe again")
    endpoint = str(subscription["endpoint"])
    headers = {
        "Authorization": push_key.authorization(endpoint, now),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "Accept-Encoding": "identity",
        "TTL": str(PUSH_LASTS_S),
        "Urgency": "high",
        "Topic": key[:TOPIC_CHARS],
    }
    try:
        answer = exchange(
            "POST",
            endpoint,
            headers=headers,
            content=body,
            deadline_s=ATTEMPT_TIMEOUT_S,
            max_bytes=0,
            max_error_bytes=MAX_TROUBLE_CHARS,
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        return Refused("the address of the push service is wrong: subscribe again")
    except httpx.ConnectError as trouble:
        return Retry(storable(f"{type(trouble).__name__}: {trouble}"))
    except EXCHANGE_ERRORS as trouble:
        return Unknown(storable(f"{type(trouble).__name__}: {trouble}"))
    if answer.is_success:
        return Sent()
    if answer.status in _GONE:
        return Refused(f"{answer.status}: the browser ended its subscription: subscribe again")
    return Retry(f"{answer.status}: the push service did not take the message")


def encrypt(
    content: bytes,
    browser_key: str,
    browser_secret: str,
    *,
    ours: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """One record of aes128gcm that only this browser can read. `ours`, `salt`: drawn anew unless given.

    Raises ValueError where the browser's key or secret is none. Source: RFC 8291, section 3.4; RFC 8188, section 2.
    """
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, _decode(browser_key))
    ours = ours or ec.generate_private_key(_CURVE)
    salt = salt or os.urandom(16)
    both = b"WebPush: info\x00" + _point(theirs) + _point(ours.public_key())
    secret = _derive(_decode(browser_secret), ours.exchange(ec.ECDH(), theirs), both, 32)
    content_key = _derive(salt, secret, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _derive(salt, secret, b"Content-Encoding: nonce\x00", 12)
    sealed = AESGCM(content_key).encrypt(nonce, content + b"\x02", None)
    point = _point(ours.public_key())
    return salt + RECORD_BYTES.to_bytes(4) + bytes([len(point)]) + point + sealed


def _derive(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
