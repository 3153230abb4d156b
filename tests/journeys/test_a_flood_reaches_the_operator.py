"""A stream rises, and somebody who can do something knows: gauges, broker, database, pipeline and API, all for real.

The town's time runs faster than ours, so that an afternoon passes in half a minute.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from models.migrations import upgrade
from services.city.load import load
from services.city.seed import read_seed
from services.embedded.child_process import free_port
from services.embedded.mqtt_broker import embedded_broker
from services.embedded.postgres import embedded_postgres
from services.people.api_keys import add_api_key
from services.runtime.clock import FasterClock, wall_clock
from services.runtime.database import open_database
from tests.waiting import LIMIT_S

ROOT = Path(__file__).parents[2]
MORNING = datetime(2026, 4, 2, 9, tzinfo=UTC)
FACTOR = 240.0
PERIOD = timedelta(minutes=2)
AT_ONCE_S = 5.0
"""What an operator would still call "at once"."""
CALM = (0.50, 0.51, 0.50)
RISE = (0.64, 0.78, 0.92, 1.06, 1.20, 1.34, 1.48, 1.62, 1.76, 1.90, 1.91)
FALL = (1.80, 1.66, 1.52, 1.38, 1.24, 1.10, 0.96, 0.82, 0.70, 0.60, *[0.50, 0.51] * 5)
STATION = """
[[station]]
id = "{name}"
name = "Arroyo de {name}"
municipality = "azul"
kind = "river"
position = [-36.78, -59.86]
rules.stage = {{ thresholds_m = [0.9, 1.3, 1.7], clear_hold_s = 600, origin = "derived" }}
device = {{ period_s = 120 }}
"""
CITY = """
[city]
id = "azul"
name = "Azul"
zone = "America/Argentina/Buenos_Aires"

[[municipality]]
id = "azul"
name = "Azul"
position = [-36.78, -59.86]
"""
NO_BASINS = '{"type": "FeatureCollection", "features": []}'


@dataclass
class Town:
    """Everything that runs, and how to reach it."""

    address: str
    mqtt_url: str
    clock: FasterClock
    tokens: dict[str, str]
    logs: Path

    def get(self, path: str, who: str | None = None) -> Any:
        """What the API answers an operator, or anyone."""
        headers = {} if who is None else {"Authorization": f"Bearer {self.tokens[who]}"}
        return httpx.get(f"{self.address}/api/v1/{path}", headers=headers, timeout=LIMIT_S).raise_for_status().json()

    def act(self, who: str, alert: dict[str, Any], action: str) -> httpx.Response:
        """An operator does something about an alert as it was seen."""
        return httpx.post(
            f"{self.address}/api/v1/alerts/{alert['id']}/{action}",
            json={"version": alert["version"]},
            headers={"Authorization": f"Bearer {self.tokens[who]}"},
            timeout=LIMIT_S,
        )

    def alert(self, station: str, judgement: str) -> dict[str, Any] | None:
        """The open alert of that sort there, if there is one."""
        found = self.get(f"alerts?state=open&station={station}")["items"]
        return next((one for one in found if one["judgement"] == judgement), None)

    def until(self, happened: Callable[[], Any], wait_s: float = LIMIT_S) -> Any:
        """What happened, once it did. Raises AssertionError with the processes' logs where it does not in time."""
        deadline = monotonic() + wait_s
        while not (found := happened()):
            assert monotonic() < deadline, "\n".join(log.read_text()[-3000:] for log in self.logs.glob("*.log"))
            sleep(0.05)
        return found


