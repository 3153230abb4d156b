"""The folder of a backup: `database.dump`, copied files and `manifest.json`, readable by their owner only."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from services.backup.programs import BackupError

DUMP, MANIFEST, FILES = "database.dump", "manifest.json", "files"


def copy_files(sources: list[Path], folder: Path) -> None:
    """Copy files and folders (settings, secrets, TLS, the broker's) to `folder`/files, each by its own name."""
    for source in sources:
        target = folder / FILES / source.resolve().name
        if not source.exists() or target.exists():
            raise BackupError(f"{source}: no such file, or another of that name is in the backup already")
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Write down `facts` and the checksum of every file; everything is on the disk when this returns."""
    text = json.dumps(facts | {"sha256": _checksums(folder)}, indent=1, sort_keys=True)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What was written down. Raises BackupError where the folder is no whole backup or a file has changed."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackupError(f"{folder} is no whole backup: {error}") from error
    if manifest.get("sha256") != _checksums(folder):
        raise BackupError(f"{folder}: a file is missing, new or damaged: take another copy of this backup")
    return manifest


def _checksums(folder: Path) -> dict[str, str]:
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / MANIFEST:
            with path.open("rb") as file:
                sums[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums
