"""Words, numbers and times in Argentine Spanish or English, and the choice of a visitor's language."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache
from pathlib import Path

LANGUAGES = ("es", "en")
LANGUAGE_COOKIE = "vigia_lang"
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
PUBLIC = "public."
"""First part of the key of a text that only citizens read, in place of the one of the rest of the key."""
MINUS = "\N{MINUS SIGN}"
_DICTIONARIES = Path(__file__).parent / "words"
_MAX_ACCEPT_CHARS = 500


def choose_language(asked: str | None, cookie: str | None, accept: str | None) -> str:
    """The language of the response: from the address, else the cookie, else the browser's preferences."""
    for language in (asked, cookie):
        if language in LANGUAGES:
            return language
    return _browser_language((accept or "")[:_MAX_ACCEPT_CHARS])


def _browser_language(accept: str) -> str:
    best, best_weight = LANGUAGES[0], 0.0
    for part in accept.split(","):
        tag, _, parameter = part.strip().partition(";")
        language = tag.strip().lower().split("-")[0]
        weight = _weight(parameter)
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameter: str) -> float:
    try:
        return float(parameter.strip().removeprefix("q=")) if parameter else 1.0
    except ValueError:
        return 0.0


@cache
def dictionary(language: str) -> Mapping[str, str]:
    """Words of a language by dotted key."""
    return dict(_flatten("", tomllib.loads((_DICTIONARIES / f"{language}.toml").read_text("utf-8"))))


def _flatten(prefix: str, nested: Mapping[str, object]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in nested.items():
        if isinstance(value, dict):
            pairs += _flatten(f"{prefix}{key}.", value)
        else:
            pairs.append((f"{prefix}{key}", str(value)))
    return pairs


@dataclass(frozen=True, slots=True)
class Words:
    """Words, numbers and times in one language and one time zone.

    `public`: a citizen reads them. A text under `public.` then takes the place of the one that staff reads.
    """

    language: str
    zone: tzinfo
    public: bool = False

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key`, with `{name}` replaced by a value. Raises KeyError for an unknown key."""
        words = dictionary(self.language)
        text = words.get(f"{PUBLIC}{key}", words[key]) if self.public else words[key]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether the dictionary has `key`."""
        return key in dictionary(self.language)

    def starting(self, prefix: str) -> dict[str, str]:
        """All texts whose key starts with `prefix`, by the rest of the key; for the script in the browser."""
        return {
            key.removeprefix(prefix): value
            for key, value in dictionary(self.language).items()
            if key.startswith(prefix)
        }

    def number(self, value: float, decimals: int = 0, *, signed: bool = False) -> str:
        """1.42 as 1,42 or 1.42. `signed`: with a plus. A number that rounds to zero has no sign."""
        text = f"{abs(value):.{decimals}f}"
        sign = "" if float(text) == 0 else MINUS if value < 0 else "+" if signed else ""
        return sign + (text.replace(".", ",") if self.language == "es" else text)

    def clock(self, at: datetime) -> str:
        """Hour and minute in local time, 24 h."""
        return f"{at.astimezone(self.zone):%H:%M}"

    def moment(self, at: datetime, now: datetime) -> str:
        """Hour and minute in local time, with the date where it is not that of `now`."""
        local, today = at.astimezone(self.zone), now.astimezone(self.zone).date()
        if local.date() == today:
            return f"{local:%H:%M}"
        return f"{local.day}/{local.month}" + (f"/{local.year}" if local.year != today.year else "") + f" {local:%H:%M}"

    def day(self, at: datetime) -> str:
        """Day and month in local time."""
        local = at.astimezone(self.zone)
        return f"{local.day}/{local.month}"

    def full(self, at: datetime) -> str:
        """Day, month, year, hour and minute in local time."""
        local = at.astimezone(self.zone)
        return f"{local.day}/{local.month}/{local.year} {local:%H:%M}"

    def span(self, seconds: float) -> str:
        """A duration in its largest one or two units: 40 s, 3 min, 2 h 10 min, 3 d."""
        whole = max(0, int(seconds))
        if whole < MINUTE_S:
            return self("span.s", n=whole)
        if whole < HOUR_S:
            return self("span.min", n=whole // MINUTE_S)
        if whole < DAY_S:
            return self("span.h", n=whole // HOUR_S, m=whole % HOUR_S // MINUTE_S)
        return self("span.d", n=whole // DAY_S)

    def ago(self, seconds: float) -> str:
        """A duration in the past: hace 3 min."""
        return self("span.ago", span=self.span(seconds))
