"""Sign-in with a local account: attempt counted, password verified without a connection, second factor, session."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, update

from alerts.record import Entry, record
from models.tables.people import people
from services.people.attempts import count_attempt, forget_attempts
from services.people.passwords import check_new_password, hash_password, is_password
from services.people.sessions import RequestFacts, open_session, revoke_all_sessions
from services.people.tokens import token_hash
from services.people.totp import use_code
from services.runtime.problem import HttpProblem

MAX_CODE_CHARS = 40


class WrongCredentials(HttpProblem):
    """El usuario, la contraseña o el código no coinciden. / The login, the password or the code does not match."""

    status = 401


class WrongSetupCode(HttpProblem):
    """El usuario o el código de un solo uso no sirve, o venció. / The login or one-time code is wrong, or has ended."""

    status = 401


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person typed to sign in. `code`: of the second factor, empty where they have none."""

    login: str
    password: str
    code: str = ""


def sign_in(database: Engine, typed: Credentials, facts: RequestFacts, now: datetime) -> str:
    """Sign a person in, and return the token of a new session.

    No connection is held while the password is verified. Whatever is wrong gets the same answer, after the same time.
    Raises TooManyAttempts, WrongCredentials.
    """
    login = typed.login.strip().lower()
    with database.begin() as transaction:
        count_attempt(transaction, login, facts.address, now)
        person = _enabled_person(transaction, login)
    if not is_password(None if person is None else person.password_hash, typed.password) or person is None:
        _record_failure(database, person, facts, now)
        raise WrongCredentials
    try:
        with database.begin() as transaction:
            method = _second_factor(transaction, person, typed.code, now)
            return _opened(transaction, person, method, facts, now)
    except WrongCredentials:
        _record_failure(database, person, facts, now)
        raise


def _opened(
    transaction: Connection, person: Row[*tuple[Any, ...]], method: str, facts: RequestFacts, now: datetime
) -> str:
    """A new session of a person who has proved who they are, with its entry in the record."""
    forget_attempts(transaction, person.login, facts.address)
    details = {"method": method, "agent": facts.agent, "address": facts.address}
    record(transaction, Entry("session.opened", f"person:{person.login}", person.name, details), now)
    return open_session(transaction, person.id, method, facts, now)


def _record_failure(database: Engine, person: Row[*tuple[Any, ...]] | None, facts: RequestFacts, now: datetime) -> None:
    """Record a wrong attempt on an account. Of no account nothing is kept: it may be a password typed too early."""
    if person is None:
        return
    details = {"agent": facts.agent, "address": facts.address}
    with database.begin() as transaction:
        record(transaction, Entry("session.refused", f"person:{person.login}", details=details), now)


def _second_factor(transaction: Connection, person: Row[*tuple[Any, ...]], code: str, now: datetime) -> str:
    """How the person proved who they are. Raises WrongCredentials for a wrong or used code."""
    current = transaction.execute(
        select(people.c.totp_secret, people.c.totp_since, people.c.password_hash)
        .where(people.c.id == person.id, people.c.disabled_at.is_(None))
        .with_for_update()
    ).first()
    if current is None or current.password_hash != person.password_hash:
        raise WrongCredentials  # changed or disabled while the password was verified
    if current.totp_since is None:
        return "password"
    if not use_code(transaction, person.id, current.totp_secret, code, now):
        raise WrongCredentials
    return "password+totp"


def set_first_password(
    database: Engine, login: str, code: str, password: str, facts: RequestFacts, now: datetime
) -> str:
    """Set the password of a person with their one-time code, which is then used up, and sign them in.

    Raises TooManyAttempts, WrongSetupCode, WeakPassword: after that one the code still works.
    """
    login = login.strip().lower()
    with database.begin() as transaction:
        count_attempt(transaction, login, facts.address, now)
        person = _enabled_person(transaction, login)
    hashed = token_hash(code.strip())
    if person is None or person.setup_code_sha256 != hashed or person.setup_code_expires_at <= now:
        _record_failure(database, person, facts, now)
        raise WrongSetupCode
    check_new_password(password, login, person.name)
    stored = hash_password(password)
    with database.begin() as transaction:
        used = (people.c.id == person.id) & (people.c.setup_code_sha256 == hashed) & people.c.disabled_at.is_(None)
        values = {"password_hash": stored, "setup_code_sha256": None, "setup_code_expires_at": None}
        if not transaction.execute(update(people).where(used).values(values)).rowcount:
            raise WrongSetupCode
        revoke_all_sessions(transaction, person.id, now)
        return _opened(transaction, person, "setup", facts, now)


def _enabled_person(connection: Connection, login: str) -> Row[*tuple[Any, ...]] | None:
    columns = ("id", "login", "name", "password_hash", "setup_code_sha256", "setup_code_expires_at")
    enabled = (people.c.login == login) & people.c.disabled_at.is_(None)
    return connection.execute(select(*(people.c[name] for name in columns)).where(enabled)).first()
