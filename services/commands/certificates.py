"""`vigia certificates`: the authority of the devices' certificates, the broker's own, and the list of revoked ones."""

import argparse
import sys
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from services.broker_access import running_broker
from services.broker_access.accounts import AccountError, require_name
from services.broker_access.certificate_ends import certificate_ends
from services.broker_access.certificates import AUTHORITY, Authority, require_host
from services.broker_access.files import read_registry
from services.commands.devices import keep_certificates
from services.opening import configured_clock
from services.runtime.settings import Settings

NAME = "certificates"
HELP = "Make and renew the certificates of the broker and its devices and the list of revoked ones; list their ends."


def arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand each."""
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    create = commands.add_parser("create", help="the authority, the broker's certificate and an empty list")
    create.add_argument(
        "hosts", nargs="+", metavar="HOST", help="names and addresses at which devices reach the broker"
    )
    renew = commands.add_parser("renew", help="prolong the list, and what ends soon; of devices: a new certificate")
    renew.add_argument("names", nargs="*", metavar="DEVICE", help="devices that get a new certificate")
    renew.add_argument("--out", type=Path, metavar="FOLDER", help="a new folder for the devices' certificates")
    renew.add_argument(
        "--host",
        dest="hosts",
        action="append",
        default=[],
        metavar="HOST",
        help="a name or address of the broker, instead of those in its certificate; may be given several times",
    )
    commands.add_parser("list", help="when each ends; exit status 1 where one ends within 30 days")


def run(arguments: argparse.Namespace) -> int:
    """Exit status 1: not done, or, of `list`, something ends within 30 days."""
    settings = Settings()
    now = configured_clock(settings)()
    authority = Authority(settings.authority_dir, settings.broker_tls_dir)
    try:
        if arguments.what == "list":
            return _list(settings.broker_tls_dir, now)
        if arguments.what == "create":
            authority.create([require_host(host) for host in arguments.hosts], now)
            print(f"{settings.broker_tls_dir}: give {AUTHORITY} to each device", file=sys.stderr)
            return 0
        _renew(settings, authority, arguments, now)
    except AccountError as problem:
        print(f"vigia certificates: {problem}", file=sys.stderr)
        return 1
    return 0


def _renew(settings: Settings, authority: Authority, arguments: argparse.Namespace, now: datetime) -> None:
    if arguments.names:
        names = [require_name(name) for name in arguments.names]
        unknown = sorted(set(names) - read_registry(settings.broker_dir).devices.keys())
        if unknown or arguments.out is None:
            raise AccountError(f"no device: {' '.join(unknown)}" if unknown else "give --out, a new folder")
        authority.issue(names, partial(keep_certificates, arguments.out, settings.broker_tls_dir / AUTHORITY), now)
    changed = authority.renew(now, [require_host(host) for host in arguments.hosts])
    print(f"renewed: {' '.join(changed)}", file=sys.stderr)
    if AUTHORITY in changed:
        print(f"give the new {AUTHORITY} to the devices before the old one ends", file=sys.stderr)
    if settings.broker_pid is not None:
        running_broker.reload(settings.broker_pid)


def _left(ends_at: datetime, now: datetime) -> str:
    days = (ends_at - now) / timedelta(days=1)
    return f"ended {-days:.0f} days ago" if days < 0 else f"in {days:.0f} days"


def _list(folder: Path, now: datetime) -> int:
    ends = certificate_ends(folder)
    for end in ends:
        print(f"{end.ends_at:%Y-%m-%d} {_left(end.ends_at, now)} {end.name}")
    return 1 if any(end.near(now) for end in ends) else 0
