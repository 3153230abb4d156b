"""The alphabet of a text message: whatever is said, told in characters that cost one septet each. Pure.

One character outside the alphabet turns the whole message into 16-bit characters and leaves room for 70 instead of 160.
Source: 3GPP TS 23.038, section 6.2.1 (the default alphabet). Its extension table is not used: each of those costs two.
"""

import unicodedata

MOST_SEPTETS = 160
"""Of one message that is not split."""

ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""In the order of the table, without its escape (1B)."""
_PLAIN = frozenset(ALPHABET) - set("\n\r")

_INSTEAD = {
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
_COMBINING = "M"
_INVISIBLE = ("C", "Z")


def plain(text: str) -> str:
    """The text in single septets: ñ, é, ü, ¿ and ¡ stay, á becomes a, line breaks a space, what has no letter `?`."""
    told = "".join(_told(character) for character in unicodedata.normalize("NFC", text))
    return " ".join(told.split())


def _told(character: str) -> str:
    if character in _PLAIN:
        return character
    if character in _INSTEAD:
        return _INSTEAD[character]
    letters = [part for part in unicodedata.normalize("NFKD", character) if unicodedata.category(part)[0] != _COMBINING]
    if any(part not in _PLAIN for part in letters):
        return " " if unicodedata.category(character)[0] in _INVISIBLE else _UNKNOWN
    return "".join(letters)


def septets(text: str) -> int:
    """How many septets a text costs. Raises ValueError where it is not in the alphabet."""
    foreign = set(text) - set(ALPHABET)
    if foreign:
        raise ValueError(f"not in the alphabet of text messages: {''.join(sorted(foreign))!r}")
    return len(text)
