"""Bring a backup back into an empty database, and compare everything with what was written down."""

from pathlib import Path

import psycopg

from models.migrations import known_revisions
from services.backup.contents import Contents, differences, read_contents, read_versions, table_names
from services.backup.copying import copy_tree, put_back, refuse_full
from services.backup.folder import DUMP, FILES, read_manifest
from services.backup.programs import BackupError, run_program


def restore(
    url: str, folder: Path, *, own: bool = False, files_to: Path | None = None, files_into: Path | None = None
) -> tuple[Contents, list[str]]:
    """Restore into the database at `url`; return what it holds and how that differs from the backup, best nothing.

    `own`: everything belongs to the role that restores, without grants, and a backup of plain PostgreSQL may go
    to a server with TimescaleDB; `vigia migrate` then gives the privileges and makes the hypertables. `files_to`: a new
    folder for the copied files. `files_into`: a folder with empty folders of their names. Raises BackupError, with the
    database as it was, where it cannot be done.
    """
    manifest = read_manifest(folder)
    before: Contents = manifest["contents"]
    if files_to is not None and files_to.exists():
        raise BackupError(f"{files_to} exists already: name a new folder for the files")
    if files_into is not None:
        refuse_full(folder / FILES, files_into)
    with psycopg.connect(url, autocommit=True) as connection:
        _refuse(connection, before, own=own)
        _load(connection, url, folder, own=own, timescale=bool(before["versions"]["timescaledb"]))
        connection.execute("ANALYZE")
        after = read_contents(connection)
    if files_to is not None and (folder / FILES).exists():
        copy_tree(folder / FILES, files_to)
    if files_into is not None:
        put_back(folder / FILES, files_into)
    ignored = frozenset({"versions", "grants"} if own else {"versions"})
    return after, differences(before, after, ignored) + _version_differences(before, after, own=own)


def _refuse(connection: psycopg.Connection, before: Contents, *, own: bool) -> None:
    """Raise BackupError where the target is not empty, or of other versions or roles than the backup."""
    wanted, there = before["versions"], read_versions(connection)
    if table_names(connection):
        raise BackupError("the database has tables already: restore into a new, empty database")
    if wanted["schema"] not in known_revisions():
        raise BackupError(f"the schema {wanted['schema']} is newer than this version's: install the newer Vigía")
    if int(there["postgresql"]) < int(wanted["postgresql"]):
        raise BackupError(f"the backup is of PostgreSQL {wanted['postgresql']}: the server must not be older")
    if wanted["timescaledb"] != there["timescaledb"] and not (own and not wanted["timescaledb"]):
        raise BackupError(
            f"the backup is of TimescaleDB {wanted['timescaledb'] or '(none)'}, the database has "
            f"{there['timescaledb'] or 'none'}: as superuser, on a new connection, run CREATE EXTENSION timescaledb "
            f"VERSION '{wanted['timescaledb']}' in the empty database, update it after the restore; or, for a backup "
            "of plain PostgreSQL, use --own"
        )
    roles = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
    if not own and (missing := sorted(set(before["grants"].values()) - roles)):
        raise BackupError(f"roles are missing: {', '.join(missing)}: run deploy/postgres/roles.sql, or use --own")


def _load(connection: psycopg.Connection, url: str, folder: Path, *, own: bool, timescale: bool) -> None:
    options = ["--exit-on-error", "--single-transaction", *(["--no-owner", "--no-privileges"] if own else [])]
    if timescale:
        connection.execute("SELECT timescaledb_pre_restore()")
    try:
        run_program("pg_restore", [*options, str(folder / DUMP)], url, connection.info.server_version // 10_000)
    finally:
        if timescale:
            connection.execute("SELECT timescaledb_post_restore()")


def _version_differences(before: Contents, after: Contents, *, own: bool) -> list[str]:
    names = ("schema",) if own else ("schema", "timescaledb")
    old, new = before["versions"], after["versions"]
    return [f"versions: {name}: {old[name]} -> {new[name]}" for name in names if old[name] != new[name]]
