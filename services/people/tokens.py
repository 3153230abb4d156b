"""Random tokens of API keys and sessions, and their stored hashes."""

import hashlib

from services.runtime.secret import new_secret

KEY_PREFIX = "vigia_"
SESSION_PREFIX = "vigias_"
TOKEN_BYTES = 32
MAX_TOKEN_CHARS = 128


def token_hash(token: str) -> bytes:
    """What is stored of a token. A token of 256 random bits cannot be guessed, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def new_token(prefix: str) -> str:
    """A random token of 256 bits."""
    return prefix + new_secret(TOKEN_BYTES)
