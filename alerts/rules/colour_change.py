"""Builds the transition between two colours, for judgements whose evidence needs no confirmation."""

from collections.abc import Mapping
from datetime import datetime

from models.alert import NAR, Cause, Change, Transition


def colour_change(
    before: NAR,
    after: NAR,
    cause: Cause,
    observed_at: datetime,
    decided_at: datetime,
    evidence: Mapping[str, object],
    *,
    confirmed: bool = True,
) -> Transition:
    """The transition from colour `before` to a different colour `after`."""
    if after > before:
        change = Change.ESCALATED if before else Change.RAISED
    else:
        change = Change.EASED if after else Change.CLEARED
    return Transition(
        before=before,
        after=after,
        change=change,
        cause=cause,
        observed_at=observed_at,
        decided_at=decided_at,
        confirmed=confirmed,
        evidence=evidence,
    )
