"""Second factor: codes of an authenticator by the time (TOTP, RFC 6238), each of which works once."""

import hmac
from datetime import datetime

import pyotp
from sqlalchemy import Connection, update

from models.tables.people import people

STEP_S = 30
STEPS_OFF = 1
"""How many steps the telephone's clock may be off, either way."""
ISSUER = "Vigía"
CODE_CHARS = 6


def new_secret() -> str:
    """A random secret of 160 bits, base 32."""
    return pyotp.random_base32()


def enrolment_address(secret: str, login: str) -> str:
    """The `otpauth:` address that an authenticator reads from the QR code."""
    return pyotp.TOTP(secret, name=login, issuer=ISSUER, interval=STEP_S).provisioning_uri()


def code_counter(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is; None where it is the code of no step near `now`."""
    totp = pyotp.TOTP(secret, interval=STEP_S)
    typed = code.replace(" ", "")
    current = int(now.timestamp()) // STEP_S
    steps = range(current - STEPS_OFF, current + STEPS_OFF + 1)
    matching = [step for step in steps if hmac.compare_digest(totp.generate_otp(step).encode(), typed.encode())]
    return matching[-1] if matching else None


def use_code(transaction: Connection, person_id: int, secret: str, code: str, now: datetime) -> bool:
    """Whether a code is right and was not used before. From now on it is used, and so are all codes before it."""
    counter = code_counter(secret, code, now)
    if counter is None:
        return False
    unused = people.c.totp_last_counter.is_(None) | (people.c.totp_last_counter < counter)
    statement = update(people).where(people.c.id == person_id, people.c.totp_secret == secret, unused)
    return bool(transaction.execute(statement.values(totp_last_counter=counter)).rowcount)
