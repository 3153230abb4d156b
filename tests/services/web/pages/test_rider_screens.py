"""The riders' pages in a real browser: on the smallest telephone, light and dark, on an old television and on paper."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from services.runtime.settings import Settings
from simulators import lines
from tests.services.web.pages.browser import CHROMIUM, Browser, browser
from tests.services.web.pages.riders import Town, put_in_force, town
from tests.services.web.pages.test_rider_pages import BUSIEST, STOP, YESTERDAY, estimated, fill
from tests.serving import listening

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

SMALLEST, TELEVISION = (320, 568), (1280, 720)
POOR_CONTRAST = (Path(__file__).parent / "contrast.js").read_text("utf-8")
SMALL_TARGETS = """[...document.querySelectorAll('a, button, input[maxlength], label:has(input)')]
    .filter(e => e.closest('nav, form, ul, ol') || e.tagName == 'BUTTON')
    .filter(e => { const r = e.getBoundingClientRect(); return r.width < 44 || r.height < 44; })
    .map(e => e.textContent || e.name)"""
SMALL_TEXT = """[...document.querySelectorAll('body *')]
    .filter(e => parseFloat(getComputedStyle(e).fontSize) < 16).map(e => e.tagName)"""
PAGES = (
    f"/p/{BUSIEST}",
    f"/p/{STOP}?linea=307",
    f"/p/{STOP}?linea=275",
    "/p/?q=7+y+50",
    "/p/?q=villa+elvira",
    "/linea/307",
    "/cerca",
    f"/p/{STOP}/hoja",
    "/linea/273/1",
    f"/p/{STOP}/no-paso",
    "/precision",
)


@pytest.fixture
def city(database: Engine) -> Iterator[Town]:
    """A busy afternoon, and figures of the day before."""
    put_in_force(database, lines.schematic_network())
    with town(database) as made:
        fill(made, BUSIEST)
        estimated(made, YESTERDAY, 50)
        yield made


@pytest.fixture
def address(city: Town) -> Iterator[str]:
    """The URL where the city is served."""
    with listening(city.app, Settings(api_port=0)) as address:
        yield address


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Browser]:
    """The rider's browser."""
    with browser(tmp_path / "profile") as opened:
        yield opened


def test_the_smallest_telephone_shows_all_in_large_letters_with_large_targets(address: str, screen: Browser) -> None:
    for dark in (False, True):
        screen.look(*SMALLEST, dark=dark)
        for path in PAGES:
            screen.open(address + path)
            assert screen.evaluate("document.documentElement.scrollWidth") <= SMALLEST[0], path
            assert screen.evaluate(POOR_CONTRAST) == [], path
            assert screen.evaluate(SMALL_TARGETS) == [], path
            assert screen.evaluate(SMALL_TEXT) == [], path
            assert screen.evaluate("[document.querySelectorAll('h1').length, !!document.querySelector('main')]") == [
                1,
                True,
            ]
    assert not screen.complaints()


def test_an_old_television_shows_the_sign_without_scrolling(address: str, screen: Browser) -> None:
    screen.look(*TELEVISION, scripts=False)
    screen.open(f"{address}/cartel/{BUSIEST}")
    assert screen.evaluate("document.documentElement.scrollHeight") <= TELEVISION[1]
    assert screen.evaluate("parseFloat(getComputedStyle(document.querySelector('td')).fontSize)") >= 28
    assert screen.evaluate(POOR_CONTRAST) == []
    assert not screen.complaints()


def test_on_paper_only_what_can_be_read_there_stays(address: str, screen: Browser, tmp_path: Path) -> None:
    screen.look(*SMALLEST)
    screen.open(f"{address}/p/{STOP}")
    screen.command("Emulation.setEmulatedMedia", media="print")
    assert screen.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    screen.print(tmp_path / "stop.pdf")
    assert (tmp_path / "stop.pdf").read_bytes().startswith(b"%PDF")