@dataclass
class Screen:
    """An operator's live stream: each event with the moment it was seen."""

    address: str
    seen: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def open(self) -> Iterator["Screen"]:
        """Watch while the `with` lasts."""
        watching = threading.Thread(target=self._watch, daemon=True)
        watching.start()
        deadline = monotonic() + LIMIT_S
        while not any(name == "pulse" for _, name, _ in self.seen):
            assert monotonic() < deadline
            sleep(0.01)
        try:
            yield self
        finally:
            self._stop.set()
            watching.join(15)

    def transitions(self, rule: str) -> list[tuple[float, dict[str, Any]]]:
        """What this rule said, in its order."""
        return [(at, data) for at, name, data in list(self.seen) if name == "transition" and data["rule_id"] == rule]

    def colours(self, rule: str) -> list[int]:
        """The colours this rule went through."""
        return [data["after"] for _, data in self.transitions(rule) if data["change"] not in {"confirmed", "observed"}]

    def acted(self, alert_id: int) -> list[tuple[str, str]]:
        """What people did about this alert, and who."""
        mine = [data for _, name, data in list(self.seen) if name == "alert" and data["id"] == alert_id]
        return [(data["action"], data["by"]) for data in mine]

    def _watch(self) -> None:
        with httpx.stream("GET", f"{self.address}/api/v1/live", timeout=LIMIT_S) as answer:
            name = ""
            for line in answer.iter_lines():
                word, _, rest = line.partition(": ")
                if word == "event":
                    name = rest
                elif word == "data":
                    self.seen.append((monotonic(), name, json.loads(rest)))
                if self._stop.is_set():
                    return


class Gauge:
    """A gauge on a bridge, with a birth, a will and a number on everything it says."""

    def __init__(self, town: Town, station: str) -> None:
        self.station, self.town, self.seq, self.topic = station, town, 0, f"vigia/v1/azul/river/{station}"
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=station, protocol=MQTTv5)
        address = urlsplit(town.mqtt_url)
        assert address.hostname
        assert address.port
        self.client.username_pw_set(address.username, address.password)
        self.client.will_set(f"{self.topic}/status", b'{"online": false}', qos=1, retain=True)
        self.client.connect(address.hostname, address.port)
        self.client.loop_start()
        self.publish(b'{"online": true}', topic=f"{self.topic}/status", retain=True)
        self.next = monotonic()
        self.said: list[bytes] = []

    def publish(self, payload: bytes, *, topic: str | None = None, retain: bool = False) -> float:
        """Hand over, and wait for the broker's word; returns when that was."""
        message = self.client.publish(topic or self.topic, payload, qos=1, retain=retain)
        message.wait_for_publish(10)
        assert message.is_published()
        return monotonic()

    def says(self, *levels_m: float) -> float:
        """Measure, one period after the other; returns when the last was handed over."""
        handed = 0.0
        for level_m in levels_m:
            sleep(max(0.0, self.next - monotonic()))
            self.next = monotonic() + PERIOD.total_seconds() / FACTOR
            self.seq += 1
            at = self.town.clock().isoformat()
            body = {"observed_at": at, "boot": "b1", "seq": self.seq, "level_m": level_m}
            self.said.append(json.dumps(body).encode())
            handed = self.publish(self.said[-1])
        return handed

    def leaves(self) -> None:
        """Goodbye: the will stays unsaid."""
        self.client.disconnect()
        self.client.loop_stop()

    def dies(self) -> None:
        """No goodbye: the connection is cut."""
        connection = self.client.socket()
        assert connection is not None
        self.client.loop_stop()
        connection.close()


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """Three bridges and two operators; pipeline, notifier and API as the processes they are."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="vigia-")))
        postgres = stack.enter_context(embedded_postgres(folder))
        broker = stack.enter_context(embedded_broker(folder, port=0))
        clock = FasterClock(MORNING, FACTOR, wall_clock())
        tokens = _settle(folder, postgres.url, clock())
        port = free_port(0)
        environment = {"VIGIA_DATA_DIR": str(folder), "VIGIA_CLOCK": str(clock), "VIGIA_API_PORT": str(port)}
        logs = folder / "logs"
        logs.mkdir()
        for name in ("pipeline", "notifier", "api"):
            stack.enter_context(_process(name, environment, logs / f"{name}.log"))
        town = Town(f"http://127.0.0.1:{port}", broker.url, clock, tokens, logs)
        town.until(lambda: _is_ready(town))
        yield town


def _settle(folder: Path, url: str, now: datetime) -> dict[str, str]:
    """The town in the tables, and its operators' tokens."""
    (folder / "city.toml").write_text(CITY + "".join(STATION.format(name=name) for name in ("norte", "sur", "este")))
    (folder / "basins.geojson").write_text(NO_BASINS)
    database = open_database(url, name="test")
    with database.begin() as transaction:
        upgrade(transaction)
        load(transaction, read_seed(folder), now)
        tokens = {name: add_api_key(transaction, name, now) for name in ("ana", "luis")}
    database.dispose()
    return tokens


