"""What a person does with their own account: change the password, enrol and remove the second factor."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, update

from alerts.record import Entry, record
from models.tables.people import people
from services.people import totp
from services.people.passwords import check_new_password, hash_password, is_password
from services.people.roles import Actor
from services.people.sessions import revoke_all_sessions
from services.people.sign_in import WrongCredentials
from services.runtime.problem import HttpProblem


class NoPassword(HttpProblem):
    """Esta cuenta entra por otro proveedor y no tiene contraseña. / This account has no password of its own."""

    status = 409


class SecondFactorStands(HttpProblem):
    """Ya tenés un segundo factor: quitalo primero. / You have a second factor already: remove it first."""

    status = 409


class WrongSecondFactor(HttpProblem):
    """El código no coincide, o ya se usó: esperá el siguiente. / The code is wrong or used: wait for the next one."""

    status = 409


def change_password(database: Engine, actor: Actor, old: str, new: str, now: datetime) -> None:
    """Change a person's password and end their other sessions. Raises WrongCredentials, WeakPassword, NoPassword."""
    person = _verified(database, actor, old)
    check_new_password(new, person.login, person.name)
    stored = hash_password(new)
    with database.begin() as transaction:
        unchanged = (people.c.id == person.id) & (people.c.password_hash == person.password_hash)
        if not transaction.execute(update(people).where(unchanged).values(password_hash=stored)).rowcount:
            raise WrongCredentials
        revoke_all_sessions(transaction, person.id, now, but=actor.session_id)
        record(transaction, Entry("password.changed", f"person:{person.login}", actor.name), now)


def begin_enrolment(transaction: Connection, person_id: int) -> tuple[str, str]:
    """The secret of a second factor that is not in force yet, the same until it is confirmed; and the login.

    Raises SecondFactorStands.
    """
    row = transaction.execute(
        select(people.c.login, people.c.totp_secret, people.c.totp_since)
        .where(people.c.id == person_id)
        .with_for_update()
    ).one()
    if row.totp_since is not None:
        raise SecondFactorStands
    if row.totp_secret is not None:
        return row.totp_secret, row.login
    secret = totp.new_secret()
    transaction.execute(update(people).where(people.c.id == person_id).values(totp_secret=secret))
    return secret, row.login


def confirm_enrolment(transaction: Connection, person_id: int, code: str, now: datetime) -> None:
    """Put the second factor in force with a first code. Raises WrongSecondFactor."""
    row = transaction.execute(
        select(people.c.login, people.c.name, people.c.totp_secret)
        .where(people.c.id == person_id, people.c.totp_since.is_(None))
        .with_for_update()
    ).first()
    if row is None or row.totp_secret is None:
        raise WrongSecondFactor
    if not totp.use_code(transaction, person_id, row.totp_secret, code, now):
        raise WrongSecondFactor
    transaction.execute(update(people).where(people.c.id == person_id).values(totp_since=now))
    record(transaction, Entry("second_factor.added", f"person:{row.login}", row.name), now)


def remove_second_factor(database: Engine, actor: Actor, password: str, code: str, now: datetime) -> None:
    """Remove a person's second factor, with password and a code. Raises WrongCredentials, WrongSecondFactor."""
    person = _verified(database, actor, password)
    with database.begin() as transaction:
        secret = transaction.execute(
            select(people.c.totp_secret).where(people.c.id == person.id).with_for_update()
        ).scalar_one()
        if secret is None or not totp.use_code(transaction, person.id, secret, code, now):
            raise WrongSecondFactor
        gone = {"totp_secret": None, "totp_since": None, "totp_last_counter": None}
        transaction.execute(update(people).where(people.c.id == person.id).values(gone))
        record(transaction, Entry("second_factor.removed", f"person:{person.login}", actor.name), now)


def _verified(database: Engine, actor: Actor, password: str) -> Row[*tuple[Any, ...]]:
    """The person, after their password was verified without a connection held."""
    with database.connect() as connection:
        columns = (people.c.id, people.c.login, people.c.name, people.c.password_hash)
        person = connection.execute(select(*columns).where(people.c.id == actor.person_id)).one()
    if person.password_hash is None:
        raise NoPassword
    if not is_password(person.password_hash, password):
        raise WrongCredentials
    return person
