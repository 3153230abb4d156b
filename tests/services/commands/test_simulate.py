"""`vigia simulate` and `vigia replay` as a person runs them, heard on a broker of their own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest

from ingest.decode import decode
from ingest.gtfs.feed import read_feed
from ingest.mqtt.receiver import Receiver
from models.reading import Presence, Reading
from services.embedded.mqtt_broker import embedded_broker
from tests.seeds import la_plata
from tests.waiting import LIMIT_S, wait_until

ROOT = Path(__file__).parents[3]
STOPS_S = 5.0
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIVE_MINUTES_IN_FIVE_SECONDS = {"VIGIA_CLOCK": "2026-11-20T09:00:00-03:00@60"}
"""Of a working day: what a city says hangs on the hour and the second at which it is asked."""
CSV = "time_utc,level_m\n2016-09-01T04:40:00Z,0.527\n2016-09-01T04:45:00Z,\n2016-09-01T04:50:00Z,1.036\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whoever runs in this data folder shares its broker."""
    return tmp_path_factory.mktemp("city")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A broker that no other test listens to: births and wills are retained."""
    with embedded_broker(folder, port=0) as server:
        yield server.url


@pytest.fixture
def ear(url: str, request: pytest.FixtureRequest) -> Iterator[Receiver]:
    name = re.sub(r"\W", "-", request.node.name)
    broker = Receiver(url, client_id=name, filters=["vigia/v1/#"], now=lambda: NOW)
    deadline = monotonic() + LIMIT_S
    while not broker.connected and monotonic() < deadline:
        broker.receive(1, 0.1)
    yield broker
    broker.close()


def vigia(url: str, *words: str) -> subprocess.Popen[str]:
    return started({"VIGIA_MQTT_URL": url}, *words)


def started(settings: dict[str, str], *words: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("VIGIA_")}
    return subprocess.Popen(
        [sys.executable, "-m", "services", *words],
        cwd=ROOT,
        env=environment | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def heard(ear: Receiver, enough: Callable[[list[object]], bool]) -> list[object]:
    """What was said since it listens, until it is enough. Raises AssertionError where it is not in time."""
    items: list[object] = []
    deadline = monotonic() + LIMIT_S
    while not enough(items):
        assert monotonic() < deadline, items[-5:]
        fresh = ear.receive(1000, 0.2)
        ear.acknowledge(fresh)
        items += [item for message in fresh if not message.retained for item in decode(message)]
    return items


def all_said_goodbye(items: list[object]) -> bool:
    """The last that a city says is each device's will."""
    left = [item for item in items if isinstance(item, Presence) and not item.online]
    return len(left) >= len(la_plata().city.devices)


def test_a_city_speaks_for_a_while_and_says_goodbye(ear: Receiver, folder: Path) -> None:
    city = la_plata().city
    settings = FIVE_MINUTES_IN_FIVE_SECONDS | {"VIGIA_DATA_DIR": str(folder)}
    process = started(settings, "simulate", "--scenario", "quiet", "--faults", "none", "--duration", "5m", "--no-buses")
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, err) == (0, "")
    items = heard(ear, all_said_goodbye)
    births = [item for item in items if isinstance(item, Presence) and item.online]
    wills = [item for item in items if isinstance(item, Presence) and not item.online]
    readings = [item for item in items if isinstance(item, Reading)]
    assert len(births) == len(wills) == len(city.devices)
    assert all(one.period_s <= 60 for one in city.devices)
    assert {(one.kind, one.device) for one in readings} == {(one.kind, one.code) for one in city.devices}
    assert "La Plata" in out
    published = int(re.findall(r"(\d+) messages published", out)[0])
    assert published >= len(births) + len(wills)


def test_an_interrupted_city_stops(url: str, ear: Receiver) -> None:
    interrupt(url, ear, LIMIT_S)


@pytest.mark.proof
def test_an_interrupted_city_stops_within_five_seconds(url: str, ear: Receiver) -> None:
    interrupt(url, ear, STOPS_S)


def interrupt(url: str, ear: Receiver, stop_s: float) -> None:
    """Ctrl-C while it speaks: it ends without an error and in time."""
    process = vigia(url, "simulate")
    assert process.stdout
    assert "storm" in process.stdout.readline()
    wait_until(lambda: ear.receive(1, 0.2))
    process.send_signal(signal.SIGINT)
    assert process.wait(stop_s) == 0
    process.communicate()


def test_a_recorded_series_is_replayed_and_its_blanks_told(url: str, ear: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text(CSV)
    process = vigia(url, "replay", str(file), "--station", "gato-ringuelet", "--speed", "1000", "--times", "recorded")
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, err) == (0, "")
    assert "2 readings to send, 1 blank rows skipped" in out
    told = heard(ear, lambda items: sum(isinstance(item, Reading) for item in items) == 2)
    readings = [item for item in told if isinstance(item, Reading)]
    assert [(one.device, one.values[0], one.observed_at.isoformat()) for one in readings] == [
        ("gato-ringuelet", 0.527, "2016-09-01T04:40:00+00:00"),
        ("gato-ringuelet", 1.036, "2016-09-01T04:50:00+00:00"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("replay", "none.csv", "--station", "gato-ringuelet"), "none.csv"),
        (("replay", "none.csv", "--station", "nilo"), "no station 'nilo' in La Plata; there are gato-143-524"),
        (("simulate", "--city", "nowhere"), "nowhere/city.toml: No such file"),
        (("simulate", "--duration", "3 weeks"), "invalid duration value"),
        (("simulate", "--duration", "-5m"), "--duration"),
    ],
)
def test_a_wrong_call_is_explained_and_ends_with_two(url: str, words: tuple[str, ...], said: str) -> None:
    process = vigia(url, *words)
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 2
    assert said in err


def test_no_broker_is_told_not_thrown_about() -> None:
    process = vigia("mqtt://127.0.0.1:9", "simulate", "--duration", "1s")
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert "no broker at 127.0.0.1" in err
    assert "Traceback" not in err


def test_its_buses_speak_too_and_what_they_did_is_kept(ear: Receiver, folder: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    settings = FIVE_MINUTES_IN_FIVE_SECONDS | {"VIGIA_DATA_DIR": str(folder)}
    process = started(settings, "simulate", "--scenario", "quiet", "--duration", "5m", "--truth", str(truth))
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, err) == (0, "")
    heard(ear, lambda items: len({one.device for one in items if isinstance(one, Reading) and one.kind == "bus"}) > 5)
    assert re.search(r"devices and \d+ buses", out)
    header, *lines = truth.read_text().splitlines()
    assert header.startswith("vehicle,route_id,trip_id")
    assert lines


def test_their_timetable_is_gtfs_that_we_read_ourselves(tmp_path: Path) -> None:
    feed = tmp_path / "laplata.zip"
    process = vigia("mqtt://nobody", "simulate", "--export-gtfs", str(feed))
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, err) == (0, "")
    assert "schematic" in out
    network = read_feed(feed)
    assert {"307", "Norte", "Oeste"} <= {route.short_name for route in network.routes.values()}
    assert all(trip.frequencies for trip in network.trips.values() if trip.id.startswith("oeste"))
