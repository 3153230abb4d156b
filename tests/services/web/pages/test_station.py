"""A station's page: series, devices, alerts, and the series as CSV."""

import csv
import io
import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, cast, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB

from models.reading import Flag
from models.tables.city import devices, stations
from models.tables.readings import READINGS, device_memories
from tests.services.web.pages import city
from tests.services.web.pages.site import Site

RINGUELET = "/estacion/gato-ringuelet"


def test_a_station_shows_its_chart_its_thresholds_and_its_instrument(storm_site: Site) -> None:
    page = storm_site.page(RINGUELET)
    text = page.text
    assert "■ rojo 2,10 m ↓ baja" in text
    assert "Umbral amarillo: 1,20 m" in text
    assert "Umbral rojo: 2,00 m" in text
    assert "Sensor gato-ringuelet conexión desconocida Última medición recibida: hace 0 s" in text
    assert "Municipio La Plata" in text
    assert "Cuenca Arroyo del Gato" in text
    (chart,) = page.all("svg")
    assert chart["role"] == "img"
    assert chart["aria-label"].startswith(
        "Arroyo del Gato, 7 y 514 (Ringuelet): ahora 2,10 m, baja, entre 0,28 m y 2,20 m"
    )


@pytest.mark.parametrize("hours", [6, 24, 168, 720])
def test_the_period_can_be_chosen_without_javascript(storm_site: Site, hours: int) -> None:
    page = storm_site.page(f"{RINGUELET}?horas={hours}")
    links = {said["href"] for said in page.all("a") if said.get("href", "").startswith("?horas=")}
    assert links == {f"?horas={other}" for other in (6, 24, 168, 720) if other != hours}
    assert f"{RINGUELET}.csv?horas={hours}" in page.html


def test_a_gap_in_the_data_is_a_gap_in_the_chart(changing: Engine, changing_site: Site) -> None:
    table = READINGS["river"]
    with changing.begin() as transaction:
        device_id = transaction.execute(select(devices.c.id).where(devices.c.code == "gato-ringuelet")).scalar_one()
        hole = table.c.observed_at.between(city.NOW - timedelta(hours=3), city.NOW - timedelta(hours=2))
        transaction.execute(table.delete().where(table.c.device_id == device_id, hole))
    (line,) = [said["d"] for said in changing_site.page(RINGUELET).all("path") if said["class"] == "line"]
    assert line.count("M") == 2


def test_untrusted_values_are_not_drawn_but_named(changing: Engine, changing_site: Site) -> None:
    later = city.NOW - timedelta(seconds=10)
    row = {"observed_at": later, "received_at": later, "seq": -1, "level_m": -9999.0, "flags": int(Flag.SENTINEL)}
    with changing.begin() as transaction:
        device_id = transaction.execute(select(devices.c.id).where(devices.c.code == "gato-ringuelet")).scalar_one()
        transaction.execute(insert(READINGS["river"]).values(device_id=device_id, **row))
        memory = update(device_memories).where(device_memories.c.device_id == device_id)
        transaction.execute(memory.values(flags=int(Flag.SENTINEL), observed_at=later))
    text = changing_site.page(RINGUELET).text
    assert "9999" not in text
    assert "2,10 m" in text
    assert 'Calidad de la última medición: código de "sin valor"' in text


def test_an_infinite_value_that_somebody_wrote_to_the_table_breaks_no_page(
    changing: Engine, changing_site: Site
) -> None:
    with changing.begin() as transaction:
        device_id = transaction.execute(select(devices.c.id).where(devices.c.code == "gato-ringuelet")).scalar_one()
        for number, level_m in enumerate((float("inf"), float("-inf"), float("nan"), 1e300)):
            at = city.NOW - timedelta(minutes=5, seconds=number + 1)
            row = {"observed_at": at, "received_at": at, "seq": -2 - number, "level_m": level_m, "flags": 0}
            transaction.execute(insert(READINGS["river"]).values(device_id=device_id, **row))
    for path in ("/", RINGUELET, "/alerta/1"):
        assert "2,10 m" in changing_site.page(path).text


