"""SQLAlchemy MetaData of the whole schema, with its naming convention, and column types shared by the tables."""

import typing

from sqlalchemy import Column, DateTime, MetaData, TextClause
from sqlalchemy.types import UserDefinedType

METADATA = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64-bit transaction identifier, which never wraps."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in SQL."""
        return "xid8"


def timestamp_column(
    name: str, *, nullable: bool = False, server_default: TextClause | None = None
) -> Column[typing.Any]:
    """A column of type timestamptz."""
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=server_default)
