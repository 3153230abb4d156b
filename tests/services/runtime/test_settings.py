"""Settings: bounds, secrets, and that they cannot change."""

import pytest
from pydantic import ValidationError

from services.runtime.settings import Settings


def test_settings_are_frozen_and_hide_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIA_DATABASE_URL", "postgresql://vigia:hunter2@db/vigia")
    monkeypatch.setenv("VIGIA_WEBHOOK_URL", "")
    settings = Settings()
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump())
    assert settings.webhook_url is None
    with pytest.raises(ValidationError):
        settings.batch = 7  # type: ignore[misc]


@pytest.mark.parametrize(("name", "value"), [("BATCH", "0"), ("API_PORT", "99999"), ("LOG_LEVEL", "LOUD")])
def test_a_setting_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"VIGIA_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()
