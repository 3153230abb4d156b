"""Roles, which of them include others, and the actor of a request: a person or an API key with its roles."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What an actor may do. `public` is everybody's and is granted to nobody."""

    PUBLIC = "public"
    VIEWER = "viewer"
    """Reads what operators read: names and notes of people."""
    OPERATOR = "operator"
    """Acts on alerts and incidents."""
    SUPERVISOR = "supervisor"
    """Declares levels, runs drills, arranges the rota; does what operators do."""
    DEVICE_ADMIN = "device_admin"
    """Looks after devices and other technical matters."""
    AUDITOR = "auditor"
    """Reads the record."""
    PRIVACY_OFFICER = "privacy_officer"
    """Answers for personal data: who read it, and its erasure."""


GRANTED = frozenset(Role) - {Role.PUBLIC}
ADMINISTRATIVE = frozenset({Role.SUPERVISOR, Role.DEVICE_ADMIN, Role.AUDITOR, Role.PRIVACY_OFFICER})
"""The roles of the first administrator: whoever installs Vigía hands them on to others."""
_INCLUDED: Mapping[Role, frozenset[Role]] = {
    Role.OPERATOR: frozenset({Role.VIEWER}),
    Role.SUPERVISOR: frozenset({Role.OPERATOR, Role.VIEWER}),
    Role.DEVICE_ADMIN: frozenset({Role.VIEWER}),
}


def with_included(roles: Iterable[str]) -> frozenset[Role]:
    """The roles and those that they include."""
    granted = {Role(role) for role in roles}
    return frozenset(granted.union({Role.PUBLIC}, *(_INCLUDED.get(role, ()) for role in granted)))


@dataclass(frozen=True, slots=True)
class Actor:
    """Who sends a request. `roles`: with those that they include. An API key has no person and no session."""

    name: str
    roles: frozenset[Role]
    person_id: int | None = None
    session_id: int | None = None

    def has(self, role: Role) -> bool:
        """Whether the actor may do what this role allows."""
        return role in self.roles
