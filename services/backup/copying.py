"""Copy files with their modes and, as root, their owners, so that containers of other users read what is put back."""

import os
import shutil
from pathlib import Path

from services.backup.programs import BackupError


def copy_tree(source: Path, target: Path) -> None:
    """Copy a file or a folder. A folder that is there already is filled, and becomes its owner's of the source."""
    if source.is_dir():
        target.mkdir(exist_ok=True)
        for child in source.iterdir():
            copy_tree(child, target / child.name)
    else:
        shutil.copy2(source, target)
    _give_rights(source, target)


def put_back(files: Path, folder: Path) -> None:
    """Fill each folder of `folder` with the one of the same name in `files`. Names that are not there stay out."""
    for name in _names_in_both(files, folder):
        copy_tree(files / name, folder / name)


def refuse_full(files: Path, folder: Path) -> None:
    """Raise BackupError where a folder that `put_back` would fill holds a file, so that no two cities are mixed."""
    for name in _names_in_both(files, folder):
        held = next((path for path in (folder / name).rglob("*") if not path.is_dir()), None)
        if held is not None:
            raise BackupError(f"{held} is there already: files are put back into empty folders (new volumes) only")


def _names_in_both(files: Path, folder: Path) -> list[str]:
    return [path.name for path in files.iterdir() if (folder / path.name).is_dir()] if files.exists() else []


def _give_rights(source: Path, target: Path) -> None:
    """The mode of the source, and as root its owner. Nothing is changed that is so already: it may be a mount point."""
    wanted, has = source.stat(), target.stat()
    if has.st_mode != wanted.st_mode:
        target.chmod(wanted.st_mode & 0o7777)
    if os.geteuid() == 0 and (has.st_uid, has.st_gid) != (wanted.st_uid, wanted.st_gid):
        os.chown(target, wanted.st_uid, wanted.st_gid)
