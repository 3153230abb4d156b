"""Check what upkeep saw of the broker: canaries that became no row or no screen event, dropped messages, a long queue.

Pure.
"""

from collections.abc import Iterator, Sequence

from alerts.system_faults import SystemFault, colour_above
from models.alert import NAR, Cause
from services.queries.city.processes import API, CANARY_AGE, Process
from services.self_check.broker_check import BROKER, SHOWN_S
from services.self_check.broker_watch import WAIT

CANARY = "canary"
LATE_S = 90.0
"""Three canaries sent, and none a row."""
LONG_QUEUE = {NAR.NARANJA: 300_000, NAR.AMARILLO: 30_000}
"""Stored messages. A whole city sends 30,000 in some five minutes; the broker drops beyond 1,000,000 for a client."""
EASED = 0.8
"""The share of its limit below which a queue must come before its colour eases."""


def canary_faults(processes: Sequence[Process], firing: dict[str, NAR]) -> Iterator[SystemFault]:
    """The states that upkeep's heartbeat tells of; none where it watches no broker. `firing`: open alerts' colours."""
    for one in processes:
        if not one.alive:
            continue
        yield from _screen_faults(one, processes)
        for key, waited_s in one.status.items():
            if key.startswith(WAIT) and isinstance(waited_s, int | float):
                lane = key.removeprefix(WAIT)
                evidence = {"process": f"pipeline-{lane}", "silent_s": round(waited_s), "limit_s": LATE_S}
                nar = NAR.ROJO if waited_s > LATE_S else NAR.VERDE
                yield SystemFault(f"{CANARY}/{lane}", nar, Cause.CANARY, evidence, closes_itself=True)
        dropped, stored = one.status.get("broker_dropped"), one.status.get("broker_stored_messages")
        if isinstance(dropped, int):
            age_s = one.status.get("broker_dropped_age_s")
            recent = isinstance(age_s, int | float) and age_s < SHOWN_S
            yield SystemFault(
                f"{BROKER}/dropped", NAR.ROJO if recent else NAR.VERDE, Cause.BROKER, {"messages_dropped": dropped}
            )
        if isinstance(stored, int):
            name = f"{BROKER}/queue"
            nar = colour_above(LONG_QUEUE, stored, firing.get(name, NAR.VERDE), eased=EASED)
            yield SystemFault(name, nar, Cause.BROKER, {"messages_stored": stored})


def _screen_faults(watcher: Process, processes: Sequence[Process]) -> Iterator[SystemFault]:
    """Whether canaries that are rows reach the live stream of the API, from which the screens hear of alerts."""
    waits_s = [value for key, value in watcher.status.items() if key.startswith(WAIT)]
    api = next((one for one in processes if one.process == API and one.alive), None)
    if not waits_s or api is None or min(_ran_s(watcher), _ran_s(api)) <= LATE_S:
        return
    age_s = api.status.get(CANARY_AGE, _ran_s(api))
    late_s = age_s - min(waits_s)  # what became no row cannot be shown, and has an alert of its own
    evidence = {"process": API, "silent_s": round(age_s), "limit_s": LATE_S}
    nar = NAR.ROJO if late_s > LATE_S else NAR.VERDE
    yield SystemFault(f"{CANARY}/screen", nar, Cause.CANARY, evidence, closes_itself=True)


def _ran_s(one: Process) -> float:
    return (one.at - one.started_at).total_seconds()
