"""`vigia demo`: the whole city on this machine, in the storm of 2 April 2013, until Ctrl-C."""

import argparse
import os
import shlex
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import monotonic

from services.demo import (
    PEOPLE,
    DemoProcesses,
    DemoStatus,
    has_forecasts,
    lock_demo_folder,
    prepare_database,
    publish_clock,
    resumed_clock,
    save_time,
    timetable_file,
    wait_for_api,
)
from services.embedded.child_process import HOST, free_port
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.owned_server import ServerStartError
from services.embedded.postgres import embedded_postgres
from services.runtime.database import open_database
from services.runtime.process import stop_on_signals
from services.runtime.settings import Settings, SettingsError
from simulators.buses.tracker_messages import MUNICIPALITY
from simulators.lines import schematic_network
from simulators.scenarios import SCENARIOS

NAME = "demo"
DEFAULT_FOLDER = Settings.model_fields["data_dir"].default
HELP = "Run all of Vigía on this machine, in a simulated city, until Ctrl-C."
SPEED = 60.0
STOP, STOP_NAME = "LP1912", "7 y 50"
"""A stop of the simulated lines, for the printed address."""
STATUS_S = 1.0
UNWATCHED_STATUS_S = 10.0
"""Interval of the status line where the output is no terminal."""
WIDTH = 110


def arguments(parser: argparse.ArgumentParser) -> None:
    """Scenario, speed and duration."""
    parser.add_argument(
        "--scenario", choices=SCENARIOS, default="storm_2013", help="the scenario (default: storm_2013)"
    )
    parser.add_argument("--speed", type=float, default=SPEED, help="simulated seconds a second (default: 60)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")


def run(arguments: argparse.Namespace) -> int:
    """Start all processes, print their state, and stop them a few seconds after a signal."""
    settings, stop = Settings(), stop_on_signals()
    if settings.database_url is not None or settings.mqtt_url is not None:
        raise SettingsError("the demo brings its own parts: unset VIGIA_DATABASE_URL and VIGIA_MQTT_URL")
    folder = settings.data_dir.absolute()
    try:
        with lock_demo_folder(folder):
            return _demo(arguments, settings, folder, stop)
    except ServerStartError as error:
        raise SettingsError(f"{error} (logs: {folder})") from error


def _demo(arguments: argparse.Namespace, settings: Settings, folder: Path, stop: threading.Event) -> int:
    _print("base de datos y broker / database and broker ...")
    with embedded_postgres(folder) as postgres, embedded_broker(folder, settings.embedded_mqtt_port) as broker:
        clock = resumed_clock(folder, SCENARIOS[arguments.scenario].default_start, arguments.speed)
        database = open_database(postgres.url, name="vigia-demo", pool_size=1)
        publish_clock(folder, clock)
        codes = prepare_database(database, clock())
        port = free_port(settings.api_port)
        if port != settings.api_port:
            _print(f"el puerto {settings.api_port} está ocupado, uso {port} / port taken")
        environment = {"VIGIA_DATA_DIR": str(folder), "VIGIA_CLOCK": str(clock), "VIGIA_API_PORT": str(port)}
        environment |= {"VIGIA_FOREIGN_BUSES": MUNICIPALITY, "VIGIA_SIMULATED_DEVICES": "1"}
        processes = DemoProcesses(folder, environment, arguments.scenario, timetable_file(folder, schematic_network()))
        try:
            processes.start_all()
            processes.import_timetable()
            if not wait_for_api(f"http://{HOST}:{port}", processes, stop):
                _print(f"la página no respondió: ver / the page did not answer: see {folder / 'api.log'}")
                return 0 if stop.is_set() else 1
            _print_addresses(port, broker.url, codes, folder)
            if not has_forecasts(database):
                processes.learn()
            _supervise(
                DemoStatus(database, clock), processes, stop, arguments.seconds, lambda now: save_time(folder, now)
            )
        finally:
            _print("\nfrenando / stopping ...")
            processes.stop_all()
            save_time(folder, clock())
            database.dispose()
    return 0


def _print_addresses(port: int, mqtt_url: str, codes: dict[str, str | None], folder: Path) -> None:
    _print(f"\n  Vigía: http://{HOST}:{port}/   (API: http://{HOST}:{port}/docs)")
    _print(f"  Micros esquemáticos / schematic buses: http://{HOST}:{port}/p/{STOP} ({STOP_NAME})")
    _print(f"  MQTT:  {mqtt_url}")
    _print_people(f"http://{HOST}:{port}/entrar", codes)
    _print(f"  Clave para programas / API key: {_token_command(folder)}")
    _print("  Ctrl-C frena todo; la próxima vez sigue donde quedó / stops all; the next start goes on from here\n")


def _print_people(address: str, codes: dict[str, str | None]) -> None:
    """How to sign in as each person of the demo. The codes are drawn at random at each start."""
    _print(f"  Entrar / sign in: {address}")
    _print(f"  Con un código de un solo uso / with a one-time code: {address}/primera-vez")
    for person in PEOPLE:
        code = codes[person.login]
        proof = "tu contraseña / your password" if code is None else f"código / code {code}"
        _print(f"    {person.name} ({', '.join(person.roles)}): usuario / login {person.login}, {proof}")


def _token_command(folder: Path) -> str:
    """The command that prints a token for an operator of this demo, to paste into a shell in this folder."""
    program = Path(sys.executable).with_name("vigia")
    shown = shlex.quote(os.path.relpath(program))
    place = "" if folder == Path(DEFAULT_FOLDER).absolute() else f"VIGIA_DATA_DIR={shlex.quote(str(folder))} "
    return f'{place}{shown} token "Tu nombre"'


def _supervise(
    status: DemoStatus,
    processes: DemoProcesses,
    stop: threading.Event,
    seconds: float,
    note: Callable[[datetime], None],
) -> None:
    is_terminal = sys.stdout.isatty()
    until_s, clock = monotonic() + seconds, status.clock
    while not stop.is_set() and monotonic() < until_s:
        line = status.line() + (f" · reinicios {processes.restarts}" if processes.restarts else "")
        print(f"\r{line:<{WIDTH}}" if is_terminal else line, end="" if is_terminal else "\n", flush=True)
        note(clock())
        processes.restart_ended()
        stop.wait(min(STATUS_S if is_terminal else UNWATCHED_STATUS_S, max(0.0, until_s - monotonic())))


def _print(text: str) -> None:
    print(text, flush=True)
