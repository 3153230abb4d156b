"""Rejected messages: stored bytes of messages that are no reading, with the reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection, Select, func, literal, select

from models.tables.readings import rejected_messages
from services.runtime.audience import Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A rejected message without its bytes."""

    id: Annotated[int, Field(examples=[41])]
    received_at: datetime
    topic: Annotated[
        str, Field(description="For operators; empty for the public", examples=["vigia/v1/laplata/river/gato-143-524"])
    ]
    bytes: Annotated[int, Field(description="How long the payload is", examples=[53])]
    reason: Annotated[str, Field(examples=["field"])]
    detail: Annotated[
        str,
        Field(description="For operators; empty for the public", examples=["level_m: Input should be a finite number"]),
    ]
    reingested_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedMessage:
    """A rejected message with its bytes."""

    rejection: Rejection
    payload: bytes


def list_rejections(
    connection: Connection,
    audience: Audience,
    *,
    reason: str | None,
    since: datetime | None,
    after: int | None,
    limit: int,
) -> list[Rejection]:
    """Rejections, the newest first; `after`: those older than this number.

    Topic and detail repeat what the sender wrote, which may be anything: the public does not see them.
    """
    query = select(*_rejection_columns(audience))
    if reason is not None:
        query = query.where(rejected_messages.c.reason == reason)
    if since is not None:
        query = query.where(rejected_messages.c.received_at >= since)
    if after is not None:
        query = query.where(rejected_messages.c.id < after)
    rows = connection.execute(query.order_by(rejected_messages.c.id.desc()).limit(limit))
    return [Rejection(**row._mapping) for row in rows]


def one_rejection(connection: Connection, rejection_id: int) -> RejectedMessage | None:
    """The rejection of that number with its bytes; None where there is none."""
    query: Select[Any] = select(*_rejection_columns(Audience.OPERATORS), rejected_messages.c.payload)
    row = connection.execute(query.where(rejected_messages.c.id == rejection_id)).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    payload: bytes = values.pop("payload")
    return RejectedMessage(rejection=Rejection(**values), payload=payload)


def _rejection_columns(audience: Audience) -> list[Any]:
    written = {"topic", "detail"} if audience is Audience.PUBLIC else set()
    columns = (
        literal("").label(column.name) if column.name in written else column
        for column in rejected_messages.columns
        if column.name != "payload"
    )
    return [*columns, func.length(rejected_messages.c.payload).label("bytes")]
