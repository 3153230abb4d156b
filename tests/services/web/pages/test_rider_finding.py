"""A rider finds a stop by what they know: the line, the corner, a square, a destination, or the number on the pole."""

import re

import pytest
from sqlalchemy import Engine

from services.web.pages.transit.rendering import MOST_LIST_BYTES
from tests.services.web.pages.city import load_seed
from tests.services.web.pages.riders import Town, put_in_force, town
from tests.services.web.pages.site import Page, read
from tests.services.web.pages.test_rider_pages import STOP, size
from tests.transit_city import network


@pytest.fixture
def seeded(city: Town) -> Town:
    """The schematic La Plata with the landmarks of its seed."""
    with city.engine.begin() as transaction:
        load_seed(transaction)
    city.look()
    return city


def followed(city: Town, path: str) -> Page:
    """The page that an address leads to."""
    response = city.site.get(path)
    while response.status_code == 303:
        response = city.site.get(response.headers["location"])
    assert response.status_code == 200, response.text
    assert size(response) < MOST_LIST_BYTES
    return read(response.text)


def whole(city: Town, path: str) -> list[Page]:
    """The pages of one direction of a line."""
    pages, here = [], path
    while here:
        pages.append(followed(city, here))
        here = next((path + a["href"] for a in pages[-1].all("a") if "desde=" in a["href"]), "")
    return pages


@pytest.mark.parametrize("asked", ["307", "la 307", "línea 307", "LINEA 307", "micro 307"])
def test_the_name_of_a_line_leads_to_its_directions(city: Town, asked: str) -> None:
    assert city.site.get(f"/p/?q={asked}").headers["location"] == "/linea/307"
    page = followed(city, f"/p/?q={asked}")
    assert "Línea 307" in page.text
    assert {"/linea/307/0", "/linea/307/1"} <= {said["href"] for said in page.all("a")}
    assert "Villa Elvira" in page.text


def test_a_direction_shows_its_stops_in_order_and_where_its_buses_are(city: Town) -> None:
    journey, position = city.journeys("307", STOP, city.now + 300, city.now + 1800)[0]
    city.drive("41", journey, city.now - 20)
    pattern = city.network.patterns[journey.trip.pattern]
    (page,) = whole(city, f"/linea/307/{pattern.direction_id}")
    codes = re.findall(r"LP\d+", page.text)
    assert [code for code in codes if code in pattern.stop_ids] == list(pattern.stop_ids)
    assert "1 micro con señal ahora" in page.text
    (at,) = re.findall(r"(LP\d+)[^←]{0,40}← micro", page.text)
    assert pattern.stop_ids.index(at) <= position
    assert f'href="/p/{STOP}?linea=307"' in page.html
    city.drive("41", journey, city.now - 400)
    assert "Ningún micro con señal ahora. 1 sin señal." in followed(city, f"/linea/307/{pattern.direction_id}").text


def test_where_no_bus_of_a_company_is_heard_its_line_says_so(city: Town) -> None:
    assert "Datos de la empresa caídos" in followed(city, "/linea/307").text


def test_stops_of_one_branch_say_where_it_goes(city: Town) -> None:
    text = " ".join(page.text for page in whole(city, "/linea/273/1"))
    assert len(re.findall(r"sólo a (?:Gonnet|Villa Elisa|City Bell)", text)) > 10


def test_a_long_line_is_read_in_parts_and_no_stop_is_left_out(city: Town) -> None:
    codes = [code for page in whole(city, "/linea/273/0") for code in re.findall(r'href="/p/(LP\d+)\?', page.html)]
    patterns = [one for one in city.network.patterns if one.route_id == "273" and one.direction_id == 0]
    assert len(codes) == len(set(codes))
    assert set(codes) == {stop_id for one in patterns for stop_id in one.stop_ids}


def test_a_square_leads_to_the_stops_around_it(seeded: Town) -> None:
    page = followed(seeded, "/p/?q=plaza moreno")
    assert "Cerca de Plaza Moreno" in page.text
    distances = [int(metres) for metres in re.findall(r"a (\d+) m", page.text)]
    assert len(distances) > 1
    assert distances == sorted(distances)
    assert max(distances) <= 400
    assert "Near Plaza Moreno" in followed(seeded, "/p/?q=Pza.+Moreno&idioma=en").text


def test_a_line_beside_a_corner_or_a_square_leads_to_its_stops_there(seeded: Town) -> None:
    corner = followed(seeded, "/p/?q=307 7 y 50")
    assert f'href="/p/{STOP}?linea=307"' in corner.html
    assert "Cerca de" not in corner.text
    square = followed(seeded, "/p/?q=plaza rocha 307")
    assert "Cerca de Plaza Rocha" in square.text
    assert all("?linea=307" in a["href"] for a in square.all("a") if a["href"].startswith("/p/LP"))


def test_a_destination_leads_to_the_lines_that_go_there(city: Town) -> None:
    page = followed(city, "/p/?q=villa elvira")
    assert "/linea/307" in {said["href"] for said in page.all("a")}


def test_the_number_on_the_pole_is_enough_in_the_search_and_in_the_address(city: Town) -> None:
    for path in ("/p/?q=1912", "/p/1912", "/p/lp-1912"):
        assert f"{STOP} 7 y 50" in followed(city, path).text
    assert city.site.get("/p/1912").headers["location"] == city.site.get("/p/?q=1912").headers["location"]
    assert city.site.get("/p/1912.txt").text == city.site.get(f"/p/{STOP}.txt").text
    assert "¿Cuál no pasó?" in city.site.page("/p/1912/no-paso").text
    assert f"{STOP} 7 y 50" in city.site.page("/cartel/1912").text


def test_an_address_that_is_no_code_is_answered_as_the_search_answers_it(city: Town) -> None:
    assert "2 paradas" in city.site.page("/p/7 y 50").text
    assert city.site.get("/p/307?idioma=en").headers["location"] == "/linea/307?idioma=en"
    missing = city.site.page("/p/nowhere", status=404)
    assert "No encontramos «nowhere»" in missing.text
    assert "No encontramos «999»" in city.site.page("/linea/999", status=404).text
    assert city.site.get("/linea/307/7").status_code == 404


def test_a_line_with_one_direction_shows_its_stops_at_once(database: Engine) -> None:
    put_in_force(database, network())
    with town(database) as small:
        page = small.site.page("/linea/20")
        assert re.findall(r"Parada (\w\d)", page.text) == ["T1", "L2", "L3", "T2", "T1"]
        branches = small.site.page("/linea/10/0")
        assert re.findall(r"Parada (\w\d)", branches.text) == ["T1", "T2", "T3", "T4", "N5", "N6"]
        assert "Parada N6 sólo a Norte" in branches.text
