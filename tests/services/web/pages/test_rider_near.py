"""A rider asks for the stops near them: the position comes on their press only, serves one answer, and is forgotten."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from services.runtime.settings import Settings
from services.web.pages.transit.rendering import MOST_BYTES
from tests.services.web.pages.browser import CHROMIUM, Browser, browser
from tests.services.web.pages.city import load_seed
from tests.services.web.pages.riders import Town
from tests.services.web.pages.site import read
from tests.services.web.pages.test_rider_pages import STOP, size
from tests.serving import listening

TELEPHONE = (390, 844)
FAR_AWAY = {"lat": "-38.0", "lon": "-57.5"}


def beside(city: Town) -> tuple[float, float]:
    """A place some metres from the stop."""
    latitude, longitude = city.network.stops[STOP].point
    return latitude + 0.0001234, longitude - 0.0001234


def form(city: Town) -> dict[str, str]:
    """What a telephone beside the stop would send if it did not round."""
    latitude, longitude = beside(city)
    return {"lat": f"{latitude:.7f}", "lon": f"{longitude:.7f}"}


def test_the_stops_around_come_nearest_first_with_their_lines(city: Town) -> None:
    answer = city.site.post("/cerca", form(city))
    page = read(answer.text)
    assert size(answer) < MOST_BYTES
    assert f'href="/p/{STOP}"' in page.html
    distances = [int(metres) for metres in re.findall(r"a (\d+) m →", page.text)]
    assert distances == sorted(distances)
    assert 2 < len(distances) <= 10
    assert max(distances) <= 800
    assert "no se guardó" in page.text


def test_nothing_of_the_position_is_stored_logged_kept_or_sent_on(city: Town, caplog: pytest.LogCaptureFixture) -> None:
    before = rows(city)
    with caplog.at_level(logging.DEBUG):
        answer = city.site.post("/cerca", form(city))
    latitude, longitude = (f"{abs(one):.3f}" for one in beside(city))
    traces = answer.text + str(answer.headers) + " ".join(record.getMessage() for record in caplog.records)
    assert latitude not in traces
    assert longitude not in traces
    assert rows(city) == before
    assert answer.status_code == 200, "a redirect would put the position into an address"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


def rows(city: Town) -> dict[str, int]:
    """The number of rows of every table."""
    with city.engine.connect() as connection:
        names = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        return {name: connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in names}


def test_a_position_sent_exactly_is_rounded_to_a_block_all_the_same(city: Town) -> None:
    exact = city.site.post("/cerca", form(city)).text
    assert city.site.post("/cerca", {name: f"{float(value):.3f}" for name, value in form(city).items()}).text == exact


def test_far_from_every_stop_the_page_says_so(city: Town) -> None:
    assert "No hay paradas a menos de 5 km." in read(city.site.post("/cerca", FAR_AWAY).text).text
    latitude, longitude = max(one.point for one in city.network.stops.values())
    outside = {"lat": str(latitude + 0.015), "lon": str(longitude)}
    assert "No hay paradas a menos de 800 m. La menos lejos:" in read(city.site.post("/cerca", outside).text).text


def test_without_javascript_the_stop_is_chosen_from_a_list(city: Town) -> None:
    with city.engine.begin() as transaction:
        load_seed(transaction)
    city.look()
    page = city.site.page("/cerca")
    assert page.all("form") == [{"method": "post", "action": "/cerca", "hidden": ""}]
    assert "Elegí tu parada en la lista" in page.text
    addresses = {said["href"] for said in page.all("a")}
    assert {"/linea/307", "/linea/Norte", "/p/?q=Plaza+Moreno"} <= addresses
    assert "Choose your stop from the list" in city.site.page("/cerca?idioma=en").text
    assert "/cerca" in {said["href"] for said in city.site.page("/p/").all("a")}


def test_what_is_no_position_or_comes_from_elsewhere_is_refused(city: Town) -> None:
    for wrong in ({}, {"lat": "91", "lon": "0"}, {"lat": "nan", "lon": "0"}, {"lat": "-34.9"}):
        answer = city.site.post("/cerca", wrong)
        assert answer.status_code == 400
        assert "El pedido está incompleto" in read(answer.text).text
    assert city.site.post("/cerca", form(city), origin="http://evil.example").status_code == 403


@pytest.fixture
def address(city: Town) -> Iterator[str]:
    """The URL where the city is served."""
    with listening(city.app, Settings(api_port=0)) as address:
        yield address


def posts(screen: Browser) -> list[str]:
    """The addresses of the forms that the browser sent."""
    sent = (event["params"]["request"] for event in screen.events if event["method"] == "Network.requestWillBeSent")
    return [request["url"] for request in sent if request["method"] == "POST"]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_telephone_sends_its_position_when_the_button_is_pressed_and_never_else(
    city: Town, address: str, tmp_path: Path
) -> None:
    latitude, longitude = beside(city)
    with browser(tmp_path / "profile") as screen:
        screen.look(*TELEPHONE)
        screen.command("Emulation.setGeolocationOverride", latitude=latitude, longitude=longitude, accuracy=5)
        screen.command("Browser.grantPermissions", permissions=["geolocation"], origin=address)
        screen.open(f"{address}/cerca")
        assert screen.evaluate("document.forms[0].checkVisibility() && !document.forms[0].lat.value")
        assert posts(screen) == []
        screen.evaluate("document.getElementById('here').click()")
        screen.wait_for(f"document.body?.textContent.includes('{STOP}')")
        assert screen.evaluate("location.href") == f"{address}/cerca"
        assert posts(screen) == [f"{address}/cerca"]
        assert screen.evaluate("document.documentElement.scrollWidth") <= TELEPHONE[0]
        assert not screen.complaints()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_where_the_telephone_says_no_the_list_is_offered(address: str, tmp_path: Path) -> None:
    with browser(tmp_path / "profile") as screen:
        screen.open(f"{address}/cerca")
        screen.command("Browser.setPermission", permission={"name": "geolocation"}, setting="denied")
        screen.evaluate("document.getElementById('here').click()")
        screen.wait_for("document.getElementById('said').textContent.includes('Elegí tu parada en la lista')")
        assert posts(screen) == []
        screen.look(*TELEPHONE, scripts=False)
        screen.open(f"{address}/cerca?idioma=es")
        assert screen.evaluate("!document.forms[0].checkVisibility()"), "without a script there is no button"
