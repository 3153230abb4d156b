"""Somebody tries Vigía for the first time: one command, a storm on the page, Ctrl-C, and on again where it stopped."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import httpx
import psutil
import pytest

from services.embedded.child_process import free_port

ROOT = Path(__file__).parents[2]
SPEED = 240
WAIT_S = 120.0
"""Longer than any step takes on a busy machine. Only a fault waits this long."""
ALERT_S = 60.0
STOPS_S = 5.0
"""The figures that README promises."""


@dataclass
class Demo:
    """One running `vigia demo`, as somebody at a terminal sees it."""

    process: subprocess.Popen[str]
    output: Path

    @property
    def said(self) -> str:
        """All it printed so far."""
        return self.output.read_text(encoding="utf-8")

    def address(self) -> str:
        """Where its page is, once it says so. Raises AssertionError where it does not in time."""
        deadline = monotonic() + WAIT_S
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", self.said)):
            assert self.process.poll() is None, self.said
            assert monotonic() < deadline, self.said
            sleep(0.1)
        return found[0]

    def family(self) -> list[psutil.Process]:
        """Every process it started, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One folder for all of it: what one run leaves is what the next one finds."""
    with TemporaryDirectory(prefix="vigia-") as name:
        yield Path(name)


@contextmanager
def demo(folder: Path, api_port: int) -> Iterator[Demo]:
    """A demo while the `with` lasts; killed by its number should it still run."""
    output = folder.parent / f"{folder.name}.out"
    with output.open("w") as file:
        process = start(folder, api_port, file)
    try:
        yield Demo(process, output)
    finally:
        process.kill()
        process.wait()
        output.unlink()


def start(folder: Path, api_port: int, output: Any) -> "subprocess.Popen[str]":
    clean = {key: value for key, value in os.environ.items() if not key.startswith("VIGIA_")}
    settings = {"VIGIA_DATA_DIR": str(folder), "VIGIA_API_PORT": str(api_port)}
    settings["VIGIA_EMBEDDED_MQTT_PORT"] = str(free_port(0))
    command = [sys.executable, "-m", "services", "demo", "--speed", str(SPEED), "--seconds", "100"]
    return subprocess.Popen(command, cwd=ROOT, env=clean | settings, stdout=output, stderr=subprocess.STDOUT, text=True)


def get(address: str, path: str) -> Any:
    """What the API answers."""
    return httpx.get(f"{address}/api/v1/{path}", timeout=WAIT_S).raise_for_status().json()


def await_gone(family: list[psutil.Process]) -> None:
    """Until none of them is left. Raises AssertionError with those that are."""
    _, alive = psutil.wait_procs(family, timeout=WAIT_S)
    assert [one.cmdline() for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def newest(address: str) -> datetime:
    """The simulated time of the newest reading."""
    stations = get(address, "latest")["stations"]
    return max(datetime.fromisoformat(one["observed_at"]) for one in stations if one["observed_at"])


def stage_alerts(address: str) -> set[int]:
    """The numbers of all alerts raised by water."""
    alerts = get(address, "alerts?limit=1000")["items"]
    return {one["id"] for one in alerts if one["judgement"] in ("stage", "rainfall")}


@pytest.mark.timeout(600)
def test_a_storm_stopped_and_gone_on_with(folder: Path) -> None:
    alert, seen, _, _ = first_evening(folder)
    seen = with_its_port_taken_and_killed(folder, alert, seen)
    after_the_kill(folder, alert, seen)


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_an_alert_within_a_minute_and_stopped_within_five_seconds(folder: Path) -> None:
    _, _, alert_s, stopped_s = first_evening(folder)
    print(f"an alert after {alert_s:.1f} s, stopped after {stopped_s:.1f} s")
    assert alert_s < ALERT_S
    assert stopped_s < STOPS_S


def first_evening(folder: Path) -> tuple[int, datetime, float, float]:
    """An alert on the page, and Ctrl-C.

    Returns the alert, the time that the city had reached, and how long the alert and stopping took, s.
    """
    with demo(folder, free_port(0)) as first:
        began_s = monotonic()
        address = first.address()
        until(lambda: stage_alerts(address))
        alert_s = monotonic() - began_s
        alert = min(stage_alerts(address))
        assert f"/alerta/{alert}" in httpx.get(address, timeout=WAIT_S).text
        ana_signs_in(first, address)
        nothing_looks_real(address)
        a_rider_is_told(address)
        another_is_refused(folder)
        until(lambda: re.search(r"lecturas/s · alertas: .* · última lectura hace", first.said))
        assert " UTC" not in first.said
        assert re.search(r"^0?2/04 1[5-9]:\d\d · ", first.said, re.MULTILINE)  # begins at 15:50 in La Plata
        seen, family = newest(address), first.family()
        assert len(family) >= 6  # database, broker, pipeline, notifier, API, devices
        told_at = monotonic()
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(WAIT_S) == 0
        await_gone(family)
        stopped_s = monotonic() - told_at
    return alert, seen, alert_s, stopped_s


def nothing_looks_real(address: str) -> None:
    """Each page says that it is a simulation, and leads to alerts, buses, the API's documents and accuracy."""
    for path in ("/", "/p/LP1912", "/precision"):
        assert f"SIMULACIÓN, {SPEED} veces más rápida" in httpx.get(address + path, timeout=WAIT_S).text
    assert get(address, "health")["simulation"]["clock_factor"] == SPEED
    places = re.search(r'<nav class="places".*?</nav>', httpx.get(address, timeout=WAIT_S).text, re.DOTALL)
    assert places is not None
    links = re.findall(r'href="([^"]+)"', places[0])
    assert links[:3] == ["/", "/p/", "/precision"]
    assert all(httpx.get(address + link, timeout=WAIT_S).is_success for link in links)


