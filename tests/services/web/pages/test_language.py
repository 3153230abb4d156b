"""The choice of the language, and numbers and times in it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.web.pages.language import Words, choose_language

ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
ES, EN = Words("es", ZONE), Words("en", ZONE)
NOW = datetime(2026, 3, 5, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "cookie", "accept", "language"),
    [
        (None, None, None, "es"),
        (None, None, "fr-FR, de;q=0.5", "es"),
        (None, None, "en-GB,en;q=0.9,es;q=0.3", "en"),
        (None, None, "es-AR;q=0.9, en;q=0.2", "es"),
        (None, None, "en;q=nonsense, es;q=0.1", "es"),
        (None, "en", "es", "en"),
        ("es", "en", "en", "es"),
        ("klingon", "neither", "en", "en"),
        (None, None, "en;q=" + "9" * 10_000, "en"),
    ],
)
def test_the_address_then_the_cookie_then_the_browser_choose_the_language(
    asked: str | None, cookie: str | None, accept: str | None, language: str
) -> None:
    assert choose_language(asked, cookie, accept) == language


def test_numbers_have_the_comma_of_the_language_and_a_real_minus() -> None:
    assert ES.number(1.425, 2) == "1,43" or ES.number(1.425, 2) == "1,42"
    assert (ES.number(12.5, 1), EN.number(12.5, 1)) == ("12,5", "12.5")
    assert (ES.number(-0.5, 2), ES.number(0.5, 2, signed=True)) == ("−0,50", "+0,50")
    assert ES.number(-0.001, 2, signed=True) == "0,00"


def test_times_are_the_citys_in_24_hours_with_the_day_where_it_is_another() -> None:
    assert ES.moment(NOW - timedelta(hours=1), NOW) == "22:30"
    assert ES.moment(NOW - timedelta(days=1), NOW) == "3/3 23:30"
    assert ES.moment(NOW - timedelta(days=90), NOW) == "4/12/2025 23:30"
    assert EN.full(NOW) == "4/3/2026 23:30"


def test_ages_are_shown_in_their_largest_units() -> None:
    assert [ES.ago(s) for s in (-3, 59, 60, 7_500, 200_000)] == [
        "hace 0 s", "hace 59 s", "hace 1 min", "hace 2 h 5 min", "hace 2 d",
    ]  # fmt: skip
    assert EN.ago(61) == "1 min ago"
