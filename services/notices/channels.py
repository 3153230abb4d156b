"""One delivery attempt of a notice to a webhook, with its outcome: sent, to be retried, or refused. Stores nothing."""

import json
from collections.abc import Mapping

import httpx

from services.notices.outcomes import Outcome, Refused, Retry, Sent, Unknown
from services.runtime.http_exchange import EXCHANGE_ERRORS, exchange

WEBHOOK = "webhook"
ATTEMPT_TIMEOUT_S = 8.0
"""Deadline of a whole attempt, from the look-up of the name to the status of the answer."""
MAX_TROUBLE_CHARS = 300
"""Characters of a channel's response stored with the notice, and bytes of it that are read."""


def post_webhook(url: str, key: str, body: Mapping[str, object]) -> Outcome:
    """Post a notice as JSON to a webhook, with its key, so that the receiver can drop a duplicate."""
    content = json.dumps(dict(body), ensure_ascii=False).encode()
    return post(url, {"Content-Type": "application/json", "Idempotency-Key": key}, content)


def post(url: str, headers: Mapping[str, str], content: bytes) -> Outcome:
    """Post a body to a server, within ATTEMPT_TIMEOUT_S.

    Only an invalid address is final. A rejection may come from a wrong setting, so a later attempt may succeed. The
    status decides: no more of an accepting answer is read, and a redirect is a rejection. Where the request may have
    been read before the connection failed, the outcome is unknown.
    """
    try:
        answer = exchange(
            "POST",
            url,
            headers={"Accept-Encoding": "identity", **headers},
            content=content,
            deadline_s=ATTEMPT_TIMEOUT_S,
            max_bytes=0,
            max_error_bytes=MAX_TROUBLE_CHARS,
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as trouble:
        return Refused(storable(str(trouble)))
    except (httpx.ConnectError, httpx.ProxyError) as trouble:
        return Retry(storable(f"{type(trouble).__name__}: {trouble}"))
    except EXCHANGE_ERRORS as trouble:
        return Unknown(storable(f"{type(trouble).__name__}: {trouble}"))
    if answer.is_success:
        return Sent()
    if answer.redirect is not None:
        return Retry(f"{answer.status}: a redirect, which is not followed; set the address it leads to")
    return Retry(storable(f"{answer.status}: {answer.body.decode(errors='replace')}"))


def storable(trouble: str) -> str:
    """A text from elsewhere, bounded, without what PostgreSQL or a terminal cannot take."""
    return "".join(character if character.isprintable() else " " for character in trouble)[:MAX_TROUBLE_CHARS]
