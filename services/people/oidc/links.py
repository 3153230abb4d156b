"""People and their identity at the provider: who it is, linked by their login or by an administrator, or taken away."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from alerts.record import Entry, record
from models.tables.people import people
from services.people.accounts import NoSuchPerson
from services.people.oidc.id_token import Identity
from services.people.oidc.provider import Client
from services.people.sessions import revoke_all_sessions
from services.runtime.problem import HttpProblem


class NotKnownHere(HttpProblem):
    """Esa cuenta del proveedor no es de nadie acá. / That account of the provider is nobody's here."""

    status = 403


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person whom the provider named, and who may sign in here."""

    id: int
    login: str
    name: str


class IdentityTaken(HttpProblem):
    """Esa cuenta del proveedor ya es de otra persona. / That account of the provider is another person's already."""

    status = 409


def known_person(transaction: Connection, identity: Identity, client: Client, now: datetime) -> KnownPerson:
    """The person with this identity, or, where that is allowed, the one whose login it names.

    Raises NotKnownHere for everybody else, and for those who are disabled.
    """
    mine = (people.c.oidc_issuer == identity.issuer) & (people.c.oidc_subject == identity.subject)
    columns = (people.c.id, people.c.login, people.c.name, people.c.disabled_at)
    row = transaction.execute(select(*columns).where(mine)).first()
    if row is not None:
        if row.disabled_at is not None:
            raise NotKnownHere
        return KnownPerson(row.id, row.login, row.name)
    login = identity.login(client.login_claim) if client.links_by_login else None
    linked = None if login is None else _link(transaction, login, identity, now)
    if linked is None:
        raise NotKnownHere(_unknown(identity))
    return linked


def _link(transaction: Connection, login: str, identity: Identity, now: datetime) -> KnownPerson | None:
    """Give an enabled person without an identity this one; None where there is none."""
    free = (people.c.login == login) & people.c.oidc_subject.is_(None) & people.c.disabled_at.is_(None)
    row = transaction.execute(
        update(people)
        .where(free)
        .values(oidc_issuer=identity.issuer, oidc_subject=identity.subject)
        .returning(people.c.id, people.c.name)
    ).first()
    if row is None:
        return None
    record(transaction, Entry("person.linked", f"person:{login}", row.name, {"issuer": identity.issuer}), now)
    return KnownPerson(row.id, login, row.name)


def _unknown(identity: Identity) -> str:
    return (
        f"Esa cuenta del proveedor no es de nadie acá: pedile a quien administra las cuentas que te agregue. Tu "
        f"identificador es {identity.subject}. / That account of the provider is nobody's here: ask whoever "
        f"administers the accounts to add you. Your identifier is {identity.subject}."
    )


def link_person(transaction: Connection, login: str, identity: tuple[str, str], *, by: str, now: datetime) -> None:
    """Let a person sign in with an identity, in place of the one they had. `identity`: issuer and subject.

    Raises NoSuchPerson, IdentityTaken.
    """
    issuer, subject = identity
    theirs = (people.c.oidc_issuer == issuer) & (people.c.oidc_subject == subject) & (people.c.login != login)
    if transaction.execute(select(people.c.id).where(theirs)).first() is not None:
        raise IdentityTaken
    _set_identity(transaction, login, issuer, subject)
    record(transaction, Entry("person.linked", f"person:{login}", by, {"issuer": issuer}), now)


def unlink_person(transaction: Connection, login: str, *, by: str, now: datetime) -> None:
    """Take a person's identity at the provider, and end their sessions. Raises NoSuchPerson."""
    revoke_all_sessions(transaction, _set_identity(transaction, login, None, None), now)
    record(transaction, Entry("person.unlinked", f"person:{login}", by), now)


def _set_identity(transaction: Connection, login: str, issuer: str | None, subject: str | None) -> int:
    values = {"oidc_issuer": issuer, "oidc_subject": subject}
    row = transaction.execute(
        update(people).where(people.c.login == login).values(values).returning(people.c.id)
    ).first()
    if row is None:
        raise NoSuchPerson
    return int(row.id)
