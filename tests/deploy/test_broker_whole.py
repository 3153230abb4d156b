"""The deployed configuration as a whole, with what only Mosquitto 2.1 has: messages and sessions that outlive a kill.

Runs where `VIGIA_TEST_MOSQUITTO` names a Mosquitto of 2.1 (its mosquitto_passwd is looked for beside it) and
`VIGIA_TEST_MOSQUITTO_SQLITE` its persist-sqlite plug-in, with the other plug-ins beside that.
"""

import getpass
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.broker_access.accounts import Device
from services.broker_access.files import edited_registry
from services.broker_access.passwords import password_hash
from tests.deploy.conftest import DEPLOYED, PASSWORDS, Mosquitto, free_port, move, set_pipeline_passwords
from tests.deploy.test_broker import NOT_AUTHORIZED, WAIT_S, Client

PROGRAM = os.environ.get("VIGIA_TEST_MOSQUITTO", "")
PLUGIN = os.environ.get("VIGIA_TEST_MOSQUITTO_SQLITE", "")
ITS_OWN = "vigia/v1/laplata/river/gauge-1"

pytestmark = pytest.mark.skipif(not (PROGRAM or PLUGIN), reason="no Mosquitto 2.1 is named")


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mosquitto]:
    """The files of deploy/mosquitto with the folders of a test, two pipelines and two gauges."""
    monkeypatch.setenv("PATH", f"{Path(PROGRAM).parent}:{os.environ['PATH']}")
    server = Mosquitto(tmp_path, free_port())
    for name in ("conf.d", "data", "users"):
        (tmp_path / name).mkdir()
    shutil.copy(DEPLOYED / "conf.d" / "limits.conf", tmp_path / "conf.d")
    move(
        DEPLOYED / "conf.d" / "listener.conf",
        tmp_path / "conf.d",
        "listener 1883\n",
        f"listener {server.port} 127.0.0.1\n",
    )
    text = (DEPLOYED / "mosquitto.conf").read_text(encoding="utf-8")
    folders = {
        "/usr/lib/": f"{Path(PLUGIN).parent}/",
        "/mosquitto/config/": f"{tmp_path}/",
        "/mosquitto/data/": f"{tmp_path}/data/",
        "/mosquitto/users/": f"{tmp_path}/users/",
    }
    for theirs, ours in folders.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    (tmp_path / "mosquitto.conf").write_text(f"user {getpass.getuser()}\n{text}", encoding="utf-8")
    users = tmp_path / "users"
    set_pipeline_passwords(users)
    with edited_registry(users) as registry:
        for name in ("gauge-1", "gauge-2"):
            registry.devices[name] = Device(municipality="laplata", kind="river")
            registry.passwords[name] = password_hash(PASSWORDS[name])
    server.start()
    yield server
    server.stop()


def test_each_client_publishes_only_to_its_own_topics(broker: Mosquitto) -> None:
    with Client(broker, "pipeline-critical").listen("vigia/v1/#") as pipeline, Client(broker, "gauge-1") as gauge:
        assert gauge.publish(ITS_OWN) == gauge.publish(f"{ITS_OWN}/status") == 0
        assert gauge.publish("vigia/v1/laplata/river/gauge-2") == NOT_AUTHORIZED
        assert gauge.publish(f"{ITS_OWN}/command") == NOT_AUTHORIZED
        assert pipeline.publish(ITS_OWN) == NOT_AUTHORIZED
        assert pipeline.hears(2) == [ITS_OWN, f"{ITS_OWN}/status"]


@pytest.mark.parametrize(("name", "password"), [(None, None), ("gauge-1", "wrong"), ("nobody", "secret"), ("", "")])
def test_a_client_without_a_known_name_and_its_password_is_refused(
    broker: Mosquitto, name: str | None, password: str | None
) -> None:
    with Client(broker, name, password=password, client_id="stranger") as stranger:
        assert stranger.code.value == NOT_AUTHORIZED


def test_acknowledged_messages_survive_a_kill_for_both_pipelines(broker: Mosquitto) -> None:
    pipelines = ("pipeline-critical", "pipeline-bulk")
    for name in pipelines:
        with Client(broker, name, keep=True).listen("vigia/v1/#"):
            pass
    with Client(broker, "gauge-1") as gauge:
        for _ in range(1_500):
            gauge.client.publish(ITS_OWN, b"{}", qos=1)
        assert {gauge.published.get(timeout=WAIT_S) for _ in range(1_500)} == {0}
        assert broker.process is not None
        broker.process.kill()
        broker.process.wait()
    broker.start()
    for name in pipelines:
        with Client(broker, name, keep=True) as pipeline:
            assert pipeline.flags.session_present
            assert len(pipeline.hears(1_500)) == 1_500


def test_a_removed_device_is_disconnected_when_the_files_are_reloaded(broker: Mosquitto) -> None:
    with Client(broker, "gauge-1") as gauge:
        subprocess.run(["mosquitto_passwd", "-D", broker.folder / "users" / "passwords", "gauge-1"], check=True)
        assert broker.process is not None
        broker.process.send_signal(signal.SIGHUP)
        assert gauge.left.get(timeout=WAIT_S).is_failure
    with Client(broker, "gauge-1") as gauge:
        assert gauge.code.value == NOT_AUTHORIZED
