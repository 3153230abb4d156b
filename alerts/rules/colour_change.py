"""From one colour to another: the transition that says so, for judgements whose evidence needs no second sample."""

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
    """The transition between two different colours."""
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
