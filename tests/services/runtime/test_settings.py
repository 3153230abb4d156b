"""Settings: bounds, secrets, and that they cannot change."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.runtime.settings import MAX_SECRET_CHARS, Settings, SettingsError, secret_names


def test_settings_are_frozen_and_hide_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIA_DATABASE_URL", "postgresql://vigia:hunter2@db/vigia")
    monkeypatch.setenv("VIGIA_WEBHOOK_URL", "")
    settings = Settings()
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump())
    assert settings.webhook_url is None
    with pytest.raises(ValidationError):
        settings.batch = 7  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BATCH", "0"),
        ("API_PORT", "99999"),
        ("LOG_LEVEL", "LOUD"),
        ("TRUSTED_PROXIES", "10.0.0.0/99"),
        ("METRICS_FROM", "anybody"),
        ("PUBLIC_URL", "vigia.example"),
    ],
)
def test_a_setting_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"VIGIA_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize("name", secret_names())
def test_every_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text("postgresql://vigia:hunter2@db/vigia\n", encoding="utf-8")
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{name}_FILE", str(file))
    settings = Settings()
    secret = getattr(settings, name.removeprefix("VIGIA_").lower())
    assert secret.get_secret_value() == "postgresql://vigia:hunter2@db/vigia"
    assert "hunter2" not in repr(settings)


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("http://127.0.0.1/other", encoding="utf-8")
    monkeypatch.setenv("VIGIA_WEBHOOK_URL", "http://127.0.0.1/hunter2")
    monkeypatch.setenv("VIGIA_WEBHOOK_URL_FILE", str(file))
    with pytest.raises(SettingsError, match="VIGIA_WEBHOOK_URL and VIGIA_WEBHOOK_URL_FILE are both set") as refusal:
        Settings()
    assert "hunter2" not in str(refusal.value)
    monkeypatch.setenv("VIGIA_WEBHOOK_URL", "")  # an empty variable is unset
    assert Settings().webhook_url


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"\n \n", "is empty"),
        (b"\xff\xfe", "no text"),
        (b"x" * (MAX_SECRET_CHARS + 1), "more than 8,192 characters"),
    ],
)
def test_a_file_without_a_secret_is_refused_with_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "database"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("VIGIA_DATABASE_URL_FILE", str(file))
    with pytest.raises(SettingsError, match=f"^VIGIA_DATABASE_URL_FILE: {file} .*{said}"):
        Settings()


def test_a_folder_in_place_of_a_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIGIA_WEBHOOK_URL_FILE", str(tmp_path))
    with pytest.raises(SettingsError, match="Is a directory"):
        Settings()


def test_an_empty_file_of_a_webhook_means_that_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "webhook").touch()
    monkeypatch.setenv("VIGIA_WEBHOOK_URL_FILE", str(tmp_path / "webhook"))
    assert Settings().webhook_url is None
