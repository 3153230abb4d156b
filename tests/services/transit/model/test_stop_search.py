"""Search for stops by code, by number and by street corner."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from models.network import Network
from services.transit.model.stop_search import MAX_RESULTS, find_by_code, find_by_number, search_stops
from tests.transit_city import network

NAMES = {
    "T1": ("LP1912", "7 y 50"),
    "T2": ("LP1913", "Calle 7 e/ 50 y 51"),
    "T3": ("LP307", "Av. 44 y 7"),
    "T4": ("", "Hospital de Niños, 14 y 65"),
    "N5": ("LP75", "Diag. 75 y 19"),
}


def city() -> Network:
    """The small city, its stops named by street corners."""
    plain = network()
    stops = {
        key: replace(stop, code=NAMES[key][0], name=NAMES[key][1]) if key in NAMES else stop
        for key, stop in plain.stops.items()
    }
    return replace(plain, stops=stops)


CITY = city()


def ids(query: str) -> list[str]:
    """Ids of the stops found."""
    return [stop.id for stop in search_stops(CITY, query)]


def test_a_code_finds_one_stop_whatever_its_case() -> None:
    assert ids("LP1912") == ids(" lp 1912 ") == ids("lp-1912") == ids("1912") == ["T1"]
    assert find_by_code(CITY, "T4") == CITY.stops["T4"]
    assert find_by_code(CITY, "") is None
    assert find_by_number(CITY, "²") is None


def test_a_corner_is_found_in_any_order_and_the_shortest_name_first() -> None:
    assert ids("7 y 50") == ids("50 y 7") == ids("calle 7 esq. 50") == ids("Av 7 & 50") == ["T1", "T2"]
    assert ids("44 y 7") == ["T3"]


def test_numbers_match_whole_and_words_by_their_beginning() -> None:
    assert ids("7 y 5") == []
    assert ids("hosp ninos") == ids("HOSPITAL NIÑOS") == ids("niñ") == ["T4"]
    assert ids("diagonal 75") == ids("diag 75") == ["N5"]


@given(st.text(max_size=200))
def test_searching_never_fails(query: str) -> None:
    assert len(search_stops(CITY, query)) <= MAX_RESULTS
