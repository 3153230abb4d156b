"""The broker's files of users and rules: read and written whole, by one command at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from services.broker_access.accounts import MAX_ACCOUNTS, AccountError, Registry
from services.broker_access.rules import access_rules

ACCOUNTS, PASSWORDS, RULES = "accounts.json", "passwords", "acl"
LOCK = ".lock"
PRIVATE = 0o600


@contextmanager
def edited_registry(folder: Path) -> Iterator[Registry]:
    """The accounts, for this command alone; written with the broker's files at the end, unless it raises.

    The accounts are written first, so that after a crash the next command writes the broker's files from them.
    Raises AccountError.
    """
    with locked(folder):
        registry = read_registry(folder)
        yield registry
        if len(registry.passwords) > MAX_ACCOUNTS:
            raise AccountError(f"more than {MAX_ACCOUNTS:,} accounts: the broker accepts no more connections")
        replace_file(folder / ACCOUNTS, registry.model_dump_json(indent=1))
        replace_file(folder / PASSWORDS, "".join(f"{name}:{hashed}\n" for name, hashed in registry.passwords.items()))
        replace_file(folder / RULES, access_rules(registry))


def read_registry(folder: Path) -> Registry:
    """The stored accounts, or the passwords of an earlier version. Raises AccountError."""
    try:
        return Registry.model_validate_json((folder / ACCOUNTS).read_bytes())
    except FileNotFoundError:
        earlier = _read_passwords(folder / PASSWORDS)
        return Registry(passwords=earlier, earlier_rules=bool(earlier))
    except ValidationError as error:
        raise AccountError(
            f"{folder / ACCOUNTS} is damaged: restore it from the backup ({error.error_count()} errors)"
        ) from None


def _read_passwords(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {name: hashed for name, _, hashed in (line.partition(":") for line in lines) if name and hashed}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other command works on this folder. Raises AccountError where it cannot be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, PRIVATE)
    except OSError as error:
        raise AccountError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: str | bytes, mode: int = PRIVATE) -> None:
    """Write a file whole or not at all, also through a power cut."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    data = content.encode() if isinstance(content, str) else content
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
