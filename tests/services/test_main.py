"""The command line explains wrong settings and servers in a sentence, without secret values."""

import pytest

from services.__main__ import main
from services.embedded.child_process import free_port


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("VIGIA_BATCH", "hunter2", "VIGIA_BATCH: Input should be a valid integer"),
        ("VIGIA_CLOCK", "soon", "VIGIA_CLOCK='soon': expected"),
    ],
)
def test_a_wrong_setting_is_explained_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["token", "Ana"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"vigia: {said}")
    assert "hunter2" not in told


def test_a_wrong_address_of_the_broker_is_reported_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], migrated_url: str
) -> None:
    monkeypatch.setenv("VIGIA_DATABASE_URL", migrated_url)
    monkeypatch.setenv("VIGIA_MQTT_URL", "http://vigia:hunter2@broker")
    assert main(["pipeline"]) == 2
    told = capsys.readouterr().err
    assert "VIGIA_MQTT_URL: a broker's address reads mqtt://host:port" in told
    assert "hunter2" not in told


def test_an_unavailable_database_is_reported_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIGIA_DATABASE_URL", f"postgresql://vigia:hunter2@127.0.0.1:{free_port(0)}/vigia")
    assert main(["token", "Ana"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("vigia: la base de datos no responde / the database does not answer: connection failed")
    assert "hunter2" not in told
