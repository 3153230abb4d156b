"""Alerts about Vigía itself: a dead process, a wrong clock, a broker that loses messages, a full disk."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from alerts import transition_log
from alerts.alert_log import Origin
from alerts.incidents.grouping import SYSTEM
from alerts.rulebook import Station
from alerts.rules.colour_change import colour_change
from models.alert import NAR, Cause
from models.rows import driver

TITLE = "Vigía"


@dataclass(frozen=True, slots=True)
class SystemFault:
    """The present state of one check: its colour, verde while all is well, and why.

    `name` identifies the check, with what it looks at after a slash. `closes_itself`: no person needs to close it.
    """

    name: str
    nar: NAR
    cause: Cause
    evidence: Mapping[str, object] = field(default_factory=dict)
    closes_itself: bool = False


def colour_above(limits: Mapping[NAR, float], value: float, before: NAR, *, eased: float) -> NAR:
    """The highest colour whose limit the value reaches. `limits`: the highest colour first.

    A colour held `before` stays until the value is below its limit times `eased`, so that it does not flap.
    """
    reached = (nar for nar, limit in limits.items() if value >= limit * (eased if before >= nar else 1.0))
    return next(reached, NAR.VERDE)


def ended_faults(
    found: Sequence[SystemFault], firing: Mapping[str, NAR], checks: Collection[str]
) -> Iterator[SystemFault]:
    """Clear the open alerts of `checks` about what is not looked at any more: no longer expected, or not reported."""
    for name in firing.keys() - {one.name for one in found}:
        if name.split("/", 1)[0] in checks:
            yield SystemFault(name, NAR.VERDE, Cause.RESTORED)


def firing_faults(transaction: Connection) -> dict[str, NAR]:
    """The alerts about Vigía itself that are not cleared: their colours by the name of the check."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT rule_id, rule_nar FROM alerts WHERE subject = %s AND state = 'firing' AND rule_nar > 0", [SYSTEM]
        )
        return {str(rule_id).removeprefix(f"{SYSTEM}/"): NAR(nar) for rule_id, nar in cursor}


def log_fault(transaction: Connection, fault: SystemFault, before: NAR, now: datetime) -> None:
    """Open, change or clear the alert of a check whose colour was `before`. Does nothing where it is the same."""
    if fault.nar == before:
        return
    judgement = fault.name.split("/", 1)[0]
    origin = Origin(f"{SYSTEM}/{fault.name}", 1, judgement, closes_itself=fault.closes_itself)
    cause = fault.cause if fault.nar else Cause.RESTORED
    transition = colour_change(before, fault.nar, cause, now, now, fault.evidence)
    transition_log.log_transition(
        transaction, Station(SYSTEM, SYSTEM, "", None, TITLE), origin, transition, notify=True
    )
