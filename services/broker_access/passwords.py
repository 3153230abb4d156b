"""Random passwords of devices, and their hashes in the format of Mosquitto's password file."""

import base64
import hashlib
import secrets

from services.runtime.secret import new_secret

PASSWORD_BYTES = 24
ITERATIONS = 101
"""Mosquitto's own number. It need not be high: nobody guesses 192 random bits, and after an outage the broker checks
the passwords of all devices at once."""
SALT_BYTES = 12


def new_password() -> str:
    """32 characters of A-Z, a-z, 0-9, - and _, the first not -."""
    return new_secret(PASSWORD_BYTES)


def password_hash(password: str) -> str:
    """PBKDF2 with SHA-512 and a random salt, as `$7$iterations$salt$hash`; Mosquitto 2.0 and later read it."""
    salt = secrets.token_bytes(SALT_BYTES)
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, 64)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"
