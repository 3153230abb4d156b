"""The command line explains wrong settings and servers in a sentence, without secret values."""

import psycopg
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


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_open_to_others_needs_the_public_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    monkeypatch.setenv("VIGIA_API_HOST", host)
    assert main(["api"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"vigia: VIGIA_API_HOST={host} opens the API beyond this machine: set VIGIA_PUBLIC_URL")


@pytest.mark.parametrize("command", ["migrate", "api", "pipeline", "notifier", "upkeep", "token Ana", "load", "retain"])
def test_a_schema_of_a_newer_version_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], migrated_url: str, command: str
) -> None:
    with psycopg.connect(migrated_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    monkeypatch.setenv("VIGIA_DATABASE_URL", migrated_url)
    monkeypatch.setenv("VIGIA_MQTT_URL", f"mqtt://127.0.0.1:{free_port(0)}")
    assert main(command.split()) == 2
    told = capsys.readouterr().err
    assert "the database's schema (9999) is newer than this version's" in told
    assert "install the newer Vigía, or restore a backup" in told
