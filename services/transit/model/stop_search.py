"""A stop by what a rider knows of it: the code on its pole, part of it, or its corner ("7 y 50"). Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from models.network import Network, Stop

MAX_QUERY_CHARS = 80
MAX_RESULTS = 20
_CACHED_NAMES = 32_768
_FILLERS = frozenset({"calle", "c", "av", "avda", "avenida", "esquina", "esq", "y", "e", "entre", "de", "la", "el"})
_ABBREVIATIONS = {"diag": "diagonal", "dg": "diagonal", "pza": "plaza", "est": "estacion", "hosp": "hospital"}


def public_code(stop: Stop) -> str:
    """What a rider calls it: the code on the pole; the timetable's own name for it where there is none."""
    return stop.code or stop.id


def find_by_code(network: Network, asked: str) -> Stop | None:
    """The stop of that code, whatever its case and spaces; None where there is none."""
    wanted = _normalized_code(asked)
    return next(
        (stop for stop in _served_stops(network) if wanted and _normalized_code(public_code(stop)) == wanted), None
    )


def find_by_number(network: Network, number: str) -> Stop | None:
    """The one stop whose code ends in that very number, as 1912 does for LP1912; None where none or several do."""
    if not number.isdecimal():
        return None
    found = [stop for stop in _served_stops(network) if re.sub(r"^\D+", "", public_code(stop)) == number]
    return found[0] if len(found) == 1 else None


def find_by_name(network: Network, words: Sequence[str]) -> list[Stop]:
    """Stops whose names hold all the words, in any order, numbers whole: those with the shortest names first."""
    wanted = [_ABBREVIATIONS.get(word, word) for word in words if word not in _FILLERS]
    if not wanted:
        return []
    found = [stop for stop in _served_stops(network) if _matches(_name_words(stop.name), wanted)]
    return sorted(found, key=lambda stop: (len(_name_words(stop.name)), stop.name, stop.id))[:MAX_RESULTS]


def search_stops(network: Network, asked: str) -> list[Stop]:
    """The stops a rider may mean, the likeliest first: by code, by its number, by corner. At most MOST_FOUND."""
    text = asked[:MAX_QUERY_CHARS]
    exact = find_by_code(network, text) or find_by_number(network, text.strip())
    return [exact] if exact else find_by_name(network, normalized_words(text))


@lru_cache(maxsize=_CACHED_NAMES)
def normalized_words(text: str) -> tuple[str, ...]:
    """The words of a text in small letters without accents."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return tuple(re.findall(r"[a-z]+|\d+", bare.casefold()))


def _name_words(name: str) -> tuple[str, ...]:
    return tuple(_ABBREVIATIONS.get(word, word) for word in normalized_words(name))


def _matches(name: Sequence[str], wanted: Sequence[str]) -> bool:
    """Numbers must stand there whole, as often as asked; of words the beginning is enough."""
    left = list(name)
    for word in wanted:
        hit = next((one for one in left if one == word or (not word.isdecimal() and one.startswith(word))), None)
        if hit is None:
            return False
        left.remove(hit)
    return True


def _served_stops(network: Network) -> Iterator[Stop]:
    """Where riders wait: stations and entrances, which no line calls at, are not."""
    return (stop for stop in network.stops.values() if stop.id in network.calls_by_stop)


def _normalized_code(code: str) -> str:
    return "".join(c for c in code.upper() if c.isalnum())
