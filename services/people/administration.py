"""Administration of accounts by persons: what hands out power over others, or takes it, needs a second person.

A supervisor who could alone appoint an administrator, or take over one's account with a new code, could be the second
person too. Where nobody else could confirm, as at the beginning, the first administrator appoints the second alone.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, select

from models.tables.people import people, person_roles
from services.people import second_person
from services.people.accounts import (
    NewPerson,
    add_person,
    disable_person,
    find_person,
    is_last_administrator,
    reset_person,
    set_roles,
)
from services.people.roles import ADMINISTRATIVE, Role
from services.runtime.problem import HttpProblem

OVERSIGHT = frozenset({Role.AUDITOR, Role.PRIVACY_OFFICER})
"""Roles that watch over the others."""
SET_ROLES, DISABLE, RESET = "person.roles", "person.disable", "person.reset"


class NobodyToConfirm(HttpProblem):
    """Nadie más puede confirmarlo: hacelo con `vigia people`. / Nobody can confirm it: use `vigia people`."""

    status = 409


class Outcome(StrEnum):
    """What became of a step of administration."""

    DONE = "done"
    ASKED = "asked"
    """It waits for a second person."""


def change_roles(transaction: Connection, login: str, roles: Collection[Role], *, by: str, now: datetime) -> Outcome:
    """Give a person exactly these roles, or ask a second person where an administrative role comes or goes.

    Raises NoSuchPerson, LastAdministrator, AskedAlready.
    """
    person = find_person(transaction, login)
    if (set(roles) ^ set(person.roles)) & ADMINISTRATIVE and can_confirm(transaction, but={by}):
        details = {"roles": sorted(roles), "before": sorted(person.roles)}
        second_person.ask(transaction, SET_ROLES, login, details, by=by, now=now)
        return Outcome.ASKED
    set_roles(transaction, person, roles, by=by, now=now)
    return Outcome.DONE


def add(transaction: Connection, new: NewPerson, *, by: str, now: datetime) -> tuple[str, Outcome]:
    """Add a person; administrative roles may wait for a second person. Returns the one-time code.

    Raises what `add_person` raises.
    """
    at_once = NewPerson(new.login, new.name, new.roles - ADMINISTRATIVE, new.organisation_id, new.language)
    code = add_person(transaction, at_once, by=by, now=now)
    if new.roles == at_once.roles:
        return code, Outcome.DONE
    return code, change_roles(transaction, new.login, new.roles, by=by, now=now)


def disable(transaction: Connection, login: str, *, by: str, now: datetime) -> Outcome:
    """End a person's access at once. For the last administrator, and for who watches over others, another is asked.

    Raises NoSuchPerson, AskedAlready.
    """
    person = find_person(transaction, login)
    watches = OVERSIGHT & set(person.roles) and can_confirm(transaction, but={by, person.name})
    if watches or is_last_administrator(transaction, person):
        second_person.ask(transaction, DISABLE, login, {}, by=by, now=now)
        return Outcome.ASKED
    disable_person(transaction, person, by=by, now=now)
    return Outcome.DONE


def reset(transaction: Connection, login: str, *, by: str, now: datetime) -> str | None:
    """Take a person's proofs and return a new one-time code; None where a second person was asked, who will see it.

    Raises NoSuchPerson, AskedAlready, NobodyToConfirm.
    """
    person = find_person(transaction, login)
    if not ADMINISTRATIVE & set(person.roles):
        return reset_person(transaction, person, by=by, now=now)
    if not can_confirm(transaction, but={by, person.name}):
        raise NobodyToConfirm
    second_person.ask(transaction, RESET, login, {}, by=by, now=now)
    return None


def can_confirm(connection: Connection, *, but: Collection[str]) -> bool:
    """Whether there is somebody else who can sign in and has an administrative role."""
    others = (
        select(people.c.id)
        .join(person_roles, person_roles.c.person_id == people.c.id)
        .where(
            person_roles.c.role.in_(sorted(ADMINISTRATIVE)),
            people.c.disabled_at.is_(None),
            people.c.password_hash.is_not(None) | people.c.oidc_subject.is_not(None),
            func.lower(people.c.name).not_in([name.lower() for name in but]),
        )
    )
    return connection.execute(select(others.exists())).scalar_one()


def _set_roles(transaction: Connection, request: second_person.Request, by: str, now: datetime) -> None:
    roles = {Role(role) for role in request.details["roles"]}
    set_roles(transaction, find_person(transaction, request.about), roles, by=by, now=now)


def _disable(transaction: Connection, request: second_person.Request, by: str, now: datetime) -> None:
    disable_person(transaction, find_person(transaction, request.about), by=by, now=now, even_last=True)


def _reset(transaction: Connection, request: second_person.Request, by: str, now: datetime) -> str:
    return reset_person(transaction, find_person(transaction, request.about), by=by, now=now)


EXECUTORS: Mapping[str, second_person.Execute] = {SET_ROLES: _set_roles, DISABLE: _disable, RESET: _reset}
"""What is done by the name of the action once a second person has confirmed it."""
