"""A stop by what a rider knows of it: the code on its pole, part of it, or its corner ("7 y 50"). Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from models.network import Network, Stop

LONGEST_ASKED = 80
MOST_FOUND = 20
_NAMES_KEPT = 32_768
_FILLERS = frozenset({"calle", "c", "av", "avda", "avenida", "esquina", "esq", "y", "e", "entre", "de", "la", "el"})
_SHORT = {"diag": "diagonal", "dg": "diagonal", "pza": "plaza", "est": "estacion", "hosp": "hospital"}


def code_of(stop: Stop) -> str:
    """What a rider calls it: the code on the pole; the timetable's own name for it where there is none."""
    return stop.code or stop.id


def with_code(network: Network, asked: str) -> Stop | None:
    """The stop of that code, whatever its case and spaces; None where there is none."""
    wanted = _bare(asked)
    return next((stop for stop in _stops(network) if wanted and _bare(code_of(stop)) == wanted), None)


def with_number(network: Network, number: str) -> Stop | None:
    """The one stop whose code ends in that very number, as 1912 does for LP1912; None where none or several do."""
    if not number.isdecimal():
        return None
    found = [stop for stop in _stops(network) if re.sub(r"^\D+", "", code_of(stop)) == number]
    return found[0] if len(found) == 1 else None


def at_corner(network: Network, words: Sequence[str]) -> list[Stop]:
    """Stops whose names hold all the words, in any order, numbers whole: those with the shortest names first."""
    wanted = [_SHORT.get(word, word) for word in words if word not in _FILLERS]
    if not wanted:
        return []
    found = [stop for stop in _stops(network) if _holds(_name_words(stop.name), wanted)]
    return sorted(found, key=lambda stop: (len(_name_words(stop.name)), stop.name, stop.id))[:MOST_FOUND]


def search(network: Network, asked: str) -> list[Stop]:
    """The stops a rider may mean, the likeliest first: by code, by its number, by corner. At most MOST_FOUND."""
    text = asked[:LONGEST_ASKED]
    exact = with_code(network, text) or with_number(network, text.strip())
    return [exact] if exact else at_corner(network, words_of(text))


@lru_cache(maxsize=_NAMES_KEPT)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in small letters without accents."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return tuple(re.findall(r"[a-z]+|\d+", bare.casefold()))


def _name_words(name: str) -> tuple[str, ...]:
    return tuple(_SHORT.get(word, word) for word in words_of(name))


def _holds(name: Sequence[str], wanted: Sequence[str]) -> bool:
    """Numbers must stand there whole, as often as asked; of words the beginning is enough."""
    left = list(name)
    for word in wanted:
        hit = next((one for one in left if one == word or (not word.isdecimal() and one.startswith(word))), None)
        if hit is None:
            return False
        left.remove(hit)
    return True


def _stops(network: Network) -> Iterator[Stop]:
    """Where riders wait: stations and entrances, which no line calls at, are not."""
    return (stop for stop in network.stops.values() if stop.id in network.calls_at)


def _bare(code: str) -> str:
    return "".join(c for c in code.upper() if c.isalnum())
