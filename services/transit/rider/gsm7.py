"""GSM 7-bit alphabet of text messages: replace each character by one that costs a single septet. Pure.

One character outside the alphabet turns the whole message into 16-bit characters, with room for 70 instead of 160.
Source: 3GPP TS 23.038, section 6.2.1 (the default alphabet). Its extension table is not used: each of those costs two.
"""

import unicodedata

MOST_SEPTETS = 160
"""The room in one message that is not split."""

ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""In the order of the table, without its escape (1B)."""
_ALLOWED = frozenset(ALPHABET) - set("\n\r")

_REPLACEMENTS = {
    "–": "-",
    "—": "-",
    "‑": "-",
    "−": "-",
    "~": "-",
    "’": "'",
    "‘": "'",
    "`": "'",
    "´": "'",
    "“": '"',
    "”": '"',
    "«": '"',
    "»": '"',
    "…": "...",
    "·": ".",
    "•": "-",
    "º": "o",
    "ª": "a",
    "°": "o",
    "€": "EUR",
    "[": "(",
    "]": ")",
    "{": "(",
    "}": ")",
    "|": "/",
    "\\": "/",
}
_UNKNOWN = "?"
_COMBINING_CATEGORY = "M"
_INVISIBLE_CATEGORIES = ("C", "Z")


def to_gsm7(text: str) -> str:
    """The text in single septets: ñ, é, ü, ¿, ¡ stay; á becomes a, a line break a space, an unknown character `?`."""
    replaced = "".join(_to_alphabet(character) for character in unicodedata.normalize("NFC", text))
    return " ".join(replaced.split())


def _to_alphabet(character: str) -> str:
    if character in _ALLOWED:
        return character
    if character in _REPLACEMENTS:
        return _REPLACEMENTS[character]
    letters = [
        part
        for part in unicodedata.normalize("NFKD", character)
        if unicodedata.category(part)[0] != _COMBINING_CATEGORY
    ]
    if any(part not in _ALLOWED for part in letters):
        return " " if unicodedata.category(character)[0] in _INVISIBLE_CATEGORIES else _UNKNOWN
    return "".join(letters)


def septet_count(text: str) -> int:
    """The septets a text costs. Raises ValueError for a character that is not in the alphabet."""
    unknown = set(text) - set(ALPHABET)
    if unknown:
        raise ValueError(f"not in the alphabet of text messages: {''.join(sorted(unknown))!r}")
    return len(text)