def test_what_a_device_measures_beside_the_judged_measure_is_shown(changing: Engine, changing_site: Site) -> None:
    with changing.begin() as transaction:
        device_id = transaction.execute(select(devices.c.id).where(devices.c.code == "gato-ringuelet")).scalar_one()
        latest = device_memories.c.latest.op("||")(cast({"battery_v": 12.64}, JSONB))
        transaction.execute(
            update(device_memories).where(device_memories.c.device_id == device_id).values(latest=latest)
        )
    assert "Tensión de alimentación: 12,6 V" in changing_site.page(RINGUELET).text
    assert "Supply voltage: 12.6 V" in changing_site.page(f"{RINGUELET}?lang=en").text
    api = changing_site.get("/api/v1/stations/gato-ringuelet/latest").json()
    assert api["devices"][0]["values"]["battery_v"] == 12.64


def test_a_second_device_fills_the_gaps_of_the_first(changing: Engine, changing_site: Site) -> None:
    table = READINGS["river"]
    with changing.begin() as transaction:
        device_id = transaction.execute(select(devices.c.id).where(devices.c.code == "gato-ringuelet")).scalar_one()
        spare = insert(devices).values(municipality="laplata", kind="river", code="spare", station_id="gato-ringuelet")
        spare_id = transaction.execute(spare.returning(devices.c.id)).scalar_one()
        recent = table.c.observed_at > city.NOW - timedelta(hours=1)
        moved = update(table).where(table.c.device_id == device_id, recent)
        transaction.execute(moved.values(device_id=spare_id))
    page = changing_site.page(RINGUELET)
    assert "2,10 m" in page.text
    assert "Sensor spare" in page.text
    assert [said["d"].count("M") for said in page.all("path") if said["class"] == "line"] == [1]


def test_the_series_can_be_downloaded_as_csv(storm_site: Site) -> None:
    response = storm_site.get(f"{RINGUELET}.csv?horas=6")
    assert response.headers["content-type"].startswith("text/csv")
    assert "attachment" in response.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert len(rows) == 180
    times = [datetime.fromisoformat(row["time_utc"]) for row in rows]
    assert times == sorted(times)
    assert city.NOW - times[-1] < timedelta(minutes=2)
    assert max(float(row["level_m_greatest"]) for row in rows) == pytest.approx(2.2, abs=0.01)
    assert all(float(row["level_m_least"]) <= float(row["level_m_mean"]) for row in rows)


def test_the_table_has_the_values_of_the_chart(storm_site: Site) -> None:
    page = storm_site.page(RINGUELET)
    table = page.part("tabla").text
    assert re.search(r"18:06 2,10 2,11 2,12 18:04", table)


def test_rain_is_drawn_as_amounts(storm_site: Site) -> None:
    page = storm_site.page("/estacion/lluvia-tolosa")
    assert len(page.all("rect")) > 10
    assert not [said for said in page.all("path") if said["class"] == "line"]
    assert "Lluvia (mm)" in page.text


def test_a_radar_has_a_page_too(storm_site: Site) -> None:
    page = storm_site.page("/estacion/radar-7-50")
    assert "Avenida 7" in page.text


def test_the_history_tells_each_change_with_its_evidence(storm_site: Site) -> None:
    text = storm_site.page("/estacion/perez-31-520").part("alertas_de_estacion").text
    assert "18:03 · se abrió en naranja · Crecida rápida, puede alcanzar el umbral · sin confirmar" in text
    assert "Crecida 0,19 m" in text
    assert "Probabilidad de alcanzarlos 100 % · 71 % · 30 %" in text


def test_an_inactive_station_is_found_and_shown_as_inactive(changing: Engine, changing_site: Site) -> None:
    with changing.begin() as transaction:
        transaction.execute(update(stations).where(stations.c.id == "pereyra").values(active=False))
    assert "Estación dada de baja" in changing_site.page("/estacion/pereyra").text
    assert "est-pereyra" not in changing_site.page("/").html


@pytest.mark.parametrize(
    "path",
    [
        "/estacion/nada",
        "/estacion/nada.csv",
        f"{RINGUELET}?horas=7",
        f"/estacion/{'x' * 300}",
        "/estacion/%00",
        "/static/nada",
    ],
)
def test_an_unknown_page_links_back(storm_site: Site, path: str) -> None:
    page = storm_site.page(path, status=404)
    assert "Volver a la guardia" in page.text
    assert {"href": "/"} in page.all("a")
