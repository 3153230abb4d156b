"""What `vigia devices` does to the accounts of the broker, applied to the running one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from services.broker_access import running_broker
from services.broker_access.accounts import (
    SERVICES,
    AccountError,
    Company,
    Device,
    Reader,
    Registry,
    has_account,
    require_free,
    require_own_device,
    require_own_vehicles,
    unknown_users,
)
from services.broker_access.certificates import Authority, DeviceCertificate
from services.broker_access.files import edited_registry
from services.broker_access.passwords import new_password, password_hash

Passwords = list[tuple[str, str]]
Keep = Callable[[Passwords], None]


@dataclass(frozen=True, slots=True)
class BrokerAccess:
    """The accounts in `folder`. `pid`: the running broker, None where none is told. `url`: where it listens."""

    folder: Path
    authority: Authority
    pid: int | None
    url: str

    def set_up(self, secrets: Mapping[str, str]) -> None:
        """Write the broker's files, with the passwords of Vigía's own parts. Called before the broker starts."""
        with edited_registry(self.folder) as registry:
            for name in SERVICES:
                registry.passwords.pop(name, None)
            hashed = {name: password_hash(password) for name, password in secrets.items()}
            registry.passwords = hashed | registry.passwords
            if not registry.earlier_rules:
                _forget_unknown(registry)

    def add_devices(self, devices: Mapping[str, Device], keep: Keep, *, keep_passwords: bool = False) -> Passwords:
        """New devices with new passwords, which `keep` stores before the broker knows them. Raises AccountError.

        `keep_passwords`: the devices of an earlier version, which had a password and no rules of their own.
        """
        passwords: Passwords = []
        with edited_registry(self.folder) as registry:
            for name, device in devices.items():
                _add_device(registry, name, device)
                if keep_passwords and name not in registry.passwords:
                    raise AccountError(f"{name} has no password that could be kept")
                if not keep_passwords:
                    passwords.append((name, _give_password(registry, name)))
            keep(passwords)
        self._reload()
        return passwords

    def certify_devices(
        self, devices: Mapping[str, Device], keep: Callable[[list[DeviceCertificate]], None], now: datetime
    ) -> None:
        """New devices with certificates and without passwords. Raises AccountError."""
        with edited_registry(self.folder) as registry:
            for name, device in devices.items():
                _add_device(registry, name, device)
            self.authority.issue(list(devices), keep, now)
        self._reload()

    def set_company(self, name: str, company: Company, keep: Keep) -> Passwords:
        """A bus company, or the new list of a known one, whose password stays. Raises AccountError."""
        passwords: Passwords = []
        with edited_registry(self.folder) as registry:
            if name not in registry.companies:
                require_free(registry, name)
                passwords.append((name, _give_password(registry, name)))
            require_own_vehicles(registry, name, company)
            registry.companies[name] = company
            keep(passwords)
        self._reload()
        return passwords

    def add_reader(self, name: str, reader: Reader, keep: Keep) -> Passwords:
        """A dashboard. Raises AccountError."""
        with edited_registry(self.folder) as registry:
            require_free(registry, name)
            passwords = [(name, _give_password(registry, name))]
            registry.readers[name] = reader
            keep(passwords)
        self._reload()
        return passwords

    def revoke(self, names: Sequence[str], now: datetime) -> None:
        """Take passwords, rules and certificates of these accounts, and end their sessions. Raises AccountError.

        None is changed where one is unknown.
        """
        certified = {one.name for one in self.authority.issued().certificates if one.revoked_at is None}
        with edited_registry(self.folder) as registry:
            for name in names:
                if name in SERVICES or not (has_account(registry, name) or name in certified):
                    raise AccountError(f"{name} is no account: nothing is changed; `vigia devices list` shows them")
            for name in names:
                for accounts in (registry.devices, registry.companies, registry.readers, registry.passwords):
                    accounts.pop(name, None)
        with_certificate = self.authority.revoke(list(names), now)
        self._reload()
        if with_certificate and self.pid is not None:
            self._end_sessions(with_certificate)

    def _end_sessions(self, names: Sequence[str]) -> None:
        """End them: on reloading, the broker lets a client with a certificate stay, without rights."""
        takeover = {name: new_password() for name in names}
        with edited_registry(self.folder) as registry:
            registry.passwords |= {name: password_hash(password) for name, password in takeover.items()}
        self._reload()
        try:
            stayed = [
                name
                for name, password in takeover.items()
                if not running_broker.retry(lambda n=name, p=password: running_broker.end_session(self.url, n, p))  # type: ignore[misc]
            ]
        finally:
            with edited_registry(self.folder) as registry:
                for name in set(names) - registry.devices.keys():
                    registry.passwords.pop(name, None)
            self._reload()
        if stayed:
            raise AccountError(
                f"{', '.join(stayed)}: revoked, and may write nothing, but the session could not be ended at"
                f" {self.url}: restart the broker"
            )

    def hold_strictly(self) -> list[str]:
        """End the rules of an earlier version. Returns the users that lose their access."""
        with edited_registry(self.folder) as registry:
            registry.earlier_rules = False
            lost = _forget_unknown(registry)
        self._reload()
        return lost

    def _reload(self) -> None:
        if self.pid is not None:
            running_broker.reload(self.pid)


def _add_device(registry: Registry, name: str, device: Device) -> None:
    require_free(registry, name)
    require_own_device(registry, name, device)
    registry.devices[name] = device


def _give_password(registry: Registry, name: str) -> str:
    password = new_password()
    registry.passwords[name] = password_hash(password)
    return password


def _forget_unknown(registry: Registry) -> list[str]:
    """Remove passwords of nobody's account; returns whose."""
    unknown = unknown_users(registry)
    for name in unknown:
        del registry.passwords[name]
    return unknown
