"""Attention levels (NAR), transitions between them with their change and cause, and channels of notices to people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum


class NAR(IntEnum):
    """Nivel de Atención del Riesgo, the scale of La Plata. Data status (stale, latched) is kept apart from it."""

    VERDE = 0
    AMARILLO = 1
    NARANJA = 2
    ROJO = 3


class Change(StrEnum):
    """The kind of change that a transition makes."""

    RAISED = "raised"
    ESCALATED = "escalated"
    CONFIRMED = "confirmed"
    OBSERVED = "observed"
    """The level reached the threshold of a colour that was raised before, by what was expected of it."""
    EASED = "eased"
    CLEARED = "cleared"


class Cause(StrEnum):
    """The evidence that caused a transition."""

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
    """The danger is over: below the clear level for the hold time."""
    RESUMED = "resumed"
    """Readings are received again."""
    WORST = "worst"
    """The highest colour of the stations in the area (basin, municipality)."""
    EVALUATOR = "evaluator"
    """A rule failed on this subject: its readings are stored but not judged."""
    RATE = "rate"
    """A device stays above its sending rate: its messages are processed after those of others."""
    REJECTIONS = "rejections"
    """More messages are rejected than are kept: the others are counted."""
    PROCESS = "process"
    """A part of Vigía does not run."""
    CLOCK = "clock"
    """The clock of Vigía jumped, or disagrees with the devices of the whole city or with the database."""
    BROKER = "broker"
    """The broker dropped messages, lost a session, or has a long queue, or two clients fight for one id."""
    DISK = "disk"
    """The disk of the broker or the database is nearly full."""
    CANARY = "canary"
    """A reading that Vigía sends to itself did not become a row."""
    CERTIFICATE = "certificate"
    """A certificate, or the list of revoked ones, ends soon: devices would be shut out."""
    BACKUP = "backup"
    """The newest backup is too old, or none was ever made."""
    RETENTION = "retention"
    """Expired rows are not deleted, because the clock cannot be trusted."""
    DUTY = "duty"
    """Nobody is on duty soon, or somebody of the rota cannot be reached."""
    RESTORED = "restored"
    """A part of Vigía works again."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of the state of one rule, with everything needed to explain it later.

    `confirmed`: False while a single value causes it, without a second sample, another station or rain. Such a
    transition reaches the operator at once and must never be published by itself. `evidence`: values, thresholds and
    limits in force.
    """

    before: NAR
    after: NAR
    change: Change
    cause: Cause
    observed_at: datetime
    decided_at: datetime
    confirmed: bool = True
    evidence: Mapping[str, object] = field(default_factory=dict)


# Channels by which people are told.
CONSOLE = "console"
"""A notice on the pages of the signed-in person."""
APPRISE = "apprise"
"""A service that Apprise knows: e-mail, Telegram, Matrix and others."""
WEBHOOK = "webhook"
WEB_PUSH = "webpush"
SMS = "sms"
CHANNELS = (CONSOLE, APPRISE, WEBHOOK, WEB_PUSH, SMS)
MAX_ADDRESS_CHARS = 2_000
