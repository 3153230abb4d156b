"""Whether a transition is announced to the operators, and why. Pure functions.

Operators are told once of an incident, of what makes it graver, and of each station's own rise; not of every alert.
Pages show all alerts all the time, and contacts get every transition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from models.alert import NAR, Cause, Transition
from models.incident import Membership

REPEAT_AFTER = timedelta(minutes=30)
"""What was announced within this time is not announced again, however often a colour comes and goes."""
OWN_CAUSES = frozenset({Cause.LEVEL, Cause.RISE, Cause.FORECAST})
"""What a stream's own readings say. Rain and stations upstream are evidence of other stations."""


class Reason(StrEnum):
    """Why something is announced."""

    OPENED = "opened"
    """An incident begins. A basin or hazard that had none has one now."""
    GRAVER = "graver"
    """The incident is graver than it was."""
    OWN_RISE = "own_rise"
    """A stream's own readings confirm its colour."""
    CONFIRMED = "confirmed"
    """Rain confirms a colour that was announced in doubt."""
    LOST_GAUGE = "lost_gauge"
    """A gauge fell silent while its stream held a colour."""
    OWN_FAULT = "own_fault"
    """Another part of Vigía itself fails."""
    ASKS_AGAIN = "asks_again"
    """People had acknowledged the whole incident, and something new waits for them."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What was announced of a rule's alert: the colour, whether it was confirmed, and by its own readings."""

    rule_id: str
    nar: NAR
    sure: bool
    own: bool


@dataclass(frozen=True, slots=True)
class Before:
    """An incident before the transition of an alert.

    `others`: whether it has other open alerts. `worst`: the worst colour that it held. `waiting`: whether nobody has
    acknowledged one of its firing alerts. `announced`: what was announced of this hazard and area within REPEAT_AFTER.
    """

    others: bool
    worst: NAR
    waiting: bool
    announced: Sequence[Announced] = ()


def reason_to_announce(
    before: Before, rule_id: str, membership: Membership, transition: Transition, *, raised_by: Cause
) -> Reason | None:
    """Why this transition of a rule's alert is announced; None where the pages show it without a sound.

    raised_by: what raised the alert's colour, also where the transition only confirms it. An unconfirmed colour is
    announced at once where it opens an incident or makes it graver; else when it is confirmed.
    """
    if transition.after < transition.before or not transition.after:
        return None
    rises = transition.after > transition.before
    recent = [one for one in before.announced if one.nar >= transition.after]
    told = [one for one in recent if one.rule_id == rule_id]
    if rises and not before.others and transition.before == NAR.VERDE and not told:
        return Reason.OPENED
    if rises and transition.after > before.worst and not recent:
        return Reason.GRAVER
    own_reason = _own_reason(membership, transition, told, raised_by)
    if own_reason or told or not rises or before.waiting:
        return own_reason
    return Reason.ASKS_AGAIN


def _own_reason(
    membership: Membership, transition: Transition, told: Sequence[Announced], raised_by: Cause
) -> Reason | None:
    """Why an alert is announced for itself, whatever the rest of its incident does. told: of it, at least as grave."""
    match membership:
        case Membership.STREAM:
            return _reason_of_stream(transition, told, own=raised_by in OWN_CAUSES)
        case Membership.LOST_GAUGE:
            return None if told else Reason.LOST_GAUGE
        case Membership.ITSELF:
            return None if told else Reason.OWN_FAULT
        case _:
            return None


def _reason_of_stream(transition: Transition, told: Sequence[Announced], *, own: bool) -> Reason | None:
    sure = [one for one in told if one.sure]
    if not transition.confirmed or any(one.own or not own for one in sure):
        return None
    if own:
        return Reason.OWN_RISE
    return Reason.CONFIRMED if told else None
