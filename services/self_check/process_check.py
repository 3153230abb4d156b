"""Check that every expected process writes heartbeats. Pure."""

from collections.abc import Collection, Iterator, Sequence

from alerts.system_faults import SystemFault
from models.alert import NAR, Cause
from services.queries.city.processes import DEAD_AFTER_S, PIPELINE, Process, dead_processes, expected_processes

PROCESS = "process"
_NAR = {"notifier": NAR.NARANJA, "api": NAR.NARANJA}
"""NARANJA where nobody is warned while the process is dead, as of the pipelines; AMARILLO for the others."""


def process_faults(processes: Sequence[Process], named: Collection[str]) -> Iterator[SystemFault]:
    """One state for each expected process. `named`: by the setting."""
    dead = dead_processes(processes, named)
    for name in sorted(expected_processes(processes, named)):
        nar = NAR.NARANJA if name.startswith(PIPELINE) else _NAR.get(name, NAR.AMARILLO)
        evidence: dict[str, object] = {"process": name, "silent_s": _silent_s(processes, name), "limit_s": DEAD_AFTER_S}
        if any(one.process == name and one.restarting for one in processes):
            evidence["restarting"] = True
        yield SystemFault(f"{PROCESS}/{name}", nar if name in dead else NAR.VERDE, Cause.PROCESS, evidence)


def _silent_s(processes: Sequence[Process], name: str) -> int | None:
    """How long ago its last heartbeat was, s; None where it never wrote any."""
    return next((round(abs(one.age_s)) for one in processes if one.process == name), None)
