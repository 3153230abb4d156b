"""API routes of people: who sends the request and what they may do, and all accounts for those who administer them."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.people.accounts import list_people
from services.people.roles import Role
from services.web.access import AnyActor, Supervisor
from services.web.context import DatabaseSnapshot
from services.web.routes import BoundedRoute

router = APIRouter(tags=["people"], route_class=BoundedRoute)

MAX_PEOPLE = 10_000


class Me(BaseModel):
    """Who sends the request."""

    name: str = Field(description="As it stands beside what they do", examples=["Ana Sosa"])
    roles: list[Role] = Field(description="With the roles that they include", examples=[["operator", "viewer"]])
    is_person: bool = Field(description="False for an API key")


class Account(BaseModel):
    """A person's account."""

    model_config = ConfigDict(from_attributes=True)

    login: str = Field(examples=["ana"])
    name: str = Field(examples=["Ana Sosa"])
    organisation_id: str | None = Field(examples=["civil-defence"])
    language: str = Field(examples=["es"])
    roles: list[Role] = Field(description="As given, without those that they include", examples=[["operator"]])
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool = Field(description="False until they have set one with their one-time code")
    has_second_factor: bool


class Accounts(BaseModel):
    """All accounts, those in force first."""

    items: list[Account] = Field(max_length=MAX_PEOPLE)


@router.get("/me")
def me(actor: AnyActor) -> Me:
    """Who sends the request, and what they may do. For whoever has an account or an API key."""
    roles = sorted(actor.roles - {Role.PUBLIC})
    return Me(name=actor.name, roles=roles, is_person=actor.person_id is not None)


@router.get("/people")
def people(_supervisor: Supervisor, snapshot: DatabaseSnapshot) -> Accounts:
    """All accounts of people, with their roles and whether they have set a password. For supervisors."""
    return Accounts(items=[Account.model_validate(one) for one in list_people(snapshot)])
