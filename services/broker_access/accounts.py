"""Accounts of the broker: devices, bus companies, readers, and the parts of Vigía. Pure."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from models.kinds import KINDS_BY_NAME

ID = r"^[a-z0-9-]{1,64}$"
FEED = r"^[A-Za-z0-9._-]{1,64}$"
MAX_ACCOUNTS = 20_000
"""As many as the broker accepts connections."""

Id = Annotated[str, Field(pattern=ID)]
Name = Annotated[str, Field(pattern=FEED)]


class AccountError(Exception):
    """An account cannot be made or removed; the message says why and what to do."""


class _Account(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Device(_Account):
    """A sensor or tracker. Its user name is its id in the topic; it writes its own readings and no other."""

    municipality: Id
    kind: Id


class Company(_Account):
    """The gateway of one bus company. It writes its own vehicles, operators of HFP and GTFS-realtime feeds only."""

    municipality: Id
    vehicles: tuple[Id, ...] = ()
    operators: tuple[Name, ...] = ()
    feeds: tuple[Name, ...] = ()


class Reader(_Account):
    """A dashboard of the municipality: reads its readings, writes nothing."""

    municipality: Id


class Registry(BaseModel):
    """All accounts, as stored in `accounts.json`. `passwords`: the hash of each user that has a password.

    `earlier_rules`: the broker was set up by an earlier version, and its rules still hold beside those of the accounts.
    """

    model_config = ConfigDict(extra="forbid")

    devices: dict[str, Device] = {}
    companies: dict[str, Company] = {}
    readers: dict[str, Reader] = {}
    passwords: dict[str, str] = {}
    earlier_rules: bool = False


ACTUATORS = frozenset({"siren", "sign"})
"""Kinds of devices that are ordered and measure nothing."""
SERVICES = ("pipeline-critical", "pipeline-bulk", "buses", "canary", "actuators")
"""Users of Vigía's own parts, which no device may be called."""


POLL_FEED = "poll"
"""The feed of `vigia poll`, unless it is given another."""


def require_name(name: str) -> str:
    """The name of a device or another account. Raises AccountError."""
    if not re.fullmatch(ID, name) or name.startswith("-") or name.endswith("\n"):
        raise AccountError(f"{name!r} is no name: 1 to 64 of a-z, 0-9 and -, not beginning with -")
    if name in SERVICES:
        raise AccountError(f"{name!r} is the name of a part of Vigía: choose another one")
    return name


def require_kind(kind: str) -> str:
    """The kind of a device. Raises AccountError."""
    if kind not in KINDS_BY_NAME and kind not in ACTUATORS:
        raise AccountError(f"kind {kind!r} is not known here; known are {', '.join(KINDS_BY_NAME)}")
    return kind


def has_account(registry: Registry, name: str) -> bool:
    """Whether this user has rules of its own, or a password that an earlier version gave it."""
    return (
        name in registry.devices or name in registry.companies or name in registry.readers or name in registry.passwords
    )


def unknown_users(registry: Registry) -> list[str]:
    """Users with a password that are no account and no part of Vigía: an earlier version made them."""
    known = {*SERVICES, *registry.devices, *registry.companies, *registry.readers}
    return sorted(registry.passwords.keys() - known)


def require_free(registry: Registry, name: str) -> None:
    """Raise AccountError where an account has this name."""
    if name in registry.devices:
        device = registry.devices[name]
        raise AccountError(f"{name} is already a device, {device.municipality}/{device.kind}: revoke it first")
    if name in registry.companies or name in registry.readers:
        raise AccountError(f"{name} is already a company or a reader: revoke it first")


def require_own_vehicles(registry: Registry, name: str, company: Company) -> None:
    """Raise AccountError where a company would write what another account writes."""
    others = [(other_name, other) for other_name, other in registry.companies.items() if other_name != name]
    for other_name, other in others:
        shared = set(company.vehicles) & set(other.vehicles) if company.municipality == other.municipality else set()
        named = [*_named_by(company.vehicles, other), *_named_by(other.vehicles, company)]
        for clash in (*sorted(shared), *_clashes(_prefixes(company), _prefixes(other)), *named):
            raise AccountError(f"{clash} belongs to {other_name} already, by its vehicles, operators or feeds")
    for clash in _clashes(_prefixes(company), [POLL_FEED]):
        raise AccountError(f"operator or feed {clash} is that of `vigia poll`")
    for vehicle in company.vehicles:
        device = registry.devices.get(vehicle)
        if device is not None and (device.municipality, device.kind) == (company.municipality, "bus"):
            raise AccountError(f"vehicle {vehicle} is a device of its own already: revoke it first")


def require_own_device(registry: Registry, name: str, device: Device) -> None:
    """Raise AccountError where a company writes this device's topic already."""
    for company_name, company in registry.companies.items():
        own = company.municipality == device.municipality and name in company.vehicles
        if device.kind == "bus" and (own or any(_named_by([name], company))):
            raise AccountError(f"{name} is a vehicle of {company_name} already")


def _prefixes(company: Company) -> tuple[str, ...]:
    """What the names of its vehicles begin with in the foreign formats."""
    return company.operators + company.feeds


def _named_by(vehicles: Iterable[str], other: Company) -> Iterator[str]:
    """The vehicles whose names are among those that the other's operators and feeds give."""
    names = [one.lower() for one in _prefixes(other)]
    prefixes = tuple(f"{one}-" for one in (*names, *(one.lstrip("0") for one in names)))
    return (one for one in vehicles if one.lower().startswith(prefixes)) if prefixes else iter(())


def _clashes(mine: Iterable[str], theirs: Iterable[str]) -> Iterator[str]:
    """Vehicles are called `{operator}-{vehicle}`: a prefix of another's name could make its names."""
    others = [f"{other}-" for other in theirs]
    for one in mine:
        if any(f"{one}-".startswith(other) or other.startswith(f"{one}-") for other in others):
            yield one
