"""Check Vigía's clock: its steps, the devices of the city, the database, and whether retention refuses it. Pure."""

from collections.abc import Mapping, Sequence

from alerts.system_faults import SystemFault
from models.alert import NAR, Cause
from services.queries.city.processes import Process

CLOCK = "clock"
TOLD_AFTER_STEP_S = 900.0
"""How long a step of the clock is told: as long as silence may be judged late because of it."""
WRONG_FOR_S = 60.0
"""A skew is told once it has lasted so long: readings that had been queued may look like one for a moment."""
MAX_OFF_DATABASE_S = 60.0
"""Longer than a statement that writes a heartbeat may wait, which makes the process seem behind."""

Status = Mapping[str, object]


def clock_fault(
    processes: Sequence[Process], ahead_of_database_s: Mapping[str, float], retention_refusal: str | None
) -> SystemFault:
    """The state of the clock, one for all processes.

    NARANJA where the devices or the database contradict it: readings then ease nothing, or silence is not judged.
    AMARILLO after a step, and where retention refuses. ahead_of_database_s: how far the clock of each process is
    ahead of the database's.
    """
    evidence = {**_skew(processes), **_off_database(ahead_of_database_s)}
    nar = NAR.NARANJA if evidence else NAR.AMARILLO
    evidence |= _step(processes)
    cause = Cause.CLOCK if evidence else Cause.RETENTION
    if retention_refusal is not None:
        evidence["retention"] = retention_refusal
    return SystemFault(CLOCK, nar, cause, evidence) if evidence else SystemFault(CLOCK, NAR.VERDE, Cause.CLOCK)


def _skew(processes: Sequence[Process]) -> dict[str, object]:
    """The largest skew that a living pipeline has seen for long enough."""
    wrong = [status for status in _statuses(processes) if _seconds(status, "clock_wrong_for_s", 0.0) >= WRONG_FOR_S]
    worst = max(wrong, key=lambda status: abs(_seconds(status, "clock_skew_s", 0.0)), default=None)
    if worst is None:
        return {}
    skew_s = _seconds(worst, "clock_skew_s", 0.0)
    ahead = "clock_ahead_s" if skew_s > 0.0 else "clock_behind_s"
    return {ahead: abs(skew_s), "clock_skew_devices": worst.get("clock_skew_devices")}


def _step(processes: Sequence[Process]) -> dict[str, object]:
    """The last step, where it is not long ago."""
    statuses = [status for status in _statuses(processes) if "clock_step_age_s" in status]
    last = min(statuses, key=_step_age_s, default=None)
    if last is None or _step_age_s(last) > TOLD_AFTER_STEP_S:
        return {}
    step_s = _seconds(last, "clock_step_s", 0.0)
    return {"clock_went_forward_s" if step_s > 0.0 else "clock_went_back_s": abs(step_s)}


def _off_database(ahead_s: Mapping[str, float]) -> dict[str, object]:
    """The process whose clock is furthest from the database's, where that is too far."""
    name = max(ahead_s, key=lambda name: abs(ahead_s[name]), default=None)
    if name is None or abs(ahead_s[name]) <= MAX_OFF_DATABASE_S:
        return {}
    where = "ahead_of_database_s" if ahead_s[name] > 0.0 else "behind_database_s"
    return {"process": name, where: abs(ahead_s[name])}


def _statuses(processes: Sequence[Process]) -> list[Status]:
    return [one.status for one in processes if one.alive]


def _step_age_s(status: Status) -> float:
    return _seconds(status, "clock_step_age_s", TOLD_AFTER_STEP_S)


def _seconds(status: Status, name: str, default: float) -> float:
    value = status.get(name)
    return float(value) if isinstance(value, int | float) else default
