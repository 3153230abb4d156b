"""Take a backup of one moment while the city sends."""

import os
import shutil
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import psycopg

from services.backup.contents import read_contents
from services.backup.folder import DUMP, copy_files, write_manifest
from services.backup.programs import BackupError, run_program


def back_up(url: str, folder: Path, files: list[Path], now: datetime) -> dict[str, dict[str, str]]:
    """Copy the database at `url` and `files` to the new `folder`, and return what it holds. Raises BackupError.

    Dump and counts read one snapshot. Until it is whole, the backup has the name of `folder` with `.partial`.
    """
    folder = folder.absolute()
    partial = folder.with_name(folder.name + ".partial")
    if folder.exists():
        raise BackupError(f"{folder} exists already: name a new folder for each backup")
    mask = os.umask(0o077)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        contents = _dump(url, partial)
        copy_files(files, partial)
        facts = {"vigia": version("vigia"), "made_at": now.isoformat(), "contents": contents}
        write_manifest(partial, facts)
        partial.rename(folder)
    finally:
        os.umask(mask)
    return contents


def _dump(url: str, folder: Path) -> dict[str, dict[str, str]]:
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        (snapshot,) = connection.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
        options = ["--format=custom", f"--snapshot={snapshot}", f"--file={folder / DUMP}"]
        run_program("pg_dump", options, url, connection.info.server_version // 10_000)
        return read_contents(connection)
