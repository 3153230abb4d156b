"""The alert after a transition of its rule: its colour, whether it asks to be acknowledged, whether it ends. Pure.

Three colours are kept apart. `rule_nar`: what the rule holds now. `held_nar`: below it nothing shows until a person
confirms, or a flapping alert is calm. `nar`: what is shown, the higher of both.
"""

from dataclasses import dataclass
from enum import StrEnum

from alerts.life.limits import flaps, holds_for_a_person
from models.alert import NAR


class AlertState(StrEnum):
    """What an alert is to people. `cleared`: its rule holds nothing any more, and a person has yet to close it."""

    FIRING = "firing"
    CLEARED = "cleared"
    CLOSED = "closed"


class Because(StrEnum):
    """Why an alert asks to be acknowledged."""

    OPENED = "opened"
    GRAVER = "graver"
    """It is graver than what was acknowledged, or it rises again after it eased."""
    FIRED_AGAIN = "fired_again"
    EXPIRED = "expired"
    """The time of its acknowledgement is over, and it still fires."""
    WITHDRAWN = "withdrawn"
    UNSHELVED = "unshelved"


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that is not closed, before a transition. `shelved_nar`: the colour at which it was shelved."""

    state: AlertState
    nar: NAR
    rule_nar: NAR
    held_nar: NAR
    highest_nar: NAR
    acknowledged: bool = False
    shelved_nar: NAR | None = None
    flapping: bool = False


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What a rule says. `changes`, `highest_nar`: of the last hour, this change included.

    `closes_itself`: no person is needed to close the alert.
    """

    judgement: str
    nar: NAR
    confirmed: bool
    changes: int = 1
    highest_nar: NAR = NAR.VERDE
    closes_itself: bool = False


@dataclass(frozen=True, slots=True)
class NextState:
    """An alert after a transition. `asks`: why it asks to be acknowledged from now on; None where that is unchanged.

    `unshelved`: its shelf ends, because it is graver than what was shelved. `announced`: whether the watch hears of it.
    """

    state: AlertState
    nar: NAR
    rule_nar: NAR
    held_nar: NAR
    asks: Because | None
    unshelved: bool
    flapping: bool
    announced: bool


def next_state(before: OpenAlert | None, change: RuleChange) -> NextState:
    """The alert after a transition. before: None where there is no open alert."""
    held = NAR.VERDE if before is None else before.held_nar
    if holds_for_a_person(change.judgement, change.nar, confirmed=change.confirmed):
        held = max(held, change.nar)
    flapped = before is not None and before.flapping
    flapping = flapped or flaps(change.changes)
    if flapping:
        held = max(held, change.nar, change.highest_nar, NAR.VERDE if before is None else before.nar)
    state = AlertState.FIRING if change.nar or flapping else _over(before, change, held)
    if state is AlertState.CLOSED:
        held, flapping = NAR.VERDE, False
    nar = max(change.nar, held)
    shelved = None if before is None else before.shelved_nar
    unshelved = shelved is not None and change.nar > shelved
    graver = before is None or _graver(before, nar, change)
    return NextState(
        state=state,
        nar=nar,
        rule_nar=change.nar,
        held_nar=held,
        asks=_asks(before, state, graver=graver),
        unshelved=unshelved,
        flapping=flapping,
        announced=(shelved is None or unshelved) and (graver or not flapped),
    )


def calm_state(alert: OpenAlert, judgement: str) -> NextState:
    """A flapping alert after a calm time. What only its flapping held eases to the rule's colour."""
    rule_nar = alert.rule_nar
    held = alert.held_nar if holds_for_a_person(judgement, alert.held_nar, confirmed=True) else NAR.VERDE
    state = AlertState.FIRING
    if not rule_nar:
        closed = held < NAR.NARANJA and ends_by_itself(alert, closes_itself=False)
        state = AlertState.CLOSED if closed else AlertState.CLEARED
    return NextState(state, max(rule_nar, held), rule_nar, held, None, unshelved=False, flapping=False, announced=False)


def ends_by_itself(alert: OpenAlert, *, closes_itself: bool) -> bool:
    """Whether an alert whose rule holds nothing any more needs no person to close it."""
    return closes_itself or (alert.acknowledged and alert.highest_nar < NAR.ROJO)


def _over(before: OpenAlert | None, change: RuleChange, held: NAR) -> AlertState:
    """The state of an alert whose rule holds nothing any more."""
    if before is None:
        return AlertState.CLOSED
    closed = held < NAR.NARANJA and ends_by_itself(before, closes_itself=change.closes_itself)
    return AlertState.CLOSED if closed else AlertState.CLEARED


def _graver(before: OpenAlert, nar: NAR, change: RuleChange) -> bool:
    """Whether the alert grows graver. A rise after an easing does too, also up to a colour that is still shown.

    What comes and goes does only where it is above all that it showed.
    """
    return nar > before.nar or (change.nar > before.rule_nar and not before.flapping)


def _asks(before: OpenAlert | None, state: AlertState, *, graver: bool) -> Because | None:
    if state is not AlertState.FIRING:
        return None
    if before is None:
        return Because.OPENED
    if before.state is AlertState.CLEARED:
        return Because.FIRED_AGAIN
    return Because.GRAVER if graver else None
