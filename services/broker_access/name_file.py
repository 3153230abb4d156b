"""Read the file of device names that a technician gives, and write the file of new passwords."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from services.broker_access.accounts import MAX_ACCOUNTS, AccountError, Device, require_kind, require_name

MAX_FILE_BYTES = 4_000_000


def parse_names(text: str, municipality: str | None, kind: str | None) -> dict[str, Device]:
    """The devices of a file: a line is `name` or `name,municipality,kind`; empty lines are skipped.

    `municipality` and `kind` hold where a line names none. Raises AccountError with all bad lines, so that a file is
    taken whole or not at all.
    """
    devices: dict[str, Device] = {}
    faults: list[str] = []
    for number, line in enumerate(_lines(text), start=1):
        if not any(part.strip() for part in line):
            continue
        try:
            name, device = parse_device([part.strip() for part in line], municipality, kind)
            if name in devices:
                raise AccountError(f"{name} stands in the file twice")
            devices[name] = device
        except AccountError as error:
            faults.append(f"line {number}: {error}")
    if faults:
        shown = "\n".join(faults[:20])
        raise AccountError(f"{len(faults)} bad lines, nothing is changed:\n{shown}")
    if not 0 < len(devices) <= MAX_ACCOUNTS:
        raise AccountError(f"the file names {len(devices):,} devices: 1 to {MAX_ACCOUNTS:,} are allowed")
    return devices


def _lines(text: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise AccountError(f"the file is no list of names: {error}") from None


def parse_device(parts: list[str], municipality: str | None, kind: str | None) -> tuple[str, Device]:
    """One device. Raises AccountError."""
    match parts:
        case [name]:
            pass
        case [name, municipality, kind]:
            pass
        case _:
            raise AccountError("a line is `name` or `name,municipality,kind`")
    require_name(name)
    if not municipality or not kind:
        raise AccountError(f"{name}: which municipality and kind? Give --municipality and --kind")
    return name, Device(municipality=require_name(municipality), kind=require_kind(kind))


def read_text(path: str, stdin: TextIO | None = None) -> str:
    """The text of a file, `-` for the standard input. Raises AccountError."""
    try:
        if path == "-" and stdin is not None:
            return stdin.read(MAX_FILE_BYTES)
        if Path(path).stat().st_size > MAX_FILE_BYTES:
            raise AccountError(f"{path} is larger than {MAX_FILE_BYTES:,} bytes; is it that file?")
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AccountError(f"{path} cannot be read: {error}") from None


def create_private(path: Path, content: bytes | str) -> None:
    """A new file that only its owner reads. Raises AccountError where it exists: secrets are never overwritten."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise AccountError(f"{path} cannot be created: {error.strerror}; name a new file") from None
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(content.encode() if isinstance(content, str) else content)


def password_lines(passwords: Iterable[tuple[str, str]]) -> str:
    """`name,password` lines."""
    return "".join(f"{name},{password}\n" for name, password in passwords)
