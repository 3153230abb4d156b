"""Accounts of people: added, given roles, disabled, reset. Whoever is added sets a password with a one-time code."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from alerts.record import Entry, record
from models.tables.people import api_keys, organisations, people, person_roles
from services.people.api_keys import NameTaken, NoOperatorYet, is_name_taken, lock_names
from services.people.roles import ADMINISTRATIVE, Role
from services.people.sessions import revoke_all_sessions
from services.people.tokens import token_hash
from services.runtime.problem import HttpProblem, NotFound
from services.runtime.secret import new_secret

SETUP_CODE_BYTES = 12
SETUP_CODE_LASTS = timedelta(days=7)
LOGIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,58}[a-z0-9])?")
FIRST_LOGIN, FIRST_NAME = "administracion", "Administración"
ADMINISTERS_PEOPLE = Role.SUPERVISOR
"""Who administers accounts: the head of the watch, who also arranges the rota. A technician's account must not be able
to make itself an operator's."""


class NoSuchPerson(NotFound):
    """No hay una persona con ese usuario. / There is no person of that login."""


class LoginTaken(HttpProblem):
    """Ya hay una persona con ese usuario. / There is a person of that login already."""

    status = 409


class NoSuchOrganisation(NotFound):
    """No hay un organismo con ese código. / There is no organisation of that id."""


class LastAdministrator(HttpProblem):
    """Es la última cuenta que administra personas: agregá otra antes. / The last account that administers people."""

    status = 409


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person to be added. `login` is in lower case."""

    login: str
    name: str
    roles: frozenset[Role]
    organisation_id: str | None = None
    language: str = "es"


@dataclass(frozen=True, slots=True)
class Person:
    """A person as those see them who administer accounts."""

    id: int
    login: str
    name: str
    organisation_id: str | None
    language: str
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool
    has_second_factor: bool
    roles: tuple[Role, ...]


def add_person(transaction: Connection, new: NewPerson, *, by: str, now: datetime) -> str:
    """Add a person and return the one-time code with which they set a password. Only its hash is stored.

    Raises LoginTaken, NameTaken, NoSuchOrganisation.
    """
    lock_names(transaction)
    if transaction.execute(select(exists().where(people.c.login == new.login))).scalar_one():
        raise LoginTaken
    if is_name_taken(transaction, new.name):
        raise NameTaken
    _require_organisation(transaction, new.organisation_id)
    code = new_secret(SETUP_CODE_BYTES)
    person_id = transaction.execute(
        insert(people)
        .values(
            login=new.login,
            name=new.name,
            organisation_id=new.organisation_id,
            language=new.language,
            created_at=now,
            created_by=by,
            setup_code_sha256=token_hash(code),
            setup_code_expires_at=now + SETUP_CODE_LASTS,
        )
        .returning(people.c.id)
    ).scalar_one()
    _grant(transaction, person_id, new.roles, by, now)
    record(transaction, Entry("person.added", f"person:{new.login}", by, {"roles": sorted(new.roles)}), now)
    return code


def ensure_first_administrator(transaction: Connection, now: datetime) -> str | None:
    """Add the first administrator where there is neither person nor API key, and return the one-time code; else None.

    Several processes may call it at once: they wait for each other. Raises NoOperatorYet where the database role of
    this process may not hand out access.
    """
    lock_names(transaction)
    anybody = select(select(api_keys.c.id).exists() | select(people.c.id).exists())
    if transaction.execute(anybody).scalar_one():
        return None
    if not transaction.execute(text("SELECT has_table_privilege('people', 'DELETE')")).scalar_one():
        raise NoOperatorYet
    return add_person(transaction, NewPerson(FIRST_LOGIN, FIRST_NAME, ADMINISTRATIVE), by="console", now=now)


def list_people(connection: Connection, *, person_id: int | None = None) -> list[Person]:
    """All people, or one, by name; those who are disabled last."""
    roles = select(func.array_agg(person_roles.c.role)).where(person_roles.c.person_id == people.c.id).scalar_subquery()
    statement = select(
        *(people.c[name] for name in Person.__slots__[:7]),
        people.c.password_hash.is_not(None).label("has_password"),
        people.c.totp_since.is_not(None).label("has_second_factor"),
        roles.label("roles"),
    ).order_by(people.c.disabled_at.is_not(None), func.lower(people.c.name))
    if person_id is not None:
        statement = statement.where(people.c.id == person_id)
    return [_person(row) for row in connection.execute(statement)]


def find_person(connection: Connection, login: str) -> Person:
    """The person of a login. Raises NoSuchPerson."""
    number = connection.execute(select(people.c.id).where(people.c.login == login)).scalar()
    if number is None:
        raise NoSuchPerson
    return list_people(connection, person_id=number)[0]


def set_roles(transaction: Connection, person: Person, roles: Collection[Role], *, by: str, now: datetime) -> None:
    """Give a person exactly these roles, at once. Raises LastAdministrator."""
    if ADMINISTERS_PEOPLE not in roles:
        refuse_last_administrator(transaction, person)
    gone = (person_roles.c.person_id == person.id) & person_roles.c.role.not_in(list(roles))
    transaction.execute(delete(person_roles).where(gone))
    _grant(transaction, person.id, set(roles) - set(person.roles), by, now)
    details = {"before": sorted(person.roles), "roles": sorted(roles)}
    record(transaction, Entry("person.roles_changed", f"person:{person.login}", by, details), now)


def disable_person(transaction: Connection, person: Person, *, by: str, now: datetime, even_last: bool = False) -> None:
    """End a person's access and sessions at once. Their name stays with what they did. Raises LastAdministrator."""
    if not even_last:
        refuse_last_administrator(transaction, person)
    transaction.execute(
        update(people).where(people.c.id == person.id, people.c.disabled_at.is_(None)).values(disabled_at=now)
    )
    revoke_all_sessions(transaction, person.id, now)
    record(transaction, Entry("person.disabled", f"person:{person.login}", by), now)


