"""One delivery attempt of a notice to a webhook, with its outcome: sent, to be retried, or refused. Stores nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from services.runtime.http_exchange import EXCHANGE_ERRORS, exchange

WEBHOOK = "webhook"
ATTEMPT_TIMEOUT_S = 8.0
"""Deadline of a whole attempt, from the look-up of the name to the status of the answer."""
MAX_TROUBLE_CHARS = 300
"""Characters of a channel's response stored with the notice, and bytes of it that are read."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The channel accepted the notice. Only an acknowledgement shows that a person has read it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The notice may not have arrived, or the channel rejected it now: try again under the same key."""

    trouble: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The channel will never accept this notice."""

    trouble: str


Outcome = Sent | Retry | Refused


def post_webhook(url: str, key: str, body: Mapping[str, object]) -> Outcome:
    """Post a notice as JSON to a webhook, with its key, so that the receiver can drop a duplicate.

    Only an invalid address is final. A rejection may come from a wrong setting, so a later attempt may succeed. The
    status decides: no more of an accepting answer is read, and a redirect is a rejection.
    """
    try:
        answer = exchange(
            "POST",
            url,
            headers={
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
                "Idempotency-Key": key,
            },
            content=json.dumps(dict(body), ensure_ascii=False).encode(),
            deadline_s=ATTEMPT_TIMEOUT_S,
            max_bytes=0,
            max_error_bytes=MAX_TROUBLE_CHARS,
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as trouble:
        return Refused(storable(str(trouble)))
    except EXCHANGE_ERRORS as trouble:
        return Retry(storable(f"{type(trouble).__name__}: {trouble}"))
    if answer.is_success:
        return Sent()
    if answer.redirect is not None:
        return Retry(f"{answer.status}: a redirect, which is not followed; set the address it leads to")
    return Retry(storable(f"{answer.status}: {answer.body.decode(errors='replace')}"))


def storable(trouble: str) -> str:
    """A text from elsewhere, bounded, without what PostgreSQL or a terminal cannot take."""
    return "".join(character if character.isprintable() else " " for character in trouble)[:MAX_TROUBLE_CHARS]


def retry_wait_s(attempts: int) -> float:
    """The wait after this many attempts: 2, 5, 15, 30, then 60 s. There is no limit while the alert is open."""
    waits_s = (2.0, 5.0, 15.0, 30.0, 60.0)
    return waits_s[min(attempts, len(waits_s)) - 1]