def ana_signs_in(running: Demo, address: str) -> None:
    """The printed one-time code lets the demo's operator choose a password; from the next start on there is none."""
    found = re.search(r"Ana Sosa .*login ana, .*code (\S+)$", running.said, re.MULTILINE)
    assert found is not None
    with httpx.Client(base_url=address, headers={"origin": address}, timeout=WAIT_S) as browser:
        form = {"login": "ana", "code": found[1], "password": "cuatro palabras muy sueltas"}
        assert browser.post("/entrar/primera-vez", data=form).status_code == 303
        assert "Sesión: Ana Sosa" in browser.get("/").text


def another_token_lets_in(running: Demo, address: str) -> None:
    """What every start prints makes a token that lets an operator in."""
    found = re.search(r"API key: (.+)$", running.said, re.MULTILINE)
    assert found is not None
    made = subprocess.run(found[1], shell=True, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=True)
    form, headers = {"token": made.stdout.strip()}, {"origin": address}
    entered = httpx.post(f"{address}/entrar", data=form, headers=headers, timeout=WAIT_S)
    assert entered.status_code == 303


def a_rider_is_told(address: str) -> None:
    """At 7 y 50 there is a board, and an answer by text message; at this speed a tracker's minute is a moment ago."""
    until(lambda: ">307</a>" in (page := httpx.get(f"{address}/p/LP1912", timeout=WAIT_S).text) and "<li><b>" in page)
    assert re.match(r"LP1912 \d\d:\d\d \w+:", httpx.get(f"{address}/sms?texto=lp1912", timeout=WAIT_S).text)


def another_is_refused(folder: Path) -> None:
    """A second demo on the same folder is told why not and what to do instead."""
    beside = start(folder, free_port(0), subprocess.PIPE)
    said, _ = beside.communicate(timeout=WAIT_S)
    assert beside.returncode == 2
    assert "ya hay una demo" in said
    assert "VIGIA_DATA_DIR=" in said
    assert "Traceback" not in said


def with_its_port_taken_and_killed(folder: Path, alert: int, seen: datetime) -> datetime:
    """What was there is there, time goes on, and nothing outlives a kill -9."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        with demo(folder, busy) as second:
            address = second.address()
            assert not address.endswith(f":{busy}")
            assert f"{busy} está ocupado" in second.said
            assert re.search(r"login ana, .*your password$", second.said, re.MULTILINE)
            another_token_lets_in(second, address)
            assert alert in stage_alerts(address)
            until(lambda: newest(address) > seen)
            later, family = newest(address), second.family()
            second.process.kill()
            second.process.wait()
            await_gone(family)
    return later


def after_the_kill(folder: Path, alert: int, seen: datetime) -> None:
    """The next start copes with what a killed one left."""
    with demo(folder, free_port(0)) as third:
        address = third.address()
        assert alert in stage_alerts(address)
        assert newest(address) >= seen
        until(lambda: newest(address) > seen)
        third.process.send_signal(signal.SIGTERM)
        assert third.process.wait(WAIT_S) == 0


def until(happened: Callable[[], Any], wait_s: float = WAIT_S) -> None:
    """Until it happened. Raises AssertionError where it does not in time."""
    deadline = monotonic() + wait_s
    while not happened():
        assert monotonic() < deadline
        sleep(0.2)
