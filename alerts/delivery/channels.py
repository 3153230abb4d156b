"""One notice to one channel: sent, to be tried again, or refused for good. It tells, and keeps nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

WEBHOOK = "webhook"
TIMEOUT_S = 5.0
MOST_TROUBLE = 300
"""Characters of a channel's answer kept beside the notice."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The channel took it. Nobody has read it yet: only an acknowledgement says that."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It may or may not have arrived, or was not wanted: try again under the same key."""

    trouble: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The channel will never take this notice."""

    trouble: str


Outcome = Sent | Retry | Refused


def post(client: httpx.Client, url: str, dedup_key: str, body: Mapping[str, object]) -> Outcome:
    """Post a notice as JSON to a webhook, with its key, so that a receiver can drop a repeat.

    Only an address that is none is final: whoever refuses today, by a wrong setting perhaps, may listen in a minute.
    """
    headers = {"Idempotency-Key": dedup_key}
    try:
        with client.stream("POST", url, json=dict(body), headers=headers, timeout=TIMEOUT_S) as answer:
            if answer.is_success:
                return Sent()
            said = next(answer.iter_bytes(MOST_TROUBLE), b"")  # whoever answers without end is not listened to
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as trouble:
        return Refused(str(trouble)[:MOST_TROUBLE])
    except httpx.HTTPError as trouble:
        return Retry(f"{type(trouble).__name__}: {trouble}"[:MOST_TROUBLE])
    return Retry(f"{answer.status_code}: {said.decode(errors='replace')}"[:MOST_TROUBLE])


def retry_wait_s(attempts: int) -> float:
    """How long to wait after so many tries: 2, 5, 15, 30, then 60 s. There is no giving up while an alert is open."""
    waits_s = (2.0, 5.0, 15.0, 30.0, 60.0)
    return waits_s[min(attempts, len(waits_s)) - 1]
