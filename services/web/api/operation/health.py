"""Health routes: liveness, readiness and flow of data, for supervisors, load balancers and people."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from alerts.system_faults import firing_faults
from models.migrations import current
from services.queries.city import health as queries
from services.queries.city.backups import Backup, newest_backup
from services.queries.city.health import KindFlow
from services.queries.city.processes import Process, dead_processes, list_processes, lost_kinds
from services.runtime.audience import Audience
from services.runtime.problem import HttpProblem
from services.transit.serving.snapshot_cache import STALE_AFTER_S
from services.web.access import PUBLIC, audience_of, current_actor, may_see_inside
from services.web.context import Context, DatabaseSnapshot, Now, context_of
from services.web.http.admission import Slots
from services.web.routes import PreparedRoute


class HealthRoute(PreparedRoute):
    """A route of supervisors and scrapers, which have a slot of their own. Those who see details share no answer."""

    def visitor_slots(self, context: Context) -> Slots:
        """The slot for health."""
        return context.admission.health

    def variant(self, request: Request) -> str:
        """Whether the details are shown."""
        return "details" if may_see_inside(request) else ""


router = APIRouter(tags=["health"], dependencies=[PUBLIC], route_class=HealthRoute)
process_router = APIRouter(tags=["health"], dependencies=[PUBLIC])
"""What needs no database waits for no slot."""


class NotReady(HttpProblem):
    """La base de datos no está migrada. / The database was not migrated."""

    status = 503
    retry_after_s = 5


class FlowState(StrEnum):
    """State of the system. down: an expected pipeline is dead; degraded: one has no broker, or another part fails."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class Alive(BaseModel):
    """The process answers."""

    alive: bool = True


class Ready(BaseModel):
    """The process can serve: the database answers and has this version's schema."""

    schema_version: str = Field(examples=["0001"])


class SimulatedCity(BaseModel):
    """What is not real in this city."""

    clock_factor: float | None = Field(
        description="Speed of the simulated clock; null where the clock is real", examples=[60.0]
    )
    devices: bool = Field(description="Whether the devices are simulated")
    text: str = Field(examples=["SIMULACIÓN, 60 veces más rápida / SIMULATION, 60 times as fast"])


class PublicHealth(BaseModel):
    """What everybody may know: the state of the whole, and whether the city is real."""

    state: FlowState
    at: datetime
    simulation: SimulatedCity | None = Field(description="What is not real in this city; null in a real one")


class SystemHealth(PublicHealth):
    """All processes, and the age of the newest reading of each kind. Ages by the service's clock."""

    live: Annotated[bool, Field(description="Whether live events flow")]
    buses: Annotated[bool, Field(description="Whether this process's copy of the state of buses is fresh")]
    dead: list[str] = Field(description="Expected processes that fell silent or never ran", examples=[["notifier"]])
    faults: list[str] = Field(
        description="Checks of Vigía itself with an open alert", examples=[["disk/broker", "process/notifier"]]
    )
    backup: Backup | None = Field(description="The newest backup; null where none was ever made")
    processes: list[Process]
    kinds: list[KindFlow]


@process_router.get("/health/live", operation_id="health_live")
async def live() -> Alive:
    """Whether this process answers; does not check the database."""
    return Alive()


@router.get("/health/ready", operation_id="health_ready")
def ready(snapshot: DatabaseSnapshot) -> Ready:
    """Whether this process can serve; 503 where the database does not answer or was not migrated."""
    revision = current(snapshot)
    if revision is None:
        raise NotReady
    return Ready(schema_version=revision)


@router.get("/health")
def health(request: Request, snapshot: DatabaseSnapshot, now: Now) -> SystemHealth | PublicHealth:
    """The state of the system; for operators also each process's last heartbeat and each kind's newest reading.

    The same without a token where VIGIA_METRICS_FROM allows it, by default from this machine.
    """
    context = context_of(request)
    processes = list_processes(snapshot)
    dead = dead_processes(processes, context.settings.expected)
    buses_fresh = context.snapshot_cache.age_s <= STALE_AFTER_S
    faults = sorted(firing_faults(snapshot))
    state = flow_state(context, processes, faults)
    if not may_see_inside(request) and audience_of(current_actor(request, snapshot)) is Audience.PUBLIC:
        return PublicHealth(state=state, at=now, simulation=_simulated_city(context))
    return SystemHealth(
        state=state,
        at=now,
        simulation=_simulated_city(context),
        live=context.event_feed.connected,
        buses=buses_fresh,
        dead=list(dead),
        faults=faults,
        backup=newest_backup(snapshot),
        processes=processes,
        kinds=queries.kind_flows(snapshot, now),
    )


def flow_state(context: Context, processes: Sequence[Process], faults: Collection[str]) -> FlowState:
    """The state of the whole. `faults`: checks of Vigía itself with an open alert."""
    expected = context.settings.expected
    if lost_kinds(processes, expected):
        return FlowState.DOWN
    brokers_connected = all(one.status.get("connected", True) for one in processes)
    buses_fresh = context.snapshot_cache.age_s <= STALE_AFTER_S
    healthy = brokers_connected and context.event_feed.connected and buses_fresh
    troubled = dead_processes(processes, expected) or faults
    return FlowState.OK if healthy and not troubled else FlowState.DEGRADED


def _simulated_city(context: Context) -> SimulatedCity | None:
    if (simulation := context.simulation) is None:
        return None
    return SimulatedCity(clock_factor=simulation.clock_factor, devices=simulation.devices, text=simulation.text)
