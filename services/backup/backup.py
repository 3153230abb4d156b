"""Take a backup of one moment while the city sends, and record that it was taken."""

import os
import shutil
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import psycopg

from services.backup.contents import read_contents, table_names
from services.backup.folder import DUMP, copy_files, write_manifest
from services.backup.programs import BackupError, run_program

PARTIAL = ".partial"
"""Ends the name of the folder of a backup that is not whole yet."""


def back_up(url: str, folder: Path, files: list[Path], now: datetime) -> dict[str, dict[str, str]]:
    """Copy the database at `url` and `files` to the new `folder`, and return what it holds. Raises BackupError.

    Dump and counts read one snapshot. Until it is whole, the backup has the name of `folder` with `.partial`. Then the
    database records when it was taken; where it has no table for that yet, nothing is recorded.
    """
    folder = folder.absolute()
    partial = folder.with_name(folder.name + PARTIAL)
    if folder.exists():
        raise BackupError(f"{folder} exists already: name a new folder for each backup")
    mask = os.umask(0o077)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        contents, taken_at = _dump(url, partial)
        copy_files(files, partial)
        program = {"vigia": version("vigia"), "commit": os.environ.get("VIGIA_COMMIT")}
        facts = program | {"made_at": now.isoformat(), "contents": contents}
        write_manifest(partial, facts)
        partial.rename(folder)
    finally:
        os.umask(mask)
    _record(url, folder, taken_at)
    return contents


def _record(url: str, folder: Path, taken_at: datetime) -> None:
    """Write the row from which the age of the newest backup is told. Raises BackupError where the role may not."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        with psycopg.connect(url) as connection:
            if "last_backup" in table_names(connection):
                connection.execute(_RECORD, [taken_at, str(folder), size])
    except psycopg.errors.InsufficientPrivilege as error:
        raise BackupError(
            f"the backup in {folder} is whole, but its age cannot be watched: {error}; run `vigia backup` as the owner "
            "of the tables or as superuser"
        ) from error


_RECORD = (
    "INSERT INTO last_backup AS known (id, taken_at, folder, bytes) VALUES (1, %s, %s, %s) ON CONFLICT (id) DO UPDATE"
    " SET taken_at = excluded.taken_at, folder = excluded.folder, bytes = excluded.bytes"
    " WHERE known.taken_at < excluded.taken_at"
)


def _dump(url: str, folder: Path) -> tuple[dict[str, dict[str, str]], datetime]:
    """What the database holds, and the moment of the snapshot by its own clock."""
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        row = connection.execute("SELECT pg_export_snapshot(), now()").fetchone()
        assert row is not None
        snapshot, taken_at = row
        options = ["--format=custom", f"--snapshot={snapshot}", f"--file={folder / DUMP}"]
        run_program("pg_dump", options, url, connection.info.server_version // 10_000)
        return read_contents(connection), taken_at
