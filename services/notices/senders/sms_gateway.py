"""Send text messages through a telephone that serves HTTP, in the manner of SMS Gateway for Android. One attempt.

POST {address}/message with the text, the number and an id; the gateway sends nothing twice under one id and answers
409. Another gateway is another class with `send`.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from services.notices.channels import ATTEMPT_TIMEOUT_S, MAX_TROUBLE_CHARS, storable
from services.notices.outcomes import Outcome, Refused, Retry, Sent, Unknown
from services.runtime.http_exchange import EXCHANGE_ERRORS, exchange

ID_CHARS = 32
TEXT_LASTS_S = 3_600
"""A telephone that was off sends nothing older than this."""
BEYOND_LIMITS = 100
"""Priority at which the telephone applies no limits of its own."""
SIGNED_WITHIN = timedelta(minutes=5)
"""Age of a signed request from the gateway: an older one may be a copy."""


class SmsSender(Protocol):
    """Whatever sends a text message to a number."""

    def send(self, number: str, key: str, text: str) -> Outcome:
        """One attempt. `key`: the same for each attempt of one message."""


@dataclass(frozen=True, slots=True, repr=False)
class PhoneGateway:
    """A telephone as a modem. `url`: http://USER:PASSWORD@ADDRESS:PORT."""

    url: str

    def send(self, number: str, key: str, text: str) -> Outcome:
        """Hand a text to the telephone. That it was taken does not mean that it was delivered."""
        message = {
            "id": key[:ID_CHARS],
            "textMessage": {"text": text},
            "phoneNumbers": [number],
            "ttl": TEXT_LASTS_S,
            "priority": BEYOND_LIMITS,
        }
        address, headers = _address(self.url)
        try:
            answer = exchange(
                "POST",
                f"{address}/message",
                headers={**headers, "Content-Type": "application/json", "Accept-Encoding": "identity"},
                content=json.dumps(message, ensure_ascii=False).encode(),
                deadline_s=ATTEMPT_TIMEOUT_S,
                max_bytes=0,
                max_error_bytes=MAX_TROUBLE_CHARS,
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return Refused("the address of the SMS gateway is wrong: set VIGIA_SMS_GATEWAY_URL")
        except httpx.ConnectError as trouble:
            return Retry(storable(f"{type(trouble).__name__}: {trouble}"))
        except EXCHANGE_ERRORS as trouble:
            return Unknown(storable(f"{type(trouble).__name__}: {trouble}"))
        if answer.is_success or answer.status == httpx.codes.CONFLICT:
            return Sent()
        return Retry(f"{answer.status}: the SMS gateway did not take the message")


def is_signed(key: str, content: bytes, timestamp: str, signature: str, now: datetime) -> bool:
    """Whether the gateway signed a request: HMAC-SHA256 of the body and the time, in hexadecimal digits, and lately."""
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= ID_CHARS):
        return False
    expected = hmac.new(key.encode(), content + timestamp.encode(), hashlib.sha256).hexdigest()
    is_recent = abs(now.timestamp() - int(timestamp)) <= SIGNED_WITHIN.total_seconds()
    return hmac.compare_digest(expected.encode(), signature.lower().encode()) and is_recent


def _address(url: str) -> tuple[str, dict[str, str]]:
    """The address without user and password, and the header that carries these."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    address = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    if parts.username is None:
        return address, {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return address, {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
