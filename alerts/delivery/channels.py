"""Delivery of one notice to a webhook, with its outcome: sent, to be retried, or refused. Stores nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

WEBHOOK = "webhook"
WEBHOOK_TIMEOUT_S = 5.0
MAX_TROUBLE_CHARS = 300
"""Characters of a channel's response stored with the notice."""


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


def post_webhook(client: httpx.Client, url: str, dedup_key: str, body: Mapping[str, object]) -> Outcome:
    """Post a notice as JSON to a webhook, with its key, so that the receiver can drop a duplicate.

    Only an invalid address is final. A rejection may come from a wrong setting, so a later attempt may succeed.
    """
    headers = {"Idempotency-Key": dedup_key}
    try:
        with client.stream("POST", url, json=dict(body), headers=headers, timeout=WEBHOOK_TIMEOUT_S) as answer:
            if answer.is_success:
                return Sent()
            response = next(answer.iter_bytes(MAX_TROUBLE_CHARS), b"")  # bounded: a response may be endless
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as trouble:
        return Refused(str(trouble)[:MAX_TROUBLE_CHARS])
    except httpx.HTTPError as trouble:
        return Retry(f"{type(trouble).__name__}: {trouble}"[:MAX_TROUBLE_CHARS])
    return Retry(f"{answer.status_code}: {response.decode(errors='replace')}"[:MAX_TROUBLE_CHARS])


def retry_wait_s(attempts: int) -> float:
    """The wait after this many attempts: 2, 5, 15, 30, then 60 s. There is no limit while the alert is open."""
    waits_s = (2.0, 5.0, 15.0, 30.0, 60.0)
    return waits_s[min(attempts, len(waits_s)) - 1]
