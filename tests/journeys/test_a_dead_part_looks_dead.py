"""The night a part of Vigía dies: the page, the API and the live stream say which, and a dead part never looks calm."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest
from sqlalchemy import Engine, text

from services.city.load import load
from services.commands import watchdog
from services.embedded.child_process import HOST, free_port, start_supervised, stop_child
from services.runtime.clock import wall_clock
from tests.seeds import la_plata
from tests.services.web.pages.browser import CHROMIUM, Browser, browser
from tests.waiting import wait_until

PARTS = {
    "pipeline-critical": ("pipeline", "--lane", "critical"),
    "pipeline-bulk": ("pipeline", "--lane", "bulk"),
    "notifier": ("notifier",),
    "upkeep": ("upkeep",),
    "api": ("api",),
}
# Notifier first, upkeep last: each checks the others only half a minute after its own start, which passes meanwhile.
NAMED = {
    "notifier": "el envío de avisos",
    "pipeline-critical": "la recepción de arroyos y lluvia",
    "pipeline-bulk": "la recepción de micros y radares",
    "upkeep": "el mantenimiento y la vigilancia del propio sistema",
}
BADGE = "document.getElementById('enlace').textContent"
WATCHDOG_SECRET = "only-for-a-test-only-for-a-test-"
LIMIT_S = 120.0
"""For the start of five processes on a busy machine."""
TOLD_S = 30.0
SEEN_WITHOUT_LOADING = "pipeline-critical"
"""The part whose death an open page must show by itself. For the others the page is loaded, to save the wait."""


class City:
    """A city's five processes on one database and one broker, each of which can be killed and started again."""

    def __init__(self, database_url: str, mqtt_url: str, folder: Path) -> None:
        port = free_port(0)
        self.address = f"http://{HOST}:{port}"
        self._folder = folder
        self._environment = {
            "VIGIA_DATABASE_URL": database_url,
            "VIGIA_MQTT_URL": mqtt_url,
            "VIGIA_API_PORT": str(port),
            "VIGIA_EXPECTED_PROCESSES": ",".join(PARTS),
            "VIGIA_LOG_LEVEL": "WARNING",
            "VIGIA_WATCHDOG_SECRET": WATCHDOG_SECRET,
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_watchdog(self) -> None:
        """The watchdog, with a hundredth of its times; what it pages goes into a file."""
        (self._folder / "secret").write_text(WATCHDOG_SECRET)
        settings = self._folder / "watchdog.toml"
        pager = json.dumps(["/bin/sh", "-c", f"cat >> {self._folder / 'pages'}; echo >> {self._folder / 'pages'}"])
        settings.write_text(
            f'url = "{self.address}/api/v1/heartbeat"\nsecret_file = "{self._folder / "secret"}"\n'
            f"every_s = 0.1\nsilence_s = 0.9\n[[page]]\ncommand = {pager}\n"
        )
        program = [sys.executable, str(shutil.copy(watchdog.__file__, self._folder)), str(settings)]
        log_file = self._folder / "watchdog.log"
        self._running["watchdog"] = start_supervised(program, log_file, os.geteuid(), signal.SIGKILL, {})

    def paged(self) -> list[str]:
        """What the watchdog paged, in order."""
        pages = self._folder / "pages"
        return pages.read_text("utf-8").splitlines() if pages.exists() else []

    def start(self, name: str) -> None:
        """Start a part, for the first time or again."""
        program = [sys.executable, "-m", "services", *PARTS[name]]
        log_file = self._folder / f"{name}.log"
        self._running[name] = start_supervised(program, log_file, os.geteuid(), signal.SIGKILL, self._environment)

    def kill(self, name: str) -> None:
        """`kill -9`."""
        self._running[name].kill()
        self._running[name].wait()

    def hang(self, name: str) -> None:
        """Let a part stand still, as one that waits for ever."""
        self._running[name].send_signal(signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        """End that."""
        self._running[name].send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop all parts."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            stop_child(process, signal.SIGTERM)

    def dead(self) -> list[str] | None:
        """The dead parts according to the API; None where it does not answer."""
        try:
            return list(httpx.get(f"{self.address}/api/v1/health", timeout=10).json()["dead"])
        except httpx.HTTPError:
            return None

    def trouble(self) -> str:
        """The last lines of each part's log."""
        logs = {name: (self._folder / f"{name}.log").read_text("utf-8", "replace")[-1500:] for name in self._running}
        return json.dumps(logs, indent=1)

    def heard_dead(self) -> Iterator[list[str]]:
        """The dead parts in each pulse of the live stream."""
        with httpx.stream("GET", f"{self.address}/api/v1/live?events=alert", timeout=LIMIT_S) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))["dead"]


