"""Check what upkeep saw of the broker: canaries that became no row, dropped messages, and a long queue. Pure."""

from collections.abc import Iterator, Sequence

from alerts.system_faults import SystemFault, colour_above
from models.alert import NAR, Cause
from services.queries.city.processes import Process
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
