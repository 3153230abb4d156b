"""Rejected messages: stored bytes of messages that are no reading, with the reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection, Select, func, select

from models.tables.readings import rejected_messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A rejected message without its bytes."""

    id: Annotated[int, Field(examples=[41])]
    received_at: datetime
    topic: Annotated[str, Field(examples=["vigia/v1/laplata/river/gato-520-a"])]
    bytes: Annotated[int, Field(description="How long the payload is", examples=[53])]
    reason: Annotated[str, Field(examples=["field"])]
    detail: Annotated[str, Field(examples=["level_m: Input should be a finite number"])]
    reingested_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedMessage:
    """A rejected message with its bytes."""

    rejection: Rejection
    payload: bytes


def list_rejections(
    connection: Connection, *, reason: str | None, since: datetime | None, after: int | None, limit: int
) -> list[Rejection]:
    """Rejections, the newest first; `after`: those older than this number."""
    query = select(*_rejection_columns())
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
    query: Select[Any] = select(*_rejection_columns(), rejected_messages.c.payload)
    row = connection.execute(query.where(rejected_messages.c.id == rejection_id)).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    payload: bytes = values.pop("payload")
    return RejectedMessage(rejection=Rejection(**values), payload=payload)


def _rejection_columns() -> list[Any]:
    columns = (column for column in rejected_messages.columns if column.name != "payload")
    return [*columns, func.length(rejected_messages.c.payload).label("bytes")]
