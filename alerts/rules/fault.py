"""Sensor fault: raised by several untrusted readings in a row, cleared by enough trusted ones."""

from msgspec import Struct

from alerts.rules.colour_change import colour_change
from alerts.rules.steady_run import SteadyRun
from models.alert import NAR, Cause, Transition
from models.kinds import KINDS_BY_NAME
from models.reading import NO_TEST_OF_SENSOR, UNTRUSTED, Flag, Reading
from models.rule import Fault

_VERDE = NAR.VERDE
_SUSPICIOUS = int(UNTRUSTED | Flag.FUTURE | Flag.CLOCK_SKEW)


class FaultState(Struct, frozen=True, gc=False):
    """`bad`, `good`: number of consecutive untrusted or trusted readings, up to the rule's limits."""

    nar: NAR = NAR.VERDE
    bad: int = 0
    good: int = 0


def judge(rule: Fault, state: FaultState, reading: Reading) -> tuple[FaultState, Transition | None]:
    """Count one reading. A fast rise or a constant value does not count against a sensor, and neither does time."""
    flags = int(reading.flags)
    if flags & NO_TEST_OF_SENSOR:
        return state, None
    if flags & _SUSPICIOUS:
        bad = min(state.bad + 1, rule.in_a_row)
        after = FaultState(NAR.AMARILLO if state.nar or bad >= rule.in_a_row else NAR.VERDE, bad, 0)
    else:
        if state.good >= rule.clear_after and not state.nar:
            return state, None
        good = min(state.good + 1, rule.clear_after)
        after = FaultState(NAR.VERDE if good >= rule.clear_after else state.nar, 0, good)
    if after.nar == state.nar:
        return after, None
    cause = Cause.FAULT if after.nar else Cause.RESUMED
    evidence = _evidence(rule, reading)
    return after, colour_change(state.nar, after.nar, cause, reading.observed_at, reading.received_at, evidence)


def skip_steady_run(rule: Fault, state: FaultState, run: SteadyRun) -> FaultState | None:
    """The state after a steady run, the same as by `judge` one by one; None while a fault is raised."""
    if state.nar or state.good >= rule.clear_after:
        return None if state.nar else state
    return FaultState(_VERDE, 0, min(state.good + len(run.values), rule.clear_after))


def _evidence(rule: Fault, reading: Reading) -> dict[str, object]:
    kind = KINDS_BY_NAME[reading.kind]
    return {
        "value": reading.values[kind.measure_index],
        "unit": kind.unit,
        "flags": [flag.name for flag in Flag if flag and flag in reading.flags],
        "in_a_row": rule.in_a_row,
        "clear_after": rule.clear_after,
    }
