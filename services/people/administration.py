"""Administration of accounts by persons. Giving oversight, or leaving nobody in charge, takes a second person."""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from services.people import second_person
from services.people.accounts import (
    NewPerson,
    Person,
    add_person,
    disable_person,
    find_person,
    is_last_administrator,
    list_people,
    set_roles,
)
from services.people.roles import Role

OVERSIGHT = frozenset({Role.AUDITOR, Role.PRIVACY_OFFICER})
"""Roles that watch over the others: nobody gives or takes them alone."""
SET_ROLES, DISABLE = "person.roles", "person.disable"


class Outcome(StrEnum):
    """What became of a step of administration."""

    DONE = "done"
    ASKED = "asked"
    """It waits for a second person."""


def change_roles(transaction: Connection, login: str, roles: Collection[Role], *, by: str, now: datetime) -> Outcome:
    """Give a person exactly these roles, or ask a second person where a role of oversight comes or goes.

    Raises NoSuchPerson, LastAdministrator, AskedAlready.
    """
    person = find_person(transaction, login)
    if (set(roles) ^ set(person.roles)) & OVERSIGHT:
        details = {"roles": sorted(roles), "before": sorted(person.roles)}
        second_person.ask(transaction, SET_ROLES, login, details, by=by, now=now)
        return Outcome.ASKED
    set_roles(transaction, person, roles, by=by, now=now)
    return Outcome.DONE


def add(transaction: Connection, new: NewPerson, *, by: str, now: datetime) -> tuple[str, Outcome]:
    """Add a person; roles of oversight wait for a second person. Returns the one-time code.

    Raises what `add_person` raises.
    """
    at_once = NewPerson(new.login, new.name, new.roles - OVERSIGHT, new.organisation_id, new.language)
    code = add_person(transaction, at_once, by=by, now=now)
    return code, change_roles(transaction, new.login, new.roles, by=by, now=now)


def disable(transaction: Connection, login: str, *, by: str, now: datetime) -> Outcome:
    """End a person's access at once. For the last who administers people a second person is asked.

    Raises NoSuchPerson, AskedAlready.
    """
    person = find_person(transaction, login)
    if is_last_administrator(transaction, person):
        second_person.ask(transaction, DISABLE, login, {}, by=by, now=now)
        return Outcome.ASKED
    disable_person(transaction, person, by=by, now=now)
    return Outcome.DONE


def people_by_number(connection: Connection, person_id: int) -> Person | None:
    """The person of a number; None where there is none."""
    return next(iter(list_people(connection, person_id=person_id)), None)


def _set_roles(transaction: Connection, request: second_person.Request, by: str, now: datetime) -> None:
    roles = {Role(role) for role in request.details["roles"]}
    set_roles(transaction, find_person(transaction, request.about), roles, by=by, now=now)


def _disable(transaction: Connection, request: second_person.Request, by: str, now: datetime) -> None:
    disable_person(transaction, find_person(transaction, request.about), by=by, now=now, even_last=True)


EXECUTORS: Mapping[str, second_person.Execute] = {SET_ROLES: _set_roles, DISABLE: _disable}
"""What is done by the name of the action once a second person has confirmed it."""
