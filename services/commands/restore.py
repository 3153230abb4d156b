"""`vigia restore FOLDER`: bring a backup into an empty database and compare every row with what was copied."""

import argparse
import sys
from pathlib import Path

import psycopg

from services.backup.programs import BackupError
from services.backup.restore import restore
from services.opening import database_url
from services.runtime.settings import Settings

NAME = "restore"
HELP = "Bring a backup into an empty database, and say whether anything differs."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where from, and whether into another owner's database."""
    parser.add_argument("folder", type=Path, help="folder that `vigia backup` made")
    parser.add_argument(
        "--own",
        action="store_true",
        help="tables for the user who restores, not for the owner in the backup; run `vigia migrate` afterwards",
    )
    parser.add_argument("--files-to", type=Path, help="new folder for the files that were copied")
    parser.add_argument(
        "--files-into", type=Path, help="folder whose empty folders (new volumes) get the files of their names back"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what was found. Exit status 1: something differs, or nothing was restored."""
    try:
        with database_url(Settings()) as url:
            after, differing = restore(
                url,
                arguments.folder,
                own=arguments.own,
                files_to=arguments.files_to,
                files_into=arguments.files_into,
            )
    except (BackupError, OSError, psycopg.Error) as problem:
        print(f"vigia: {problem}", file=sys.stderr)
        return 1
    for section, found in after.items():
        print(f"{section}: {len(found)} {'tables ' if section == 'rows' else ''}read")
    print("\n".join(differing) if differing else "equal: 0 rows lost or changed")
    return 1 if differing else 0
