"""The newest backup that `vigia backup` recorded."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import Connection, func, select

from models.tables.operations import last_backup


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """The newest backup. `taken_at`, `age_s`: by the database's clock. `folder`: as the command was told it."""

    taken_at: datetime
    age_s: Annotated[float, Field(examples=[18_240.5])]
    folder: Annotated[str, Field(examples=["/backups/20260305T031500Z"])]
    size_bytes: Annotated[int, Field(examples=[734_003_200])]


def newest_backup(connection: Connection) -> Backup | None:
    """The newest backup; None where none was ever made."""
    age_s = func.extract("epoch", func.clock_timestamp() - last_backup.c.taken_at)
    columns = (last_backup.c.taken_at, last_backup.c.folder, last_backup.c.bytes)
    row = connection.execute(select(*columns, age_s)).one_or_none()
    if row is None:
        return None
    taken_at, folder, size, age = row
    return Backup(taken_at=taken_at, age_s=max(float(age), 0.0), folder=folder, size_bytes=size)
