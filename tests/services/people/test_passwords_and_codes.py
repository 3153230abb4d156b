"""What a password must be, and codes of a second factor by the time."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from services.people import passwords, totp
from services.people.passwords import WeakPassword, check_new_password, hash_password, is_password

NOW = datetime(2026, 4, 2, 12, tzinfo=UTC)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.mark.parametrize(
    "password", ["corta", "aaaaaaaaaaaaaaaa", "ana.perez vigia", "AnaPérez Ana Pérez", "x" * 201, "abababababab"]
)
def test_a_short_monotonous_or_own_name_is_no_password(password: str) -> None:
    with pytest.raises(WeakPassword):
        check_new_password(password, "ana.perez", "Ana Pérez")


def test_four_words_are_a_password_and_only_their_hash_is_kept() -> None:
    check_new_password("mate lluvia bondi cruz", "ana.perez", "Ana Pérez")
    stored = hash_password("mate lluvia bondi cruz")
    assert stored.startswith("$argon2id$")
    assert "lluvia" not in stored
    assert is_password(stored, "mate lluvia bondi cruz")
    assert not is_password(stored, "mate lluvia bondi cruz ")
    assert not is_password(None, "mate lluvia bondi cruz"), "of nobody, after the same work"
    assert not is_password("no hash", "x")
    assert passwords.MAX_CHARS >= 64


def test_a_code_counts_half_a_minute_either_way_and_no_more() -> None:
    code = pyotp.TOTP(SECRET).at(NOW)
    step = timedelta(seconds=totp.STEP_S)
    right = int(NOW.timestamp()) // totp.STEP_S
    assert [totp.code_counter(SECRET, code, NOW + n * step) for n in (-2, -1, 0, 1, 2)] == [
        None,
        right,
        right,
        right,
        None,
    ]
    assert totp.code_counter(SECRET, f"{code[:3]} {code[3:]}", NOW) == right
    for wrong in ("", "12345", "٠١٢٣٤٥", "x" * 12):
        assert totp.code_counter(SECRET, wrong, NOW) is None


def test_what_an_authenticator_reads_names_vigia_and_the_login() -> None:
    address = totp.enrolment_address(SECRET, "ana")
    assert address.startswith("otpauth://totp/Vig")
    assert f"secret={SECRET}" in address
    read = pyotp.parse_uri(address)
    assert (read.secret, read.name, read.issuer) == (SECRET, "ana", "Vigía")
