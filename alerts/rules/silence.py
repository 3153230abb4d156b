"""Silent sensor: raised by the clock, raised higher while its stream is high, cleared by the next reading."""

from datetime import UTC, datetime

from msgspec import Struct, structs

from alerts.rules.clock_doubt import may_only_raise
from alerts.rules.colour_change import colour_change
from alerts.rules.steady_run import SteadyRun
from models.alert import NAR, Cause, Transition
from models.reading import NOT_HEARD_NOW, Reading
from models.rule import NO_CONTEXT, RuleContext, Silence

_VERDE = NAR.VERDE
MISSED_PERIODS = 3


class SilenceState(Struct, frozen=True, gc=False):
    """`heard_s`: when the last reading was received, seconds since 1970-01-01 UTC; 0 before the first tick."""

    nar: NAR = NAR.VERDE
    heard_s: float = 0.0


def judge(rule: Silence, state: SilenceState, reading: Reading) -> tuple[SilenceState, Transition | None]:
    """Any current reading ends the silence, whatever its value. One in doubt only shows that the sensor sends."""
    if int(reading.flags) & NOT_HEARD_NOW:
        if state.nar or not may_only_raise(int(reading.flags)):
            return state, None
        return SilenceState(_VERDE, max(state.heard_s, reading.received_at.timestamp())), None
    heard_s = max(state.heard_s, reading.received_at.timestamp())
    after = SilenceState(_VERDE, heard_s)
    if not state.nar:
        return after, None
    evidence = {"silent_s": round(heard_s - state.heard_s), "limit_s": limit_s(rule)}
    return after, colour_change(state.nar, NAR.VERDE, Cause.RESUMED, reading.observed_at, reading.received_at, evidence)


def skip_steady_run(_: Silence, state: SilenceState, run: SteadyRun) -> SilenceState | None:
    """The state after a steady run, the same as by `judge` one by one; None while silence is raised."""
    return None if state.nar else SilenceState(_VERDE, max(state.heard_s, run.heard_s))


def tick(
    rule: Silence, state: SilenceState, now: datetime, context: RuleContext = NO_CONTEXT
) -> tuple[SilenceState, Transition | None]:
    """Raise when the sensor has been silent for too long, and raise higher while the level at its station is high.

    A tick never eases. For a sensor without any reading, the silence counts from the first tick. It counts only while
    the clock can be trusted; a sensor heard at a time that has not come was heard by a wrong clock, and counts as heard
    now.
    """
    now_s = now.timestamp()
    if not state.heard_s or state.heard_s > now_s:
        return structs.replace(state, heard_s=now_s), None
    silent_s = now_s - max(state.heard_s, context.clock_trusted_since_s)
    if silent_s <= limit_s(rule):
        return state, None
    nar = max(state.nar, NAR.ROJO if context.stage_nar else NAR.AMARILLO)
    if nar == state.nar:
        return state, None
    evidence = {
        "silent_s": round(silent_s),
        "limit_s": limit_s(rule),
        "heard_at": datetime.fromtimestamp(state.heard_s, UTC).isoformat(),
        "stage": int(context.stage_nar),
    }
    return structs.replace(state, nar=nar), colour_change(state.nar, nar, Cause.SILENCE, now, now, evidence)


def limit_s(rule: Silence) -> int:
    """The longest pause that is not a silence, s."""
    return max(MISSED_PERIODS * rule.period_s, rule.least_s)
