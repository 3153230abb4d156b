"""`vigia duty`: who is on duty, where nobody is, take the watch, and load the rota from a file."""

import argparse
import sys
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path

from sqlalchemy import Connection

from services.duty.changes import Post, take_watch
from services.duty.overview import Duty, Watch, read_duty
from services.duty.rota import Position
from services.duty.rota_file import RotaFileError
from services.duty.rota_load import load_rota
from services.duty.rota_rows import read_zones
from services.opening import configured_clock, migrated_database
from services.queries.city.city import current_city
from services.runtime.problem import HttpProblem
from services.runtime.settings import Settings

NAME = "duty"
HELP = "Show who is on duty and where nobody is, take the watch, or load the rota from a file."
TERMINAL = "terminal"
"""Who changed the rota, where it was loaded from the terminal."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand each."""
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    commands.add_parser("show", help="who is on duty now, and whom no tested channel reaches")
    commands.add_parser("gaps", help="where nobody is on duty in the next 14 days; exit status 1 where there are gaps")
    take = commands.add_parser("take", help="put a person on duty at once, to the end of the turn under way")
    take.add_argument("login", help="who takes the watch")
    take.add_argument("--zone", help="municipality:ID or basin:ID (default: the city)")
    take.add_argument("--position", type=Position, choices=tuple(Position), default=Position.OPERATOR)
    load = commands.add_parser("load", help="load shifts, steps of escalation and phone tree: docs/duty.md")
    load.add_argument("file", type=Path, help="TOML; what it no longer says ends now")


def run(arguments: argparse.Namespace) -> int:
    """Exit status 1: gaps or people who cannot be reached, or a refusal; 2: a file with problems."""
    settings = Settings()
    try:
        with migrated_database(settings, "vigia-duty") as database, database.begin() as transaction:
            return _run(arguments, transaction, settings)
    except RotaFileError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except HttpProblem as problem:
        print(problem, file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace, transaction: Connection, settings: Settings) -> int:
    now, zone = configured_clock(settings)(), current_city(transaction).zone
    if arguments.what == "load":
        loaded = load_rota(transaction, arguments.file, by=TERMINAL, now=now)
        print(
            f"{loaded.shifts} turnos / shifts ({loaded.added} new, {loaded.ended} ended), {loaded.steps} pasos / steps,"
            f" {loaded.phones} teléfonos / telephones"
        )
    elif arguments.what == "take":
        where = arguments.zone or read_zones(transaction).city
        take_watch(transaction, Post(where, arguments.position), by=arguments.login, now=now)
    duty = read_duty(transaction, now)
    lines = list(gap_lines(duty, zone) if arguments.what == "gaps" else duty_lines(duty, zone))
    print("\n".join(lines))
    nobody = any(not watch.people for watch in duty.now)
    is_wrong = bool(duty.gaps) if arguments.what == "gaps" else bool(duty.untested) or nobody
    return int(is_wrong and arguments.what in {"show", "gaps"})


def duty_lines(duty: Duty, zone: tzinfo) -> Iterator[str]:
    """Who is on duty now, and whom no tested channel reaches."""
    if not duty.now:
        yield "la rota está vacía: vigia duty load / the rota is empty"
    for watch in duty.now:
        names = ", ".join(one.name for one in watch.people) or "NADIE / NOBODY"
        yield f"{watch.zone}\t{watch.position}\t{names}\thasta / until {watch.ends_at.astimezone(zone):%d/%m %H:%M}"
    for person in duty.untested:
        yield f"SIN CANAL PROBADO / NO TESTED CHANNEL\t{person.login}\t{person.name}"


def gap_lines(duty: Duty, zone: tzinfo) -> Iterator[str]:
    """Where nobody is on duty in the next 14 days."""
    if not duty.gaps:
        yield "ningún turno sin nadie / no gaps"
    for gap in duty.gaps:
        yield f"{gap.zone}\t{gap.position}\t{_period(gap, zone)}"


def _period(watch: Watch, zone: tzinfo) -> str:
    start, end = watch.starts_at.astimezone(zone), watch.ends_at.astimezone(zone)
    return f"{start:%d/%m %H:%M} – {end:%d/%m %H:%M}"
