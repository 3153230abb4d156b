"""The folder of a backup: `database.dump`, copied files and `manifest.json`. Only its owner may enter it."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from services.backup.copying import copy_tree
from services.backup.programs import BackupError

MAX_NAMED = 10
DUMP, MANIFEST, FILES = "database.dump", "manifest.json", "files"


def copy_files(sources: list[Path], folder: Path) -> None:
    """Copy files and folders (settings, secrets, TLS, the broker's) to `folder`/files, each by its own name.

    They keep mode and owner; `folder` and `folder`/files are for their owner only.
    """
    for source in sources:
        target = folder / FILES / source.resolve().name
        if not source.exists() or target.exists():
            raise BackupError(f"{source}: no such file, or another of that name is in the backup already")
        target.parent.mkdir(exist_ok=True)
        copy_tree(source, target)


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
        manifest: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackupError(f"{folder} is no whole backup: {error}") from error
    written = manifest.get("sha256") if isinstance(manifest, dict) else None
    if not isinstance(written, dict):
        raise BackupError(f"{folder} is no whole backup: {MANIFEST} says nothing of its files")
    found = _checksums(folder)
    other = sorted(name for name in written.keys() | found.keys() if written.get(name) != found.get(name))
    if other:
        shown = ", ".join(other[:MAX_NAMED])
        raise BackupError(f"{folder}: missing, new or damaged: {shown}: take another copy of this backup")
    return dict(manifest)


def _checksums(folder: Path) -> dict[str, str]:
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / MANIFEST:
            with path.open("rb") as file:
                sums[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums
