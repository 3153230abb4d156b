"""Sign what is posted to a webhook by HMAC-SHA256, as Standard Webhooks 1.0 does, so that its receivers' libraries fit.

Two keys may be in force while a receiver changes over: the body is signed by each.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

MIN_KEY_CHARS = 32
MAX_KEYS = 2


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret shared with receivers, and the name by which they know it."""

    id: str
    secret: str


def parse_keys(text: str) -> tuple[SigningKey, ...]:
    """The keys of a setting, `ID:SECRET` with a comma between two; the first is the newer. Raises ValueError."""
    keys = tuple(SigningKey(*_pair(part)) for part in text.split(",") if part.strip())
    if not 1 <= len(keys) <= MAX_KEYS or len({key.id for key in keys}) < len(keys):
        raise ValueError(f"give one key, or two of different names, as ID:SECRET with a comma between; not {len(keys)}")
    return keys


def _pair(part: str) -> tuple[str, str]:
    name, colon, secret = part.strip().partition(":")
    if not (name.isascii() and name.replace("-", "").isalnum() and colon and len(secret) >= MIN_KEY_CHARS):
        raise ValueError(
            f"each key is ID:SECRET, the ID of letters, digits and -, the secret of {MIN_KEY_CHARS} characters or more"
        )
    return name, secret


def signature_headers(keys: tuple[SigningKey, ...], key: str, content: bytes, now: datetime) -> Mapping[str, str]:
    """The headers that prove who posted a body and when; none without keys. `key`: that of the notice."""
    if not keys:
        return {}
    timestamp = str(int(now.timestamp()))
    signed = b".".join((key.encode(), timestamp.encode(), content))
    digests = (hmac.new(one.secret.encode(), signed, hashlib.sha256).digest() for one in keys)
    return {
        "Webhook-Id": key,
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
        "Webhook-Key-Id": " ".join(one.id for one in keys),
    }
