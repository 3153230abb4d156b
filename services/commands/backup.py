"""`vigia backup FOLDER`: copy the database and named files of one moment, with what a restore is checked against."""

import argparse
import sys
from pathlib import Path

import psycopg

from services.backup.backup import PARTIAL, back_up
from services.backup.programs import BackupError
from services.opening import database_url
from services.runtime.clock import wall_clock
from services.runtime.settings import Settings

NAME = "backup"
HELP = "Copy the database and named files to a new folder, while the city sends."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and which files besides the database."""
    parser.add_argument("folder", type=Path, help="new folder of this backup; only its owner can read it")
    parser.add_argument("--dated", action="store_true", help="within that folder, in a new one named by the time, UTC")
    parser.add_argument(
        "--file", type=Path, action="append", default=[], help="a file or folder to copy too (secrets, TLS); repeatable"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what was copied. Exit status 1: no backup was made, or it could not be recorded that one was."""
    now = wall_clock()
    folder = arguments.folder / f"{now:%Y%m%dT%H%M%SZ}" if arguments.dated else arguments.folder
    try:
        with database_url(Settings()) as url:
            contents = back_up(url, folder, arguments.file, now)
    except (BackupError, OSError, psycopg.Error) as problem:
        print(f"vigia: {problem}", file=sys.stderr)
        return 1
    for name, rows in contents["rows"].items():
        print(f"{name}: {rows}")
    print(f"whole: {folder}")
    for left in sorted(one for one in folder.absolute().parent.glob(f"*{PARTIAL}") if one.is_dir()):
        print(f"{left}: unfinished; if no other backup runs now, one was interrupted: remove it", file=sys.stderr)
    return 0
