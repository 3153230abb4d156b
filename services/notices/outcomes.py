"""What came of one attempt to deliver a notice, and how long to wait before the next. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """The channel accepted the notice. Only an acknowledgement shows that a person has read it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The channel did not accept the notice now: try again under the same key."""

    trouble: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The notice may have arrived, as where the answer came too late: try again under the same key."""

    trouble: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The channel will never accept this notice."""

    trouble: str


Outcome = Sent | Retry | Unknown | Refused


def retry_wait_s(attempts: int) -> float:
    """The wait after this many attempts: 2, 5, 15, 30, then 60 s. There is no limit while the alert is open."""
    waits_s = (2.0, 5.0, 15.0, 30.0, 60.0)
    return waits_s[min(attempts, len(waits_s)) - 1]
