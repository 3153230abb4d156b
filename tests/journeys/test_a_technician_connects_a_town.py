"""A technician connects 200 new gauges of one town from a file; at night one is stolen, and an operator revokes it."""

from pathlib import Path

import pytest

from services.__main__ import main
from tests.deploy.conftest import Mosquitto
from tests.deploy.test_broker import BAD_CREDENTIALS, NOT_AUTHORIZED, WAIT_S, Client
from tests.deploy.test_devices import access_broker  # noqa: F401 - a fixture

TOWN = "berisso"


def test_200_devices_are_connected_from_a_file_and_a_stolen_one_is_cut_off(
    access_broker: Mosquitto,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names, passwords = tmp_path / "names.csv", tmp_path / "passwords.csv"
    names.write_text("\n".join(f"arroyo-{number:03}" for number in range(200)) + "\n", encoding="utf-8")
    add = ["devices", "add", "--municipality", TOWN, "--kind", "river", "--file", str(names)]
    assert main([*add, "--out", str(passwords)]) == 0
    assert passwords.stat().st_mode & 0o777 == 0o600
    given = dict(line.split(",") for line in passwords.read_text(encoding="utf-8").splitlines())
    assert len(set(given.values())) == len(given) == 200
    assert not any(password in capsys.readouterr().out for password in given.values())

    topic = f"vigia/v1/{TOWN}/river/"
    with Client(access_broker, "pipeline-critical", password="critical-secret").listen("vigia/v1/#") as pipeline:
        with Client(access_broker, "arroyo-000", password=given["arroyo-000"]) as first:
            assert first.publish(f"{topic}arroyo-000") == 0
            assert first.publish(f"{topic}arroyo-001") == NOT_AUTHORIZED
        last, stolen = (Client(access_broker, name, password=given[name]) for name in ("arroyo-199", "arroyo-077"))
        with last, stolen:
            assert stolen.publish(f"{topic}arroyo-077") == 0
            assert main(["devices", "revoke", "arroyo-077"]) == 0
            assert stolen.left.get(timeout=WAIT_S).is_failure
            assert last.publish(f"{topic}arroyo-199") == 0  # the others stay connected
        with Client(access_broker, "arroyo-077", password=given["arroyo-077"]) as thief:
            assert thief.code.value in {NOT_AUTHORIZED, BAD_CREDENTIALS}
        assert pipeline.hears(3) == [f"{topic}arroyo-000", f"{topic}arroyo-077", f"{topic}arroyo-199"]
    assert main(["devices", "list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert f"device,arroyo-076,{TOWN},river,password" in listed
    assert not any("arroyo-077" in line for line in listed)
