"""Passwords of local accounts: what they must be, their argon2id hashes, and one verification at a time."""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.runtime.problem import HttpProblem
from services.runtime.secret import new_secret

MIN_CHARS = 12
MAX_CHARS = 200
"""Longer than any passphrase; hashing megabytes would be a way to keep the server busy."""
MIN_DIFFERENT_CHARS = 5
_HASHER = PasswordHasher(time_cost=2, memory_cost=46 * 1024, parallelism=1)
"""46 MiB and one thread: OWASP's first choice of parameters, with one pass more."""
_TURN = threading.Lock()
"""One verification at a time in a process, so that a flood of sign-ins leaves the other cores to alerts."""
_NOBODYS = _HASHER.hash(new_secret(24))


class WeakPassword(HttpProblem):
    """La contraseña no sirve: usá otra más larga. / The password will not do: use a longer one."""

    status = 409


def check_new_password(password: str, login: str, name: str) -> None:
    """Refuse a password that is short, monotonous, or the person's own name. Raises WeakPassword."""
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise WeakPassword(
            f"La contraseña lleva de {MIN_CHARS} a {MAX_CHARS} caracteres: cuatro palabras sueltas sirven."
            f" / A password has {MIN_CHARS} to {MAX_CHARS} characters: four unrelated words will do."
        )
    plain = password.casefold()
    known = [login.casefold(), "vigia", *name.casefold().split()]
    without_known = plain
    for word in known:
        without_known = without_known.replace(word, "")
    if len(set(plain)) < MIN_DIFFERENT_CHARS or len(without_known) < MIN_CHARS // 2:
        raise WeakPassword(
            "La contraseña repite pocas letras o tu nombre: usá otra, por ejemplo cuatro palabras sueltas."
            " / The password repeats few letters or your name: use another, such as four unrelated words."
        )


def hash_password(password: str) -> str:
    """The argon2id hash with its parameters and a random salt."""
    with _TURN:
        return _HASHER.hash(password)


def is_password(stored: str | None, password: str) -> bool:
    """Whether this is the password of a stored hash. Without a hash it takes as long, and the answer is no.

    So that the time tells nobody which accounts there are.
    """
    with _TURN:
        try:
            _HASHER.verify(stored or _NOBODYS, password[:MAX_CHARS])
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None
