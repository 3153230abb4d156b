"""Detached Ed25519 signature of a file. What is signed is the SHA-256 of the file, so that its size does not matter."""

import hashlib
import json
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

ALGORITHM = "Ed25519 over the SHA-256 of the file"
SUFFIX = ".sig"
OWNER_ONLY = 0o600


class KeyFileError(Exception):
    """The key's file cannot be used; the message says why."""


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The key in this file, which is made once, readable by its owner only. Raises KeyFileError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        return _read_key(path)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    key = Ed25519PrivateKey.generate()
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def _read_key(path: Path) -> Ed25519PrivateKey:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeyFileError(f"{path}: otros usuarios pueden leerla: chmod 600 / others may read it: chmod 600")
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except ValueError as error:
        raise KeyFileError(f"{path}: no es una clave / not a key ({error})") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: no es una clave Ed25519 / not an Ed25519 key")
    return key


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public key, 64 hexadecimal digits."""
    return key.public_key().public_bytes_raw().hex()


def sign_file(path: Path, key: Ed25519PrivateKey) -> Path:
    """Write the signature beside the file; returns where."""
    digest = _digest(path)
    signature = {
        "algorithm": ALGORITHM,
        "public_key": public_hex(key),
        "sha256": digest.hex(),
        "signature": key.sign(digest).hex(),
    }
    beside = path.with_name(path.name + SUFFIX)
    beside.write_text(json.dumps(signature, indent=2) + "\n", encoding="utf-8")
    return beside


def signer(path: Path) -> str | None:
    """The public key that signed this file as it is now; None where the signature does not fit, or there is none."""
    try:
        signature = json.loads(path.with_name(path.name + SUFFIX).read_text(encoding="utf-8"))
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature["public_key"]))
        key.verify(bytes.fromhex(signature["signature"]), _digest(path))
    except (OSError, ValueError, KeyError, TypeError, InvalidSignature):
        return None
    return str(signature["public_key"])


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
