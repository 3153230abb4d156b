"""Compose files as Docker Compose reads them: .env, COMPOSE_FILE, variables, several files as one, dependencies."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Service = dict[str, Any]
APPENDED = ("volumes", "ports")


class CompositionError(Exception):
    """A Compose file that cannot be used; the message says what is missing."""


class _Loader(yaml.SafeLoader):
    """YAML with Compose's tag that empties a list."""


_Loader.add_constructor("!reset", lambda _loader, _node: None)


class Composition:
    """The services and secrets of a checkout."""

    def __init__(self, checkout: Path) -> None:
        """Raises CompositionError where a demanded variable is not set."""
        self.checkout = checkout
        lines = (checkout / ".env").read_text(encoding="utf-8").splitlines()
        self.variables = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        self.services: dict[str, Service] = {}
        self.secrets: dict[str, Path] = {}
        for name in self.variables.get("COMPOSE_FILE", "docker-compose.yml").split(":"):
            content = yaml.load((checkout / name).read_text(encoding="utf-8"), _Loader)
            self._add(self._filled(content))

    def service(self, name: str) -> Service:
        """Raises CompositionError where there is none of that name."""
        if name not in self.services:
            raise CompositionError(f"no such service: {name}")
        return self.services[name]

    def started(self) -> list[str]:
        """The services that `up` starts: those without a profile."""
        return [name for name, service in self.services.items() if "profiles" not in service]

    def definition(self, name: str) -> str:
        """All that a container is made anew for when it changes."""
        return json.dumps(self.service(name), sort_keys=True)

    def depends_on(self, name: str) -> Mapping[str, str]:
        """What must be before the service: names and conditions."""
        service = self.service(name)
        needed = {one: str(how["condition"]) for one, how in service.get("depends_on", {}).items()}
        shared = str(service.get("network_mode", "")).removeprefix("service:")
        return needed | ({shared: "service_healthy"} if shared in self.services else {})

    def reaches(self, name: str, other: str) -> bool:
        """Whether the two share a network."""
        networks = self.service(name).get("networks", [])
        return bool({*networks} & {*self.service(other).get("networks", [])})

    def secret_files(self, name: str) -> dict[str, Path]:
        """The secrets of a service. Raises CompositionError where a file is missing, as Docker does."""
        files = {one: self.secrets[one] for one in self.service(name).get("secrets", [])}
        for path in files.values():
            if not path.exists():
                raise CompositionError(f"bind source path does not exist: {path}")
        return files

    def _add(self, content: dict[str, Any]) -> None:
        for name, service in content["services"].items():
            before = self.services.setdefault(name, {})
            for key, value in service.items():
                both = key in APPENDED and isinstance(value, list)
                before[key] = [*(before.get(key) or []), *value] if both else value
        for name, secret in content.get("secrets", {}).items():
            self.secrets[name] = self.checkout / secret["file"]

    def _filled(self, content: Any) -> Any:
        """The content of a file with every variable of its texts replaced."""
        if isinstance(content, dict):
            return {key: self._filled(value) for key, value in content.items()}
        if isinstance(content, list):
            return [self._filled(value) for value in content]
        if isinstance(content, str):
            return re.sub(r"\$\{(\w+)(?:(:\?|:-)([^}]*))?\}", self._value, content).replace("$$", "$")
        return content

    def _value(self, use: re.Match[str]) -> str:
        known = self.variables.get(use[1], "")
        if not known and use[2] == ":?":
            raise CompositionError(f"required variable {use[1]} is missing a value: {use[3]}")
        return known or (use[3] if use[2] == ":-" else "")
