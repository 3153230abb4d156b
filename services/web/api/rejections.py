"""API routes of rejected messages. Their bytes may contain anything, so only operators see them."""

from base64 import b64encode
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from models.reading import Reason
from services.queries.city import rejections as queries
from services.queries.city.rejections import Rejection
from services.runtime.problem import NotFound
from services.web.access import PUBLIC, Operator, ReadBy
from services.web.api.paging import Page, Paged
from services.web.api.parameters import Number, Since
from services.web.context import DatabaseSnapshot
from services.web.routes import PreparedRoute

router = APIRouter(tags=["rejections"], route_class=PreparedRoute)

ReasonFilter = Annotated[Reason | None, Query(description="Why the message was rejected")]


class NoSuchRejection(NotFound):
    """No existe ese rechazo. / There is no such rejection."""


class RejectionWithBytes(BaseModel):
    """A rejection with its message's bytes."""

    rejection: Rejection
    payload: str = Field(description="The message's bytes, base64", examples=["eyJsZXZlbF9tIjogTmFOfQ=="])


@router.get("/rejections", dependencies=[PUBLIC])
def rejections(
    snapshot: DatabaseSnapshot, audience: ReadBy, paged: Paged, reason: ReasonFilter = None, since: Since = None
) -> Page[Rejection]:
    """Rejected messages without their bytes, the newest first."""
    rows = queries.list_rejections(
        snapshot,
        audience,
        reason=reason and reason.value,
        since=since,
        after=paged.cursor_number,
        limit=paged.fetch_limit,
    )
    return paged.page(rows, lambda one: one.id)


@router.get("/rejections/{rejection_id}")
def rejection(_operator: Operator, snapshot: DatabaseSnapshot, rejection_id: Number) -> RejectionWithBytes:
    """A rejected message with its bytes. To ingest it again once the cause is fixed: `vigia rejections`."""
    found = queries.one_rejection(snapshot, rejection_id)
    if found is None:
        raise NoSuchRejection
    return RejectionWithBytes(rejection=found.rejection, payload=b64encode(found.payload).decode())