def reset_person(transaction: Connection, person: Person, *, by: str, now: datetime) -> str:
    """Take a person's password and second factor, end their sessions, enable them again; return a one-time code."""
    code = new_secret(SETUP_CODE_BYTES)
    transaction.execute(
        update(people)
        .where(people.c.id == person.id)
        .values(
            password_hash=None,
            totp_secret=None,
            totp_since=None,
            totp_last_counter=None,
            setup_code_sha256=token_hash(code),
            setup_code_expires_at=now + SETUP_CODE_LASTS,
            disabled_at=None,
        )
    )
    revoke_all_sessions(transaction, person.id, now)
    record(transaction, Entry("person.reset", f"person:{person.login}", by), now)
    return code


def is_last_administrator(connection: Connection, person: Person) -> bool:
    """Whether nobody else who can sign in administers people."""
    others = (
        select(person_roles.c.person_id)
        .join(people, people.c.id == person_roles.c.person_id)
        .where(
            person_roles.c.role == ADMINISTERS_PEOPLE,
            people.c.disabled_at.is_(None),
            people.c.id != person.id,
        )
    )
    administers = person.disabled_at is None and ADMINISTERS_PEOPLE in person.roles
    return administers and not connection.execute(select(others.exists())).scalar_one()


def refuse_last_administrator(transaction: Connection, person: Person) -> None:
    """Refuse what would leave nobody who administers people. Raises LastAdministrator."""
    lock_names(transaction)
    if is_last_administrator(transaction, person):
        raise LastAdministrator


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation to which people belong."""

    id: str
    name: str
    kind: str


def list_organisations(connection: Connection) -> list[Organisation]:
    """The organisations in force, by name."""
    columns = [organisations.c[name] for name in Organisation.__slots__]
    rows = connection.execute(
        select(*columns).where(organisations.c.ended_at.is_(None)).order_by(func.lower(organisations.c.name))
    )
    return [Organisation(**row._mapping) for row in rows]


def add_organisation(transaction: Connection, new: Organisation) -> None:
    """Add an organisation, or give one a new name and kind."""
    values = {"name": new.name, "kind": new.kind, "ended_at": None}
    transaction.execute(
        upsert(organisations).values(id=new.id, **values).on_conflict_do_update(index_elements=["id"], set_=values)
    )


def _grant(transaction: Connection, person_id: int, roles: Collection[Role], by: str, now: datetime) -> None:
    rows = [{"person_id": person_id, "role": role, "granted_at": now, "granted_by": by} for role in sorted(roles)]
    if rows:
        transaction.execute(insert(person_roles), rows)


def _require_organisation(connection: Connection, organisation_id: str | None) -> None:
    if organisation_id is None:
        return
    running = exists().where(organisations.c.id == organisation_id, organisations.c.ended_at.is_(None))
    if not connection.execute(select(running)).scalar_one():
        raise NoSuchOrganisation


def _person(row: Row[*tuple[Any, ...]]) -> Person:
    values = dict(row._mapping)
    values["roles"] = tuple(Role(role) for role in sorted(values["roles"] or ()))
    return Person(**values)
