"""The plan of the city on the watch page: what it marks, where it leads, and that it is never worse than the lists."""

from datetime import timedelta
from itertools import combinations

from sqlalchemy import Engine, select, update

from models.tables.alerts import alerts
from models.tables.city import basins, configuration, stations
from models.tables.incidents import incidents
from services.queries.watch.plan_layout import APART, WIDTH
from tests.services.web.pages import city
from tests.services.web.pages.site import Page, Site

MOST_BYTES = 40_000
"""Of the plan, uncompressed: a phone loads it in the storm."""


def spots(page: Page) -> dict[str, dict[str, str]]:
    """The links of stations by the station's id."""
    return {
        said["id"].removeprefix("plano-"): said
        for said in page.part("plano").all("a")
        if "spot" in said.get("class", "").split()
    }


def place(said: dict[str, str]) -> tuple[float, float]:
    x, y = said["transform"].removeprefix("translate(").removesuffix(")").split()
    return float(x), float(y)


def test_every_station_is_on_the_plan_and_its_symbol_leads_to_its_page(storm_site: Site) -> None:
    page = storm_site.page("/")
    found = spots(page)
    assert len(found) == 37
    assert all(said["href"] == f"/estacion/{name}" for name, said in found.items())
    assert found["gato-ringuelet"]["aria-label"] == "Arroyo del Gato, 7 y 514 (Ringuelet): rojo, baja"
    assert "spot-rojo" in found["gato-ringuelet"]["class"]
    assert storm_site.get(found["lluvia-casco"]["href"]).status_code == 200


def test_a_silent_station_keeps_its_colour_in_words_and_is_marked(storm_site: Site) -> None:
    silent = spots(storm_site.page("/"))["gato-tolosa"]
    assert "silent" in silent["class"].split()
    assert silent["aria-label"] == "Arroyo del Gato, 520 y 117 (Tolosa): SIN DATOS, último nivel rojo"


def test_symbols_are_far_enough_apart_for_a_finger(storm_site: Site) -> None:
    page = storm_site.page("/")
    places = [place(said) for said in spots(page).values()]
    assert all(0 <= x <= WIDTH for x, _ in places)
    nearest = min(max(abs(a[0] - b[0]), abs(a[1] - b[1])) for a, b in combinations(places, 2))
    assert nearest > 0.65 * APART


def test_basins_are_marked_by_colour_and_by_weave(storm_site: Site) -> None:
    part = storm_site.page("/").part("plano")
    basin_classes = [said["class"] for said in part.all("path") if said.get("class", "").startswith("basin ")]
    assert sorted(basin_classes) == sorted(["basin basin-verde"] * 5 + ["basin basin-rojo", "basin basin-naranja"])
    assert {said["fill"] for said in part.all("path") if "fill" in said} == {"url(#trama-rojo)", "url(#trama-naranja)"}


def test_open_incidents_are_marked_and_lead_to_their_pages(storm_site: Site) -> None:
    flags = [said for said in storm_site.page("/").part("plano").all("a") if "flag" in said.get("class", "").split()]
    assert "Suceso: Inundación, Arroyo del Gato: rojo, 4 avisos" in [said["aria-label"] for said in flags]
    assert all(storm_site.get(said["href"]).status_code == 200 for said in flags)


def test_the_plan_comes_before_the_list_of_streams_and_leads_there(storm_site: Site) -> None:
    page = storm_site.page("/")
    assert page.html.index('id="plano"') < page.html.index('id="estaciones"')
    assert "6 rojo · 4 naranja · 6 amarillo · 1 sin datos" in page.part("plano").text
    links = [said["href"] for said in page.part("plano").all("a")]
    assert links[0] == links[-1] == "#estaciones"


def test_the_plan_is_light_and_can_be_fetched_alone(storm_site: Site) -> None:
    answer = storm_site.get("/?parte=plano")
    assert answer.text.lstrip().startswith('<section id="plano"')
    assert len(answer.content) < MOST_BYTES
    assert "Plan of the city" in storm_site.page("/?lang=en").part("plano").text


def test_a_city_without_geometry_has_its_stations_and_incidents_on_the_plan(
    changing: Engine, changing_site: Site
) -> None:
    with changing.begin() as transaction:
        transaction.execute(update(basins).values(geometry=None))
        transaction.execute(update(configuration).values(plan=None))
    part = changing_site.page("/").part("plano")
    assert len(spots(changing_site.page("/"))) == 37
    assert 'class="flag' in part.html


def test_in_an_outage_nothing_on_the_plan_looks_current(changing: Engine, changing_site: Site) -> None:
    with changing.begin() as transaction:
        city.beat(transaction, city.NOW - timedelta(hours=1))
    part = changing_site.page("/").part("plano")
    assert 'class="plan lost"' in part.html
    assert "Sin datos: lo que se ve es viejo." in part.text
    assert "rojo ·" not in part.text


def test_a_hostile_name_stays_text(changing: Engine, changing_site: Site) -> None:
    with changing.begin() as transaction:
        transaction.execute(update(stations).values(name='</title><script>x</script>"', latitude=-34.9))
        transaction.execute(update(basins).values(name="</text><script>x</script>"))
    assert "<script>x" not in changing_site.page("/").html


def test_an_incident_without_a_place_is_in_the_list_only(changing: Engine, changing_site: Site) -> None:
    with changing.begin() as transaction:
        number = transaction.execute(select(incidents.c.id).where(incidents.c.area.like("municipality:%"))).scalar()
        transaction.execute(update(incidents).values(area="system", hazard="system").where(incidents.c.id == number))
        transaction.execute(update(alerts).values(subject="system").where(alerts.c.incident_id == number))
    page = changing_site.page("/")
    assert f'id="plano-suceso-{number}"' not in page.html
    assert f'href="/suceso/{number}"' in page.part("sucesos").html


def test_an_empty_city_has_no_plan(site: Site) -> None:
    assert "plano" not in site.page("/").ids
    assert site.get("/?parte=plano").status_code == 200
