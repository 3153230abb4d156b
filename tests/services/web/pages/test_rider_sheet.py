"""Whoever looks after a stop prints its sheet: the code in large letters, its lines, and a QR code that leads to it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import segno
from fastapi import FastAPI
from sqlalchemy import Engine

from services.runtime.settings import Settings
from services.web.app import create_app
from services.web.pages.transit.rendering import MOST_LIST_BYTES
from simulators import lines
from tests.services.web.pages.browser import CHROMIUM, browser
from tests.services.web.pages.riders import NOW, Town, put_in_force, town
from tests.services.web.pages.site import ORIGIN, Site, read
from tests.services.web.pages.test_rider_pages import BUSIEST, STOP, size
from tests.serving import listening

PUBLIC_URL = "https://micros.laplata.example"
TELEPHONE = (390, 844)


def modules(svg: str) -> set[tuple[int, int]]:
    """The dark modules of a QR code by column and row, from the strokes of its path: `M x y`, `h` dark, `m` light."""
    (path,) = re.findall(r'stroke="#000" d="([^"]+)"', svg)
    x, y, dark = 0.0, 0.0, set[tuple[int, int]]()
    for letter, numbers in re.findall(r"([Mmh])([-\d. ]+)", path):
        steps = [float(one) for one in numbers.split()]
        match letter:
            case "M":
                x, y = steps
            case "m":
                x, y = x + steps[0], y + steps[1]
            case _:
                dark |= {(int(x) + at, int(y)) for at in range(int(steps[0]))}
                x += steps[0]
    return dark


def leads_to(address: str) -> set[tuple[int, int]]:
    """The dark modules of the code of an address, with a border of four."""
    rows = segno.make(address, error="m", micro=False).matrix
    return {(x + 4, y + 4) for y, row in enumerate(rows) for x, module in enumerate(row) if module}


def public_app(engine: Engine) -> FastAPI:
    """The application at a public address."""
    app = create_app(Settings(public_url=PUBLIC_URL), engine, lambda: NOW, prepared_s=0.0)
    app.state.context.snapshot_cache.refresh()
    return app


def test_the_sheet_has_the_code_the_lines_and_a_qr_code_of_the_public_address(city: Town) -> None:
    with Site(public_app(city.engine)) as site:
        answer = site.get(f"/p/{STOP}/hoja")
        page = read(answer.text)
    assert size(answer) < MOST_LIST_BYTES
    assert f"{STOP} 7 y 50" in page.text
    assert "307 a Villa Elvira" in page.text
    assert f"micros.laplata.example/p/{STOP}" in page.text
    assert modules(answer.text) == leads_to(f"{PUBLIC_URL}/p/{STOP}")
    assert "VIGIA_PUBLIC_URL" not in page.text
    assert "<script" not in answer.text


def test_without_a_public_address_the_sheet_says_that_it_is_of_no_use(city: Town) -> None:
    page = city.site.page(f"/p/{STOP}/hoja")
    assert modules(page.html) == leads_to(f"{ORIGIN}/p/{STOP}")
    assert "sólo sirve en esta máquina" in page.text
    assert "works on this machine only" in city.site.page(f"/p/{STOP}/hoja?idioma=en").text


def test_the_stops_page_leads_to_its_sheet_and_its_number_is_enough(city: Town) -> None:
    assert f"/p/{STOP}/hoja" in {said["href"] for said in city.site.page(f"/p/{STOP}").all("a")}
    assert modules(city.site.page("/p/1912/hoja").html) == leads_to(f"{ORIGIN}/p/{STOP}")
    assert city.site.get("/p/LP9999/hoja").status_code == 404


def test_long_names_never_break_the_sheet(database: Engine) -> None:
    plain, long = lines.schematic_network(), "Ñandú & hijos " * 20
    put_in_force(
        database,
        replace(
            plain,
            stops={key: replace(stop, name=long) for key, stop in plain.stops.items()},
            trips={key: replace(trip, headsign=f"{long}{trip.headsign}") for key, trip in plain.trips.items()},
        ),
    )
    with town(database) as long_names:
        answer = long_names.site.get(f"/p/{BUSIEST}/hoja")
        assert size(answer) < MOST_LIST_BYTES
        assert "Ñandú &amp; hijos" in answer.text


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_the_sheet_is_one_page_of_paper_and_fits_a_telephone(city: Town, tmp_path: Path) -> None:
    with listening(city.app, Settings(api_port=0)) as address, browser(tmp_path / "profile") as screen:
        screen.look(*TELEPHONE, dark=True)
        screen.open(f"{address}/p/{BUSIEST}/hoja")
        assert screen.evaluate("document.documentElement.scrollWidth") <= TELEPHONE[0]
        assert screen.evaluate("document.querySelector('svg').getBoundingClientRect().width") > 200
        screen.print(tmp_path / "sheet.pdf")
        assert len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "sheet.pdf").read_bytes())) == 1
        assert not screen.complaints()
