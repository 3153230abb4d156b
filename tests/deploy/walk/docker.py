"""`docker compose` where there is no Docker, as far as deploy/README.md uses it: services run as processes here.

Commands, variables, secrets, mounted files, networks and order are those of the Compose files. A container's paths
become folders of the machine, and the names of other services, where a network is shared, addresses of the loopback; no
published port is offered. Images are not built; users, read-only file systems, limits and capabilities not imitated.

The variable VIGIA_TEST_MACHINE names the JSON of a Machine.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.deploy.walk.composition import Composition, CompositionError
from tests.deploy.walk.container import Container, mounted
from tests.deploy.walk.machine import DATABASE, Machine, ServiceError

STOPS_AT = "VIGIA_TEST_STOPS_AT"
"""Names a service before whose start the command is killed, as when somebody pulls the plug."""


def main(words: list[str]) -> int:
    """Run one command. Exit status 1: it did not succeed."""
    machine = Machine(**json.loads(Path(os.environ["VIGIA_TEST_MACHINE"]).read_text(encoding="utf-8")))
    arguments, rest = _parser().parse_known_args(words[1:])
    try:
        if words[0] != "compose":
            raise CompositionError(f"not imitated: docker {words[0]}")
        return Compose(Composition(Path.cwd()), machine).run(arguments, rest)
    except (CompositionError, ServiceError) as error:
        print(f"docker: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="docker compose", allow_abbrev=False)
    parser.add_argument("--profile")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build").add_argument("services", nargs="*")
    up = commands.add_parser("up")
    up.add_argument("-d", action="store_true", required=True)
    up.add_argument("services", nargs="*")
    run = commands.add_parser("run")
    run.add_argument("--rm", action="store_true", required=True)
    run.add_argument("-T", action="store_true")
    run.add_argument("--volume", action="append", default=[])
    run.add_argument("service")
    run.add_argument("words", nargs=argparse.REMAINDER)
    return parser


class Compose:
    """One command of Docker Compose on a machine."""

    def __init__(self, composition: Composition, machine: Machine) -> None:
        self._composition, self._machine = composition, machine

    def run(self, arguments: argparse.Namespace, rest: list[str]) -> int:
        """Exit status of the command, of `run` that of the service."""
        if rest:
            raise CompositionError(f"not imitated: {' '.join(rest)}")
        if arguments.command == "up":
            self._machine.forget_completed()
            for name in arguments.services or self._composition.started():
                self._ensure(name, "service_started")
        elif arguments.command == "run":
            self._ensure_dependencies(arguments.service)
            more = mounted({"volumes": arguments.volume})
            return self._run(Container(self._composition, self._machine, arguments.service, more), arguments.words)
        return 0

    def _ensure(self, name: str, condition: str) -> None:
        """Start a service unless it runs as it should, and wait for what is demanded of it."""
        definition = self._composition.definition(name)
        once = self._composition.service(name).get("restart") == "no"
        is_there = self._machine.has_completed if once else self._machine.runs
        if not is_there(name, definition):
            self._ensure_dependencies(name)
            if os.environ.get(STOPS_AT) == name:
                os._exit(137)
            container = Container(self._composition, self._machine, name)
            if not once:
                self._start(container, definition)
            elif self._run(container, []):
                raise ServiceError(f'service "{name}" didn\'t complete successfully')
            else:
                self._machine.note("completed", name, definition)
        if condition == "service_healthy":
            self._machine.wait_until_healthy(name, self._composition.service(name)["healthcheck"]["test"])

    def _ensure_dependencies(self, name: str) -> None:
        for needed, condition in self._composition.depends_on(name).items():
            self._ensure(needed, condition)

    def _start(self, container: Container, definition: str) -> None:
        if container.name == DATABASE:
            (password,) = self._composition.secret_files(DATABASE).values()
            self._machine.create_database(password.read_text(encoding="utf-8"))
        else:
            self._machine.start(container.name, definition, container.command([]), container.environment())

    def _run(self, container: Container, words: list[str]) -> int:
        """Run a command as a service to its end, with this process's streams. Returns its exit status."""
        command, environment = container.command(words), container.environment()
        return subprocess.run(command, cwd=self._machine.folder, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
