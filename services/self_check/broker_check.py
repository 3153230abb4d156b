"""Check what the pipelines notice of the broker: lost sessions, and connections that end again and again. Pure."""

from collections.abc import Iterator, Sequence

from alerts.system_faults import SystemFault
from models.alert import NAR, Cause
from services.queries.city.processes import PIPELINE, Process

BROKER = "broker"
SHOWN_S = 600.0
"""How long a lost session is told."""
AGAIN_AND_AGAIN = 5
"""Connections lost within five minutes. Fewer: a broker that was restarted, or a bad line."""


def broker_faults(processes: Sequence[Process]) -> Iterator[SystemFault]:
    """Two states for each pipeline that ever ran."""
    for one in processes:
        if one.process.startswith(PIPELINE):
            yield _session(one)
            yield _connection(one)


def _session(pipeline: Process) -> SystemFault:
    """ROJO for a while after each loss: acknowledged readings are gone, perhaps those of a crossing."""
    age_s, lost = pipeline.status.get("session_lost_age_s"), pipeline.status.get("sessions_lost")
    recent = isinstance(age_s, int | float) and age_s + max(pipeline.age_s, 0.0) < SHOWN_S
    evidence = {"process": pipeline.process, "sessions_lost": lost}
    return SystemFault(
        f"{BROKER}/session/{pipeline.process}", NAR.ROJO if recent else NAR.VERDE, Cause.BROKER, evidence
    )


def _connection(pipeline: Process) -> SystemFault:
    """NARANJA where a pipeline is disconnected again and again: two clients with one client id, or a dying broker."""
    lost = pipeline.status.get("connections_lost_recent")
    again = pipeline.alive and isinstance(lost, int) and lost >= AGAIN_AND_AGAIN
    evidence = {"process": pipeline.process, "connections_lost": lost}
    return SystemFault(
        f"{BROKER}/connection/{pipeline.process}", NAR.NARANJA if again else NAR.VERDE, Cause.BROKER, evidence
    )
