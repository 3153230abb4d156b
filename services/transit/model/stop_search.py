"""Search for stops by what a rider types: the code on the pole, its number, or the street corner ("7 y 50")."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from models.network import Network, Stop

MAX_QUERY_CHARS = 80
"""The rest of a longer query is ignored."""
MAX_RESULTS = 20
_CACHED_NAMES = 32_768
_IGNORED_WORDS = frozenset(
    {"calle", "c", "av", "avda", "avenida", "esquina", "esq", "y", "e", "entre", "de", "la", "el"}
)
_ABBREVIATIONS = {"diag": "diagonal", "dg": "diagonal", "pza": "plaza", "est": "estacion", "hosp": "hospital"}


def public_code(stop: Stop) -> str:
    """The code on the stop's pole; where there is none, its id in the timetable."""
    return stop.code or stop.id


def find_by_code(network: Network, query: str) -> Stop | None:
    """The stop of a code, whatever its case and spaces; None where there is none."""
    code = _normalized_code(query)
    stops = (stop for stop in _served_stops(network) if code and _normalized_code(public_code(stop)) == code)
    return next(stops, None)


def find_by_number(network: Network, number: str) -> Stop | None:
    """The stop whose code is this number after its letters, as 1912 for LP1912; None where none or several are."""
    if not number.isdecimal():
        return None
    found = [stop for stop in _served_stops(network) if re.sub(r"^\D+", "", public_code(stop)) == number]
    return found[0] if len(found) == 1 else None


def find_by_name(network: Network, words: Sequence[str]) -> list[Stop]:
    """Stops whose names contain all the words, in any order, the shortest names first. See `_matches`."""
    wanted = _wanted(words)
    if not wanted:
        return []
    found = [stop for stop in _served_stops(network) if _matches(_name_words(stop.name), wanted)]
    return sorted(found, key=lambda stop: (len(_name_words(stop.name)), stop.name, stop.id))[:MAX_RESULTS]


def matches_name(name: str, words: Sequence[str]) -> bool:
    """Whether a name contains all the words, in any order. See `_matches`."""
    wanted = _wanted(words)
    return bool(wanted) and _matches(_name_words(name), wanted)


def search_stops(network: Network, query: str) -> list[Stop]:
    """At most MAX_RESULTS stops that a rider may mean, the likeliest first: by code, by its number, or by name."""
    text = query[:MAX_QUERY_CHARS]
    exact = find_by_code(network, text) or find_by_number(network, text.strip())
    return [exact] if exact else find_by_name(network, normalized_words(text))


@lru_cache(maxsize=_CACHED_NAMES)
def normalized_words(text: str) -> tuple[str, ...]:
    """The words and numbers of a text, in lower case and without accents."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return tuple(re.findall(r"[a-z]+|\d+", bare.casefold()))


def _wanted(words: Sequence[str]) -> list[str]:
    return [_ABBREVIATIONS.get(word, word) for word in words if word not in _IGNORED_WORDS]


def _name_words(name: str) -> tuple[str, ...]:
    return tuple(_ABBREVIATIONS.get(word, word) for word in normalized_words(name))


def _matches(name: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether each wanted word matches another word of the name: a number as a whole, any other word its beginning."""
    left = list(name)
    for word in wanted:
        match = next((own for own in left if own == word or (not word.isdecimal() and own.startswith(word))), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _served_stops(network: Network) -> Iterator[Stop]:
    """Stops that a pattern calls at: not stations and entrances."""
    return (stop for stop in network.stops.values() if stop.id in network.calls_by_stop)


def _normalized_code(code: str) -> str:
    return "".join(c for c in code.upper() if c.isalnum())