@contextmanager
def _process(name: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("VIGIA_")}
    command = [sys.executable, "-m", "services", name]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=clean | environment, stdout=output, stderr=output)
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_ready(town: Town) -> bool:
    """The API answers and the pipeline listens: what is said before anybody listens is nobody's loss."""
    try:
        processes = town.get("health")["processes"]
    except httpx.HTTPError:
        return False
    return any(one["process"] == "pipeline-all" and one["status"]["connected"] for one in processes)


def test_a_stream_rises_somebody_answers_for_it_and_the_water_falls(town: Town) -> None:
    gauge, rule = Gauge(town, "norte"), "norte.stage"
    with Screen(town.address).open() as screen:
        gauge.says(*CALM)
        assert screen.transitions(rule) == []
        gauge.says(*RISE[:3])
        _, first = town.until(lambda: screen.transitions(rule))[0]
        assert (first["before"], first["change"]) == (0, "raised")

        alert = town.until(lambda: town.alert("norte", "stage"))
        with httpx.Client(base_url=town.address, headers={"Accept-Language": "es"}, timeout=LIMIT_S) as browser:
            assert "Arroyo de norte" in _alerts(browser.get("/").text)
            _enter(browser, town.tokens["ana"])
            page = browser.get(f"/alerta/{alert['id']}").text
            version = re.search(r'name="version" value="(\d+)"', page)
            assert version
            answer = browser.post(
                f"/alerta/{alert['id']}/reconocer",
                data={"version": version[1], "note": "Cuadrilla en camino.", "back": "lista"},
                headers={"Origin": town.address},
            )
            assert (answer.status_code, answer.headers["location"]) == (303, "/#sucesos")
            assert "Reconocida por ana" in _alerts(browser.get("/").text)
        # Without a token a change is seen once the event of it has come, not in the same instant.
        town.until(lambda: (one := town.alert("norte", "stage")) and one["acknowledged_by"] == "operator")
        town.until(lambda: "Reconocida por la guardia" in _alerts(httpx.get(town.address, timeout=LIMIT_S).text))
        for who, told in (("ana", ("ana", "Cuadrilla en camino.")), (None, ("operator", ""))):
            story = town.get(f"alerts/{alert['id']}", who)
            assert [(one["actor"], one["note"]) for one in story["actions"]] == [told]

        gauge.says(*RISE[3:])
        worst = town.until(
            lambda: (one := town.alert("norte", "stage")) and one["nar"] == 3 and one["cause"] == "level" and one
        )
        assert worst["id"] == alert["id"]
        assert worst["acknowledged_by"] is None  # rojo is another matter than what ana took charge of
        assert town.act("luis", alert, "acknowledge").status_code == 409
        assert town.act("luis", worst, "acknowledge").status_code == 200
        assert town.act("ana", worst, "acknowledge").json()["detail"].startswith("Otra persona ya tomó")
        assert town.act("luis", town.alert("norte", "stage") or {}, "close").status_code == 409

        gauge.says(*FALL)
        over = town.until(lambda: (one := town.alert("norte", "stage")) and one["state"] == "cleared" and one)
        closed = town.act("luis", over, "close")
        assert closed.status_code == 200, closed.text
        assert closed.json()["alert"]["closed_by"] == "luis"
        town.until(lambda: town.alert("norte", "stage") is None)
        town.until(lambda: screen.colours(rule)[-1] == 0)
        colours = screen.colours(rule)
        assert colours == [*sorted({*colours} - {0}), 2, 1, 0]  # up to rojo, then down one by one
        town.until(lambda: screen.acted(alert["id"])[-1:] == [("close", "operator")])
        assert screen.acted(alert["id"]) == [
            ("acknowledge", "operator"),
            ("acknowledge", "operator"),
            ("close", "operator"),
        ]

    moves, rows = _moves(town, rule), len(_raw(town, "norte"))
    for payload in gauge.said:
        gauge.publish(payload)
    gauge.says(0.5)
    town.until(lambda: len(_raw(town, "norte")) > rows)
    assert (_moves(town, rule), len(_raw(town, "norte"))) == (moves, rows + 1)
    assert town.get("rejections")["items"] == []
    gauge.leaves()


