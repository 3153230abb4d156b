"""`vigia devices`: who may connect to the broker, and what each may write. Applied to the running broker."""

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from services.broker_access.accounts import (
    SERVICES,
    AccountError,
    Company,
    Device,
    Reader,
    require_name,
    unknown_users,
)
from services.broker_access.certificates import AUTHORITY, Authority, DeviceCertificate
from services.broker_access.changes import BrokerAccess, Keep, Passwords
from services.broker_access.files import read_registry
from services.broker_access.name_file import create_private, parse_device, parse_names, password_lines, read_text
from services.opening import configured_clock
from services.runtime.settings import Settings, SettingsError

NAME = "devices"
HELP = "Add, revoke and list the users of the broker: devices, bus companies and dashboards, each with its own topics."
BROKER_URL = "mqtt://127.0.0.1:1883"
SECRETS = {name: f"mqtt_{name.removeprefix('pipeline-')}_password" for name in SERVICES}
REQUIRED = ("pipeline-critical", "pipeline-bulk")
MAX_SHOWN = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand each."""
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    add = commands.add_parser("add", help="new devices, with passwords that are given once or with certificates")
    _names(add)
    add.add_argument("--municipality", help="of the devices whose line names none")
    add.add_argument("--kind", help="of the devices whose line names none: river, rain, radar or bus")
    _out(add)
    add.add_argument("--certificates", metavar="FOLDER", type=Path, help="a new folder for certificates, not passwords")
    add.add_argument(
        "--keep-passwords", action="store_true", help="register devices of an earlier version with their passwords"
    )
    company = commands.add_parser("company", help="a bus company's gateway, held to its vehicles; again: its new list")
    company.add_argument("name")
    company.add_argument("--municipality", required=True)
    company.add_argument("--vehicles", metavar="FILE", help="ids of its vehicles, one a line; - for standard input")
    company.add_argument("--operator", action="append", default=[], help="its number on /hfp/v2/; may be repeated")
    company.add_argument("--feed", action="append", default=[], help="its feed on /gtfsrt/vp/; may be repeated")
    _out(company)
    reader = commands.add_parser("reader", help="a dashboard: reads one municipality, writes nothing")
    reader.add_argument("name")
    reader.add_argument("--municipality", required=True)
    _out(reader)
    _names(commands.add_parser("revoke", help="end the access of these users; a connected one is cut off"))
    commands.add_parser("list", help="all users with their topics and certificates")
    commands.add_parser("strict", help="end the wider rules of an earlier version")
    setup = commands.add_parser("setup", help="write the broker's files before it starts")
    setup.add_argument("--secrets", type=Path, default=Path("/run/secrets"), help="folder of the parts' passwords")


def run(arguments: argparse.Namespace) -> int:
    """Exit status 1: nothing, or not all, was done; the message says what."""
    settings = Settings()
    authority = Authority(settings.authority_dir, settings.broker_tls_dir)
    url = settings.mqtt_url.get_secret_value() if settings.mqtt_url else BROKER_URL
    access = BrokerAccess(settings.broker_dir, authority, settings.broker_pid, url)
    try:
        _RUN[arguments.what](access, settings, arguments)
    except AccountError as problem:
        print(f"vigia devices: {problem}", file=sys.stderr)
        return 1
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            print(f"vigia devices: {fault['input']!r} is no name: letters, digits and -", file=sys.stderr)
        return 1
    if settings.broker_pid is None and arguments.what not in {"list", "setup"}:
        print("no broker is named by VIGIA_BROKER_PID: send it SIGHUP, or start it", file=sys.stderr)
    return 0


def _add(access: BrokerAccess, settings: Settings, arguments: argparse.Namespace) -> None:
    devices = _devices(arguments)
    if arguments.certificates:
        keep = partial(keep_certificates, arguments.certificates, settings.broker_tls_dir / AUTHORITY)
        access.certify_devices(devices, keep, configured_clock(settings)())
        print(f"{_added(devices)}, certificates in {arguments.certificates}", file=sys.stderr)
        return
    keep_passwords: Keep = (lambda _: None) if arguments.keep_passwords else _keeper(arguments)
    access.add_devices(devices, keep_passwords, keep_passwords=arguments.keep_passwords)
    _say(_added(devices))


def _added(devices: Mapping[str, Device]) -> str:
    return "1 device added" if len(devices) == 1 else f"{len(devices)} devices added"


def _company(access: BrokerAccess, _settings: Settings, arguments: argparse.Namespace) -> None:
    name = require_name(arguments.name)
    lines = read_text(arguments.vehicles, sys.stdin).split() if arguments.vehicles else []
    company = Company(
        municipality=require_name(arguments.municipality),
        vehicles=tuple(dict.fromkeys(require_name(one) for one in lines)),
        operators=tuple(arguments.operator),
        feeds=tuple(arguments.feed),
    )
    if not (company.vehicles or company.operators or company.feeds):
        raise AccountError("give --vehicles, --operator or --feed: without them it may write nothing")
    access.set_company(name, company, _keeper(arguments))
    _say(
        f"{name} writes {len(company.vehicles)} vehicles, {len(company.operators + company.feeds)} feeds",
    )


def _reader(access: BrokerAccess, _settings: Settings, arguments: argparse.Namespace) -> None:
    reader = Reader(municipality=require_name(arguments.municipality))
    access.add_reader(require_name(arguments.name), reader, _keeper(arguments))
    _say(f"{arguments.name} reads {reader.municipality}")


def _revoke(access: BrokerAccess, settings: Settings, arguments: argparse.Namespace) -> None:
    names = [*arguments.names, *(read_text(arguments.file, sys.stdin).split() if arguments.file else [])]
    if not names:
        raise AccountError("name the devices to revoke")
    access.revoke(names, configured_clock(settings)())
    print(f"{len(names)} revoked", file=sys.stderr)


def _list(access: BrokerAccess, _settings: Settings, _arguments: argparse.Namespace) -> None:
    registry = read_registry(access.folder)
    ends = {one.name: one.ends_at for one in access.authority.issued().certificates if one.revoked_at is None}
    for name, device in sorted(registry.devices.items()):
        certificate = f"certificate until {ends[name]:%Y-%m-%d}" if name in ends else "-"
        how = "password" if name in registry.passwords else certificate
        print(f"device,{name},{device.municipality},{device.kind},{how}")
    for name, company in sorted(registry.companies.items()):
        may_write = " ".join((*company.operators, *company.feeds, *company.vehicles))
        print(f"company,{name},{company.municipality},{may_write}")
    for name, reader in sorted(registry.readers.items()):
        print(f"reader,{name},{reader.municipality}")
    for name in sorted(registry.passwords.keys() & set(SERVICES)):
        print(f"part,{name}")
    if registry.earlier_rules:
        for name in unknown_users(registry):
            print(f"earlier,{name}")
        print("rules of an earlier version hold besides: see `vigia devices strict`", file=sys.stderr)


def _strict(access: BrokerAccess, _settings: Settings, _arguments: argparse.Namespace) -> None:
    lost = access.hold_strictly()
    print(f"{len(lost)} users without an account lost their access: {' '.join(lost[:MAX_SHOWN])}", file=sys.stderr)


def _setup(access: BrokerAccess, _settings: Settings, arguments: argparse.Namespace) -> None:
    secrets = {}
    for name, file in SECRETS.items():
        path = arguments.secrets / file
        secret = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        if not secret and name in REQUIRED:
            raise SettingsError(f"{path} is missing or empty: run deploy/secrets.sh")
        if secret:
            secrets[name] = secret
    access.set_up(secrets)


_RUN: dict[str, Callable[[BrokerAccess, Settings, argparse.Namespace], None]] = {
    "add": _add,
    "company": _company,
    "reader": _reader,
    "revoke": _revoke,
    "list": _list,
    "strict": _strict,
    "setup": _setup,
}


def _devices(arguments: argparse.Namespace) -> dict[str, Device]:
    municipality, kind = arguments.municipality, arguments.kind
    if arguments.file:
        return parse_names(read_text(arguments.file, sys.stdin), municipality, kind)
    if not arguments.names:
        raise AccountError("name the devices, or give --file")
    return dict(parse_device([name], municipality, kind) for name in arguments.names)


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="1 to 64 of a-z, 0-9 and -")
    parser.add_argument("--file", help="a line each: NAME, or NAME,MUNICIPALITY,KIND; - for standard input")


def _out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", default="-", help="a new file for the passwords (mode 0600); default: standard output")


def _keeper(arguments: argparse.Namespace) -> Keep:
    """Hand out new passwords before the accounts are stored, so that none is lost whatever goes wrong after."""

    def keep(passwords: Passwords) -> None:
        if not passwords:
            return
        if arguments.out != "-":
            create_private(Path(arguments.out), password_lines(passwords))
            return
        try:
            print(password_lines(passwords), end="", flush=True)
        except (OSError, ValueError) as error:
            raise AccountError(f"the passwords cannot be printed: {error}; nothing is changed") from None

    return keep


def _say(what: str) -> None:
    print(what, file=sys.stderr)


def keep_certificates(folder: Path, authority: Path, made: Sequence[DeviceCertificate]) -> None:
    """A new folder with `NAME.crt` and `NAME.key` of each device, and the authority that devices trust."""
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise AccountError(f"{folder} cannot be created: {error.strerror}; name a new folder") from None
    shutil.copyfile(authority, folder / authority.name)
    for one in made:
        create_private(folder / f"{one.name}.crt", one.certificate)
        create_private(folder / f"{one.name}.key", one.key)
