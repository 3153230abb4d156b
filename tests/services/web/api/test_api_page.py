"""A developer reads the pages of the API: all of it from this address, and a request can be tried in the page."""

import re
from pathlib import Path

import pytest

from services.web.pages.api_page import DESCRIPTIONS
from tests.services.web.api.conftest import City
from tests.services.web.pages.browser import CHROMIUM, browser

OPERATION = "#operations-stations-stations"
PAGES = {"/docs": DESCRIPTIONS["vigia"], "/docs/onebusaway": DESCRIPTIONS["onebusaway"]}


@pytest.mark.parametrize("page", PAGES)
def test_all_that_the_page_needs_comes_from_this_address(quiet_city: City, page: str) -> None:
    answer = quiet_city.client.get(page)
    assert answer.status_code == 200
    needed = re.findall(r'(?:src|<link[^>]* href|data-description)="([^"]+)"', answer.text)
    assert PAGES[page] in needed
    assert len(needed) >= 7
    assert [address for address in needed if not address.startswith("/")] == []
    assert [quiet_city.client.get(address).status_code for address in needed] == [200] * len(needed)
    assert "'unsafe" not in answer.headers["content-security-policy"]
    assert quiet_city.client.get("/docs/swagger-ui/core.py").status_code == 404


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("size", [(390, 844), (1440, 900)])
def test_a_request_can_be_tried_in_the_page(quiet_city: City, tmp_path: Path, size: tuple[int, int]) -> None:
    with browser(tmp_path) as tab:
        tab.look(*size)
        tab.open(f"{quiet_city.client.base_url}/docs#/stations/stations")
        tab.wait_for(f"!!document.querySelector('{OPERATION} .try-out__btn')")
        tab.evaluate(f"document.querySelector('{OPERATION} .try-out__btn').click()")
        tab.wait_for(f"!!document.querySelector('{OPERATION} .execute')")
        tab.evaluate(f"document.querySelector('{OPERATION} .execute').click()")
        tab.wait_for(f"!!document.querySelector('{OPERATION} .live-responses-table .response-col_status')")
        status = f"{OPERATION} .live-responses-table .response .response-col_status"
        assert "200" in tab.evaluate(f"document.querySelector('{status}').innerText")
        assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert tab.complaints() == []
        tab.screenshot(tmp_path / "api.png")
