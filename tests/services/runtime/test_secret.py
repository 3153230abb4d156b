"""Secrets that people paste into a command."""

import secrets
from pathlib import Path

import pytest

from services.broker_access.passwords import new_password
from services.embedded.child_process import read_or_create_secret
from services.runtime.secret import new_secret


def test_a_secret_that_a_program_would_take_for_an_option_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["-option", "--option", "plain-_"])
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: next(drawn))
    assert new_secret(24) == "plain-_"


def test_a_device_s_password_and_an_embedded_server_s_never_begin_with_a_dash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawn = iter(["-option", "device", "-option", "server"])
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: next(drawn))
    assert new_password() == "device"
    assert read_or_create_secret(tmp_path / "secret") == "server"


def test_a_secret_holds_all_its_random_bytes_and_no_two_are_equal() -> None:
    drawn = {new_secret(24) for _ in range(1000)}
    assert len(drawn) == 1000
    assert {len(secret) for secret in drawn} == {32}
    assert not any(secret.startswith("-") for secret in drawn)
