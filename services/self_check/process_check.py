"""Check that every expected process writes heartbeats. Pure."""

from collections.abc import Collection, Iterator, Sequence

from alerts.system_faults import SystemFault
from models.alert import NAR, Cause
from services.queries.city.processes import BROKER, DEAD_AFTER_S, PIPELINE, Process, dead_processes, expected_processes

PROCESS = "process"
_NAR = {"notifier": NAR.NARANJA, "api": NAR.NARANJA}
"""NARANJA where nobody is warned while the process is dead, as of the pipelines; AMARILLO for the others."""


def process_faults(processes: Sequence[Process], named: Collection[str]) -> Iterator[SystemFault]:
    """One state for each expected process and one for the broker. `named`: by the setting.

    A pipeline that lives is not told where the broker is dead: it waits for it.
    """
    dead = dead_processes(processes, named)
    alive = {one.process for one in processes if one.alive}
    for name in sorted(expected_processes(processes, named)):
        nar = NAR.NARANJA if name.startswith(PIPELINE) else _NAR.get(name, NAR.AMARILLO)
        evidence: dict[str, object] = {"process": name, "silent_s": _silent_s(processes, name), "limit_s": DEAD_AFTER_S}
        if any(one.process == name and one.restarting for one in processes):
            evidence["restarting"] = True
        waits = BROKER in dead and name in alive
        yield SystemFault(
            f"{PROCESS}/{name}", nar if name in dead and not waits else NAR.VERDE, Cause.PROCESS, evidence
        )
    yield SystemFault(
        f"{PROCESS}/{BROKER}", NAR.NARANJA if BROKER in dead else NAR.VERDE, Cause.PROCESS, {"process": BROKER}
    )


def _silent_s(processes: Sequence[Process], name: str) -> int | None:
    """How long ago its last heartbeat was, s; None where it never wrote any."""
    return next((round(abs(one.age_s)) for one in processes if one.process == name), None)
