"""How is the schema created and upgraded? Alembic steps, readings tables, and TimescaleDB where available.

Imports only models.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from models.migrations.readings import ensure_readings, ensure_views
from models.migrations.timescale import ensure_timescale

LOCK = 0x7669676961  # "vigia": two processes starting at once migrate one after the other


def upgrade(connection: Connection) -> None:
    """Upgrade the schema to this version, in the caller's transaction. Safe to repeat and to run concurrently.

    First the numbered steps, then the readings tables of KINDS, then their roll-ups: continuous aggregates where
    TimescaleDB is or can be installed, else views.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    command.upgrade(_config(connection), "head")
    ensure_readings(connection)
    if not ensure_timescale(connection):
        ensure_views(connection)


def current(connection: Connection) -> str | None:
    """The revision of the database; None where it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config