@pytest.fixture
def city(database: Engine, migrated_url: str, mqtt_url: str, tmp_path: Path) -> Iterator[City]:
    """La Plata, all parts alive."""
    with database.begin() as transaction:
        load(transaction, la_plata(), wall_clock())
    city = City(migrated_url, mqtt_url, tmp_path)
    try:
        for name in PARTS:
            city.start(name)
        wait_until(lambda: city.dead() == [], LIMIT_S, city.trouble)
        city.start_watchdog()
        yield city
    finally:
        city.stop()


def open_process_alerts(database: Engine) -> set[str]:
    """The parts about which an alert is firing."""
    query = "SELECT rule_id FROM alerts WHERE state = 'firing' AND judgement = 'process'"
    with database.connect() as connection:
        return {str(rule).removeprefix("system/process/") for rule in connection.execute(text(query)).scalars()}


def let_time_pass(database: Engine, name: str) -> None:
    """Make the last heartbeat of a part an hour older, so that nobody waits for it to age."""
    with database.begin() as transaction:
        older = "UPDATE heartbeats SET written_at = written_at - interval '1 hour' WHERE process = :name"
        assert transaction.execute(text(older), {"name": name}).rowcount == 1


@pytest.mark.timeout(900)
def test_each_part_that_is_killed_is_named_on_the_page_in_the_api_and_in_the_stream(
    city: City, database: Engine, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        screen: Browser | None = None
        if CHROMIUM is not None:
            screen = stack.enter_context(browser(tmp_path / "profile"))
            screen.look(1440, 1000)
            screen.open(f"{city.address}/")
        for name, words in NAMED.items():
            city.kill(name)
            let_time_pass(database, name)
            wait_until(lambda name=name: city.dead() == [name], LIMIT_S, city.trouble)  # type: ignore[misc]
            wait_until(lambda name=name: next(city.heard_dead()) == [name], LIMIT_S, city.trouble)  # type: ignore[misc]
            assert f"No anda: {words}" in shown_without_javascript(city)
            wait_until(lambda name=name: open_process_alerts(database) == {name}, LIMIT_S, city.trouble)  # type: ignore[misc]
            if screen is not None:
                if name != SEEN_WITHOUT_LOADING:
                    screen.open(f"{city.address}/")
                screen.wait_for(f"document.querySelector('.fault')?.textContent.includes({json.dumps(words)})", LIMIT_S)
                screen.wait_for(
                    "document.getElementById('enlace').classList.contains('lost')"
                    f" && (!{BADGE}.startsWith('en vivo') || {BADGE} == 'en vivo, pero hay partes que no andan')",
                    LIMIT_S,
                )
                outage = screen.evaluate("document.getElementById('ciudad').classList.contains('outage')")
                assert outage or name != "pipeline-critical"
            if name.startswith("pipeline"):
                wait_until(lambda: "receives no readings" in "".join(city.paged()[-1:]), LIMIT_S, city.trouble)
            city.start(name)
            wait_until(lambda: city.dead() == [], LIMIT_S, city.trouble)
        wait_until(lambda: not open_process_alerts(database), LIMIT_S, city.trouble)
        if screen is not None:
            screen.wait_for("document.querySelector('.fault') === null", LIMIT_S)
        city.kill("api")
        let_time_pass(database, "api")
        wait_until(lambda: open_process_alerts(database) == {"api"}, LIMIT_S, city.trouble)
        wait_until(lambda: "without a heartbeat" in "".join(city.paged()[-1:]), LIMIT_S, city.trouble)
        city.start("api")
        wait_until(lambda: city.paged()[-1] == "Vigía: volvió / is back", LIMIT_S, city.trouble)
        city.kill("api")
        if screen is not None:
            screen.wait_for(f"{BADGE}.startsWith('SIN CONEXIÓN desde')", LIMIT_S)


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_a_part_that_is_killed_or_stands_still_is_told_within_thirty_seconds(city: City) -> None:
    for name, words in NAMED.items():
        for end, start in ((city.kill, city.start), (city.hang, city.go_on)):
            end(name)
            began_s = monotonic()
            seconds: dict[str, float] = {}
            while len(seconds) < 3:
                told = {
                    "page": f"No anda: {words}" in shown_without_javascript(city),
                    "API": city.dead() == [name],
                    "event": next(city.heard_dead()) == [name],
                }
                for where in (where for where, is_told in told.items() if is_told):
                    seconds.setdefault(where, monotonic() - began_s)
                sleep(0.2)
            print(
                f"{end.__name__} {name}: " + ", ".join(f"{where} {took_s:.1f} s" for where, took_s in seconds.items())
            )
            assert max(seconds.values()) < TOLD_S
            start(name)
            wait_until(lambda: city.dead() == [], LIMIT_S, city.trouble)


def shown_without_javascript(city: City) -> str:
    """The watch page as text of HTML on one line."""
    page = httpx.get(f"{city.address}/", timeout=LIMIT_S).text
    return " ".join(page.replace("<strong>", "").replace("</strong>", "").split())
