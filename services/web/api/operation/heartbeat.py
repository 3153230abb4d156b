"""Signed heartbeat for the watchdog on another machine: whether Vigía works, and the newest link of the record."""

import hashlib
import hmac
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, Field

from alerts.system_faults import firing_faults
from services.queries.city.processes import dead_processes, list_processes
from services.record.chain_writer import read_head
from services.runtime.problem import HttpProblem, NotFound
from services.web.access import PUBLIC
from services.web.api.operation.health import FlowState, flow_state
from services.web.context import Context, DatabaseSnapshot, Now, context_of
from services.web.http.admission import Slots
from services.web.routes import BoundedRoute


class HeartbeatRoute(BoundedRoute):
    """A route with the slot of health. Its answers are shared with nobody: each holds the number of its request."""

    def visitor_slots(self, context: Context) -> Slots:
        """The slot for health."""
        return context.admission.health


router = APIRouter(tags=["health"], dependencies=[PUBLIC], route_class=HeartbeatRoute)

Nonce = Annotated[str, Header(alias="Vigia-Nonce", pattern=r"^[0-9a-f]{32,64}$", description="A new random number")]
Proof = Annotated[
    str,
    Header(
        alias="Vigia-Proof",
        pattern=r"^[0-9a-f]{64}$",
        description="HMAC-SHA256 of `ask ` and the nonce, by VIGIA_WATCHDOG_SECRET",
    ),
]


class NoWatchdog(NotFound):
    """Falta VIGIA_WATCHDOG_SECRET: acá no hay vigilante. / VIGIA_WATCHDOG_SECRET is unset: no watchdog here."""


class NotTheWatchdog(HttpProblem):
    """La prueba no corresponde a VIGIA_WATCHDOG_SECRET. / The proof is not by VIGIA_WATCHDOG_SECRET."""

    status = 401


class Heartbeat(BaseModel):
    """What the watchdog needs to know. Signed in the header Vigia-Signature: HMAC-SHA256 of the body."""

    nonce: str = Field(description="As it was sent", examples=["00112233445566778899aabbccddeeff"])
    at: datetime
    state: FlowState
    dead: list[str] = Field(description="Expected processes that fell silent or never ran")
    faults: list[str] = Field(description="Checks of Vigía itself with an open alert", examples=[["canary/critical"]])
    record: str = Field(description="The newest link of the record, NUMBER:HASH", examples=["48113:9f86d0…"])


def require_watchdog(request: Request, nonce: Nonce, proof: Proof) -> str:
    """The secret, where the request proves that it knows it. Raises NoWatchdog, NotTheWatchdog."""
    secret = context_of(request).settings.watchdog_secret
    if secret is None:
        raise NoWatchdog
    if not hmac.compare_digest(_sign(secret.get_secret_value(), f"ask {nonce}".encode()), proof):
        raise NotTheWatchdog
    return secret.get_secret_value()


@router.get("/heartbeat", response_model=Heartbeat)
def heartbeat(
    secret: Annotated[str, Depends(require_watchdog)],
    nonce: Nonce,
    request: Request,
    snapshot: DatabaseSnapshot,
    now: Now,
) -> Response:
    """Whether Vigía works, for `vigia watchdog`, with a signature that only this request can have got."""
    processes, faults = list_processes(snapshot), sorted(firing_faults(snapshot))
    context = context_of(request)
    answer = Heartbeat(
        nonce=nonce,
        at=now,
        state=flow_state(context, processes, faults),
        dead=list(dead_processes(processes, context.settings.expected)),
        faults=faults,
        record=str(read_head(snapshot)),
    )
    body = answer.model_dump_json().encode()
    return Response(body, media_type="application/json", headers={"Vigia-Signature": _sign(secret, body)})


def _sign(secret: str, content: bytes) -> str:
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
