"""What a rejected message lacks, in plain words of the page's language."""

import re
from collections.abc import Sequence

from services.web.pages.language import Words

_FIELD = r"(?P<field>[\w.]{1,80})"
_PATTERNS = tuple(
    (re.compile(pattern), key)
    for pattern, key in (
        (
            rf"{_FIELD}: Field required; '(?P<sent>.{{1,80}})' was sent: did you mean \S+, in (?P<unit>.{{1,20}})\?",
            "meant_unit",
        ),
        (rf"{_FIELD}: Field required; '(?P<sent>.{{1,80}})' was sent: did you mean \S+\?", "meant"),
        (rf"{_FIELD}: Field required", "missing"),
        (rf"'{_FIELD}' is given twice: .*", "twice"),
        (rf"{_FIELD}: .*, got (?P<value>.*)", "value"),
        (r"not UTF-8 at byte (?P<at>\d+).*", "utf8"),
        (r"observed_at .* looks like milliseconds: .*", "milliseconds"),
        (r"observed_at .* is not between .*", "year"),
    )
)
"""Details that the decoder writes, and the key of their words in `[rejected_detail]`. The first that fits counts."""


def detail_in_words(words: Words, detail: str) -> str | None:
    """A detail in the page's language; None for one that the reason's own words must do for."""
    for pattern, key in _PATTERNS:
        found = pattern.fullmatch(detail)
        if found is not None:
            return words(f"rejected_detail.{key}", **found.groupdict())
    return None


def details_in_words(words: Words, details: Sequence[str]) -> list[str]:
    """Several details without repetitions, in order."""
    said = (detail_in_words(words, detail) for detail in details)
    return list(dict.fromkeys(line for line in said if line is not None))
