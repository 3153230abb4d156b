"""Attention levels, what changed them, and the alerts and notices that follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum


class NAR(IntEnum):
    """Nivel de Atención del Riesgo, La Plata's own scale. Data status (stale, latched) stands beside it."""

    VERDE = 0
    AMARILLO = 1
    NARANJA = 2
    ROJO = 3


class Change(StrEnum):
    """What a transition did to its subject."""

    RAISED = "raised"
    ESCALATED = "escalated"
    CONFIRMED = "confirmed"
    EASED = "eased"
    CLEARED = "cleared"


class Cause(StrEnum):
    """Which evidence moved the state."""

    LEVEL = "level"
    RISE = "rise"
    FORECAST = "forecast"
    RAIN = "rain"
    UPSTREAM = "upstream"
    SILENCE = "silence"
    FAULT = "fault"
    SPEED = "speed"
    TREND = "trend"
    RECESSION = "recession"
    """The danger is over: below the clear level for the hold."""
    RESUMED = "resumed"
    """Readings came back."""
    WORST = "worst"
    """The highest of the stations below (basins, city)."""
    EVALUATOR = "evaluator"
    """A rule failed on this subject: its readings are kept, its judgement is missing."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of one rule's state, with everything needed to explain it later.

    `confirmed` is False while it rests on a value a second sample, station or rain has not backed: it reaches the
    operator at once and must never be published by itself. `evidence` holds values, thresholds and limits in force.
    """

    before: NAR
    after: NAR
    change: Change
    cause: Cause
    observed_at: datetime
    decided_at: datetime
    confirmed: bool = True
    evidence: Mapping[str, object] = field(default_factory=dict)
