"""A technician takes a town from an empty folder to the first value on its chart, with the commands of one page."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx

from services.embedded.child_process import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first-city.md"
MOST_COMMANDS = 10
MOSQUITTO_PUB = """#!{python}
# Stands in for Debian's program of this name, with the same options.
# What follows an option is its value, whatever it begins with.
import sys
from paho.mqtt import publish
from paho.mqtt.enums import MQTTProtocolVersion
given = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
assert given.keys() == {{"-V", "-h", "-p", "-u", "-P", "-q", "-t", "-m"}}
assert given["-V"] == "5"
publish.single(given["-t"], given["-m"], int(given["-q"]), hostname=given["-h"], port=int(given["-p"]),
    auth={{"username": given["-u"], "password": given["-P"]}}, protocol=MQTTProtocolVersion.MQTTv5)
"""


def test_the_commands_of_the_page_lead_to_a_value_on_the_chart(tmp_path: Path) -> None:
    commands = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    *to_value, stop = commands
    assert len(to_value) <= MOST_COMMANDS
    broker_port, api_port = free_port(0), free_port(0)
    own = [text.replace("1883", str(broker_port)).replace("8013", str(api_port)) for text in to_value]
    with Shell(tmp_path, broker_port, api_port) as shell:
        for text in own:
            if text.startswith("curl"):
                continue  # asked below until the value is there
            shell.run(text)
        assert "nothing improbable" in shell.text("output")
        assert "vigia/v1/pueblo/river/puente" in shell.text("output")
        page = f"http://127.0.0.1:{api_port}/estacion/puente"
        wait_until(lambda: "0.4200" in _text(f"{page}.csv"))
        shown = _text(page)
        assert "0,42 m" in shown
        assert "<circle" in shown
        said = shell.text("pueblo/pipeline.log")
        assert f"127.0.0.1:{broker_port} (MQTT 5)" in said
        password = shell.text("pueblo/.vigia/broker.password")
        assert password not in said + shell.text("output")
        assert "administracion, one-time code" in shell.text("pueblo/api.log")
        shell.run(stop)


def _text(address: str) -> str:
    try:
        return httpx.get(address, timeout=30.0).text
    except httpx.HTTPError:
        return ""


class Shell:
    """A shell that is given one command after the other, as by somebody at a terminal."""

    def __init__(self, folder: Path, broker_port: int, api_port: int) -> None:
        """Starts nothing."""
        self.folder = folder
        programs = folder / "bin"
        programs.mkdir()
        if shutil.which("mosquitto_pub") is None:
            program = programs / "mosquitto_pub"
            program.write_text(MOSQUITTO_PUB.format(python=sys.executable), encoding="utf-8")
            program.chmod(0o755)
        path = os.pathsep.join((str(programs), str(Path(sys.executable).parent), os.environ["PATH"]))
        ports = {"VIGIA_EMBEDDED_MQTT_PORT": str(broker_port), "VIGIA_API_PORT": str(api_port)}
        mine = {name: value for name, value in os.environ.items() if not name.startswith("VIGIA_")}
        self.environment = mine | ports | {"PATH": path}
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Shell":
        """Start the shell."""
        with (self.folder / "output").open("w") as output:
            self.process = subprocess.Popen(
                ["bash"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                text=True,
            )
        self.done = 0
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what runs in it, and wait for its end."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write("kill %1 %2 2> /dev/null; wait\n")
        self.process.stdin.close()
        self.process.wait(60)

    def run(self, text: str) -> None:
        """Run a command and wait until the shell is ready for the next."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.done += 1
        mark = f"ready-{self.done}:"
        self.process.stdin.write(f"{text}\necho {mark}$?\n")
        self.process.stdin.flush()
        wait_until(lambda: mark in self.text("output"))
        assert f"{mark}0" in self.text("output"), self.text("output")

    def text(self, name: str) -> str:
        """What a file holds; empty where there is none yet."""
        file = self.folder / name
        return file.read_text(encoding="utf-8") if file.exists() else ""
