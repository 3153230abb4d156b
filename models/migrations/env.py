"""Alembic environment: runs the migrations on the connection that it is given."""

from typing import Any

from alembic import context

from models.tables import METADATA


def _numbered(_object: Any, name: str | None, kind: str, *_: Any) -> bool:
    """Whether numbered steps manage the object; readings tables follow KINDS (`models.migrations.readings`)."""
    return not (kind == "table" and name is not None and name.endswith(("_readings", "_hourly_kept")))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    include_object=_numbered,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
