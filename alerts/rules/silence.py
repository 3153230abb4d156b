"""A sensor that says nothing: raised by the clock, graver above high water, over with the first news."""

from datetime import UTC, datetime

from msgspec import Struct, structs

from alerts.rules.colour_change import colour_change
from alerts.rules.steady_run import SteadyRun
from models.alert import NAR, Cause, Transition
from models.reading import Flag, Reading
from models.rule import NO_CONTEXT, RuleContext, Silence

_NO_NEWS = int(Flag.LATE | Flag.FUTURE | Flag.BACKFILL | Flag.RETAINED)
_VERDE = NAR.VERDE
PERIODS = 3


class SilenceState(Struct, frozen=True, gc=False):
    """When the sensor was last heard, seconds since 1970-01-01 UTC by our clock; 0 before anybody waited."""

    nar: NAR = NAR.VERDE
    heard_s: float = 0.0


def judge(rule: Silence, state: SilenceState, reading: Reading) -> tuple[SilenceState, Transition | None]:
    """Any reading that is news ends the silence, whatever its value: the sensor lives."""
    if int(reading.flags) & _NO_NEWS:
        return state, None
    heard_s = max(state.heard_s, reading.received_at.timestamp())
    after = SilenceState(_VERDE, heard_s)
    if not state.nar:
        return after, None
    evidence = {"silent_s": round(heard_s - state.heard_s), "limit_s": limit_s(rule)}
    return after, colour_change(state.nar, NAR.VERDE, Cause.RESUMED, reading.observed_at, reading.received_at, evidence)


def skip_steady_run(_: Silence, state: SilenceState, run: SteadyRun) -> SilenceState | None:
    """The state after readings that found no silence: as by `judge` one by one."""
    return None if state.nar else SilenceState(_VERDE, max(state.heard_s, run.heard_s))


def tick(
    rule: Silence, state: SilenceState, now: datetime, context: RuleContext = NO_CONTEXT
) -> tuple[SilenceState, Transition | None]:
    """Time passes: too long without a word raises, and rising water beside a silent sensor raises further.

    Nothing here eases. A sensor never heard is waited for from the first tick on.
    """
    if not state.heard_s:
        return structs.replace(state, heard_s=now.timestamp()), None
    silent_s = now.timestamp() - state.heard_s
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
    """The longest pause that is still nothing unusual."""
    return max(PERIODS * rule.period_s, rule.least_s)