@pytest.mark.proof
def test_the_operators_screen_shows_the_rise_within_five_seconds(town: Town) -> None:
    gauge = Gauge(town, "norte")
    with Screen(town.address).open() as screen:
        gauge.says(*CALM)
        handed_s = gauge.says(*RISE[:3])
        shown_s, _ = town.until(lambda: screen.transitions("norte.stage"))[0]
    gauge.leaves()
    assert shown_s - handed_s < AT_ONCE_S


def test_a_gauge_that_dies_at_high_water_keeps_its_colour_and_is_missed(town: Town) -> None:
    gauge = Gauge(town, "sur")
    gauge.says(*CALM, *RISE)
    stage = town.until(lambda: (one := town.alert("sur", "stage")) and one["nar"] == 3 and one)
    town.until(lambda: town.get("devices?station=sur")["items"][0]["online"])
    gauge.dies()
    town.until(lambda: (one := town.alert("sur", "silence")) and one["nar"] == 3)
    assert town.alert("sur", "stage")["nar"] == stage["nar"]  # type: ignore[index]
    assert town.get("devices?station=sur")["items"][0]["online"] is False
    page = httpx.get(f"{town.address}/estacion/sur", timeout=LIMIT_S).text
    assert 'class="station card-rojo nodata"' in page  # its colour stands, and that nobody knows better


def test_the_number_for_no_value_never_alarms_and_is_kept_for_ever(town: Town) -> None:
    gauge = Gauge(town, "este")
    gauge.says(0.5, -9999.0, 0.51, -9999.0, 0.5)
    series = town.until(lambda: len(found := _raw(town, "este")) == 5 and found)
    assert [one["value"] for one in series] == [0.5, -9999.0, 0.51, -9999.0, 0.5]
    assert town.alert("este", "stage") is None
    assert town.get("stations/este/latest")["value"] == 0.5
    gauge.leaves()


def _moves(town: Town, rule: str) -> list[int]:
    return [one["id"] for one in town.get("transitions?limit=200")["items"] if one["rule_id"] == rule]


def _raw(town: Town, station: str) -> list[dict[str, Any]]:
    since = MORNING.isoformat().replace("+00:00", "Z")
    until = town.clock().isoformat().replace("+00:00", "Z")
    found: list[dict[str, Any]] = town.get(f"stations/{station}/series?from={since}&to={until}&resolution=raw")[
        "readings"
    ]
    return found


def _alerts(page: str) -> str:
    """The open alerts on the watch page."""
    return page[page.index('id="sucesos"') : page.index('id="estaciones"')]


def _enter(browser: httpx.Client, token: str) -> None:
    origin = str(browser.base_url).rstrip("/")
    assert browser.post("/entrar", data={"token": token}, headers={"Origin": origin}).status_code == 303
