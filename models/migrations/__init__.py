"""How is the schema created and upgraded? Alembic steps, readings tables, and TimescaleDB where available.

Imports only models.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from models.migrations.device_codes import ensure_unique_codes
from models.migrations.privileges import ensure_privileges
from models.migrations.readings import ensure_readings, ensure_views
from models.migrations.refused import NewerSchema
from models.migrations.retention_refusal import ensure_retention_refusal
from models.migrations.timescale import ensure_timescale

LOCK = 0x7669676961  # "vigia": two processes starting at once migrate one after the other


def upgrade(connection: Connection, *, clock_checked: bool = False) -> None:
    """Upgrade the schema to this version, in the caller's transaction. Safe to repeat and to run concurrently.

    First the numbered steps, then the readings tables of KINDS and the function that retention asks, then their
    roll-ups: continuous aggregates where TimescaleDB is or can be installed, else views. Last the privileges of the
    database roles, where there are roles. Raises MigrationRefused: see `refused`. `clock_checked`: a
    person has looked at the clock, so that moving to TimescaleDB may delete what is past its retention.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    _refuse_newer(connection)
    command.upgrade(_config(connection), "head")
    ensure_readings(connection)
    ensure_retention_refusal(connection)
    if not ensure_timescale(connection, clock_checked=clock_checked):
        ensure_views(connection)
    ensure_unique_codes(connection)
    ensure_privileges(connection)


def current(connection: Connection) -> str | None:
    """The revision of the database; None where it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def known_revisions() -> frozenset[str]:
    """The revisions of a schema that this version can read and migrate."""
    return frozenset(step.revision for step in _steps().walk_revisions())


def _steps() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))


def _refuse_newer(connection: Connection) -> None:
    revision = current(connection)
    if revision is not None and revision not in known_revisions():
        head = _steps().get_current_head()
        raise NewerSchema(
            f"la base de datos tiene un esquema más nuevo ({revision}) que el de esta versión ({head}): instale "
            f"la nueva, o restaure una copia anterior / the database's schema ({revision}) is newer than this "
            f"version's ({head}): install the newer Vigía, or restore a backup from before the upgrade"
        )


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config
