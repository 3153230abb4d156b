"""The watch page over real rows: its contents, outages, and hostile texts."""

import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from msgspec import structs
from sqlalchemy import Engine, delete, insert, select, union, update

from alerts.forecast.level_forecast import LEADS_S, ActivityThresholds, ForecastModel, LeadModel
from models.alert import NAR
from models.reading import Flag
from models.tables.alerts import alerts
from models.tables.city import configuration, devices, stations
from models.tables.operations import heartbeats
from models.tables.readings import READINGS
from models.tables.rules import forecast_models
from services.queries.stations import current as queries
from services.web.http.protection import SECURITY_HEADERS
from services.web.pages.language import dictionary
from tests.services.web.pages import city
from tests.services.web.pages.site import Page, Site, read

HOSTILE = """<script>alert("1")</script>' onmouseover="x" {{ 7 * 7 }} &amp; </title><img src=x>"""
HEAVIEST_BYTES = 150_000


def marks(page: Page, name: str) -> int:
    """How often a level's badge is on the page."""
    return sum(name in said.get("class", "").split() for _, said in page.tags)


def test_a_page_without_stations_says_what_to_do(site: Site) -> None:
    page = site.page("/")
    assert "Todavía no hay estaciones" in page.text
    assert "vigia load" in page.text
    assert "verde" not in page.text.lower()


def test_the_storm_is_on_the_page(storm_site: Site) -> None:
    page = storm_site.page("/")
    head = page.part("ciudad").text
    assert "Nivel medido · La Plata ■ rojo" in head
    assert "no es una alerta; la declara la Dirección de Hidrometeorología" in head
    assert "desde 17:15" in head
    assert "Berisso ▲ amarillo" in head
    assert "Arroyo del Gato ■ rojo" in head
    assert "Estaciones sin datos 1 de 37" in head
    assert "Umbrales derivados, no oficiales" in page.text
    assert re.search(r"<title>\(5\) Guardia · Vigía</title>", page.html)


def test_colour_never_stands_alone(storm_site: Site) -> None:
    page = storm_site.page("/")
    for name, shape in {"verde": "●", "amarillo": "▲", "naranja": "◆", "rojo": "■"}.items():
        badges = re.findall(rf'<span class="nar nar-{name}">(.*?)</span>\s*(\w+)</span>', page.html)
        assert badges
        assert all(shape in inside and word == name for inside, word in badges)


def test_open_alerts_stand_by_what_is_most_dangerous_now(storm_site: Site) -> None:
    listed = [said["id"] for said in storm_site.page("/").part("sucesos").all("li")]
    assert sorted(one for one in listed if one.startswith("alerta-")) == [f"alerta-{number}" for number in range(1, 7)]
    assert next(one for one in listed if one.startswith("suceso-")) == "suceso-1"
    assert listed[1] == "alerta-1", "the worst alert of the worst incident"


def test_an_alert_says_the_present_of_its_stream_beside_what_raised_it(storm_site: Site) -> None:
    page = storm_site.page("/").html
    tiles = dict(re.findall(r'<h3 id="est-.*?">([^<]+)</a>.*?class="num">([\d,]+ m)<', page, re.DOTALL))
    listed = re.findall(r'<strong>([^<]+)</strong></a></p>\s*<p class="now">(?:Ahora|Último dato) ([\d,]+ m)', page)
    assert listed
    assert all(tiles[name] == level for name, level in listed)
    assert page.count("La levantó:") == len(re.findall(r'<li id="alerta-', page)) - 1
    assert page.count("Último cambio, 17:59: El nivel se mantuvo por debajo del umbral</p>") == 1


def test_a_tile_and_its_alert_say_that_the_value_which_raised_them_was_an_isolated_peak(
    changing: Engine, changing_site: Site
) -> None:
    peaked = city.NOW - timedelta(minutes=30)
    device = select(devices.c.id).where(devices.c.code == "gato-143-524").scalar_subquery()
    river = READINGS["river"]
    with changing.begin() as transaction:
        city.hold(transaction, "gato-143-524", "stage", NAR.ROJO)
        told = {"level_m": 4.6, "thresholds_m": [0.95, 1.3, 1.6]}
        peak = city.raise_alert(transaction, "gato-143-524", NAR.ROJO, observed_at=peaked, evidence=told)
        at_that_minute = (river.c.device_id == device) & (river.c.observed_at == peaked)
        transaction.execute(update(river).where(at_that_minute).values(flags=int(Flag.SPIKE), level_m=4.6))
    page = changing_site.page("/")
    for part in (f"alerta-{peak}", "est-gato-143-524"):
        assert "el valor resultó un pico aislado" in page.part(part).text


def test_an_outage_folds_the_silent_stations_that_it_covers(changing: Engine, changing_site: Site) -> None:
    silence = {"judgement": "silence", "cause": "silence", "evidence": {"silent_s": 1500, "limit_s": 900}}
    with changing.begin() as transaction:
        corte = city.raise_alert(
            transaction,
            "municipality:laplata",
            judgement="outage",
            cause="silence",
            rule_id="laplata/river/outage",
            evidence={"silent": 12, "stations": 14},
        )
        quiet = {
            nar: city.raise_alert(transaction, one, nar, rule_id=f"{one}.silence", **silence)
            for one, nar in (("gato-143-524", NAR.AMARILLO), ("perez-31-520", NAR.ROJO))
        }
    page = changing_site.page("/")
    outage = page.part(f"alerta-{corte}")
    assert "2 estaciones de este corte, 2 sin reconocer" in outage.text
    inside = [said["id"] for said in outage.all("li")]
    assert set(inside) == {f"alerta-{corte}", "alerta-5", f"alerta-{quiet[NAR.AMARILLO]}"}
    assert page.html.count(f'id="alerta-{quiet[NAR.AMARILLO]}"') == page.html.count('id="alerta-5"') == 1
    assert page.part("sucesos").text.count("8 sin reconocer") == 1, "folded ones count"


def test_an_alert_says_why_since_when_and_who_knows(storm_site: Site) -> None:
    page = storm_site.page("/")
    assert (
        "El nivel alcanzó el umbral: 2,11 m, umbral 2,00 m desde las 17:46 · hace 21 min" in page.part("alerta-1").text
    )
    assert "sin confirmar Sin reconocer" in page.part("alerta-2").text
    assert "Lluvia intensa en la cuenca: 19,4 mm, umbral 18,0 mm en 15 min" in page.part("alerta-3").text
    assert "✓ Reconocida por la guardia, 17:01" in page.part("alerta-4").text
    assert "SIN DATOS Arroyo del Gato, 520 y 117 (Tolosa) Último dato 1,62 m" in page.part("alerta-5").text
    assert "La levantó: SIN DATOS, último nivel rojo" in page.part("alerta-5").text
    assert "El peligro pasó 17:59; falta que una persona la vea llegó a naranja" in page.part("alerta-6").text


def test_the_most_urgent_stream_comes_first(storm_site: Site) -> None:
    cards = [said["id"] for said in storm_site.page("/").part("estaciones").all("article")]
    assert cards[:4] == ["est-gato-ringuelet", "est-gato-tolosa", "est-perez-31-520", "est-gato-centenario-516"]


def test_a_stream_shows_value_trend_age_and_a_chart_that_can_be_read_aloud(storm_site: Site) -> None:
    card = storm_site.page("/").part("est-perez-31-520")
    assert re.search(r"0,8\d m ⇈ sube rápido \+1,\d\d m/h hace 0 s", card.text)
    (chart,) = card.all("svg")
    assert chart["role"] == "img"
    assert re.fullmatch(
        r"Arroyo Pérez, 31 y 520: ahora 0,8\d m, sube rápido, entre 0,28 m y 0,8\d m, umbral rojo 1,40 m",
        chart["aria-label"],
    )


def test_a_silent_stream_is_marked_and_holds_its_level(storm_site: Site) -> None:
    card = storm_site.page("/").part("est-gato-tolosa")
    assert "SIN DATOS, último nivel rojo" in card.text
    assert "hace 40 min" in card.text
    assert len(card.all("s")) == 1
    assert marks(card, "nar-verde") == marks(card, "trend") == 0


def test_rain_is_shown_over_a_quarter_one_and_three_hours(database: Engine, site: Site) -> None:
    with database.begin() as transaction:
        city.load_seed(transaction)
        city.beat(transaction)
        device_id = transaction.execute(select(devices.c.id).where(devices.c.code == "lluvia-tolosa")).scalar_one()
        fallen = {0: 0.4, 14: 1.0, 15: 2.0, 179: 4.0, 180: 8.0}
        rows = [
            {"device_id": device_id, "observed_at": at, "received_at": at, "seq": -1, "rain_mm": mm, "flags": 0}
            for at, mm in ((city.NOW - timedelta(minutes=minutes), mm) for minutes, mm in fallen.items())
        ]
        transaction.execute(insert(READINGS["rain"]), rows)
    row = site.page("/").part("est-lluvia-tolosa")
    assert "1,4 3,4 7,4 hace 0 s" in row.text


def test_avenues_are_ranked_by_the_share_over_their_limit(storm_site: Site) -> None:
    part = storm_site.page("/").part("velocidad")
    shares = [int(share) for share in re.findall(r"(\d+) %", part.text)]
    assert len(shares) == 8
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("trouble", ["pipeline", "readings"])
def test_an_outage_looks_like_an_outage_and_never_like_calm(database: Engine, site: Site, trouble: str) -> None:
    with database.begin() as transaction:
        city.storm(transaction, until=city.NOW - timedelta(hours=2))
        city.beat(transaction, city.NOW - (timedelta(hours=2) if trouble == "pipeline" else timedelta(0)))
    page = site.page("/")
    head = page.part("ciudad")
    assert "SIN DATOS desde 16:07" in head.text
    assert "outage" in head.tags[0][1]["class"].split()
    assert marks(page, "nar-verde") == 0
    assert "no significa calma" in page.part("sucesos").text
    streams = page.part("estaciones")
    assert len(streams.all("s")) == len(streams.all("article")) == 17
    assert "⇈" not in streams.text


def test_a_pipeline_that_never_ran_is_an_outage(database: Engine, site: Site) -> None:
    with database.begin() as transaction:
        city.load_seed(transaction)
        transaction.execute(delete(heartbeats))
    page = site.page("/")
    assert "SIN DATOS: todavía no llegó ninguna medición" in page.part("ciudad").text
    assert marks(page, "nar-verde") == 0


def test_a_database_that_does_not_answer_is_an_outage_too(database: Engine, site: Site) -> None:
    with database.begin() as transaction:
        transaction.exec_driver_sql("ALTER TABLE stations RENAME TO gone")
    with database.begin() as transaction:
        transaction.exec_driver_sql("ALTER TABLE gone RENAME TO stations")
        city.load_seed(transaction)
        transaction.exec_driver_sql("LOCK TABLE stations IN ACCESS EXCLUSIVE MODE")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(database.pool, "_timeout", 0.1)
            taken = [database.connect() for _ in range(database.pool.size() - 1)]  # type: ignore[attr-defined]
            page = site.page("/", status=503)
            assert site.get("/").headers["refresh"] == "5"
            for connection in taken:
                connection.close()
    assert "La base de datos no responde" in page.text


def test_the_forecast_is_shown_as_one_and_only_where_it_was_published(changing: Engine, changing_site: Site) -> None:
    bands = ((-0.05, 0.0, 0.08),) * 4
    leads = tuple(LeadModel(lead_s, bands=bands, index=0.4, published=True) for lead_s in LEADS_S)
    model = ForecastModel(
        step_s=60, high_m=1.0, scale_m=1.0, active=ActivityThresholds(level_m=0.5, risen_m=9, rain_mm=9), leads=leads
    )
    hidden = structs.replace(model, leads=tuple(replace(lead, published=False) for lead in leads))
    with changing.begin() as transaction:
        for station, learnt in {"gato-ringuelet": model, "perez-31-520": hidden, "gato-tolosa": model}.items():
            row = {"station_id": station, "model": msgspec.to_builtins(learnt), "fitted_at": city.NOW}
            transaction.execute(insert(forecast_models).values(row))
    page = changing_site.page("/")
    shown = page.part("est-gato-ringuelet")
    assert re.search(r"pronóstico para las 20:08: 2,\d\d \(P10–P90: 2,\d\d a 2,\d\d m\)", shown.text)
    assert [said["class"] for said in shown.all("path")] == ["band", "fan", "median", "line"]
    for station in ("perez-31-520", "gato-tolosa"):
        assert "pronóstico" not in page.part(f"est-{station}").text
    alone = changing_site.page("/estacion/gato-ringuelet").text
    assert "pronóstico para las 3/4 00:08" in alone
    assert "Sin pronóstico" not in alone
    assert "Sin pronóstico: se aprendió, pero" in changing_site.page("/estacion/perez-31-520").text
    assert "Sin pronóstico: todavía no se aprendió" in changing_site.page("/estacion/gato-143-524").text
    assert "Sin pronóstico" not in changing_site.page("/estacion/lluvia-tolosa").text


def test_the_answer_says_why_there_is_no_forecast(changing: Engine, changing_site: Site) -> None:
    leads = tuple(LeadModel(lead_s, bands=((-0.05, 0.0, 0.08),) * 4, published=True) for lead_s in LEADS_S)
    model = ForecastModel(step_s=60, high_m=1, scale_m=1, active=ActivityThresholds(0.5, 9, 9), leads=leads)
    quiet = structs.replace(model, active=ActivityThresholds(9, 9, 9))
    hidden = structs.replace(model, leads=tuple(replace(lead, published=False) for lead in leads))
    learnt = {"gato-ringuelet": model, "perez-31-520": quiet, "gato-143-524": hidden, "gato-centenario-516": model}
    with changing.begin() as transaction:
        for station, one in learnt.items():
            row = {"station_id": station, "model": msgspec.to_builtins(one), "fitted_at": city.NOW}
            transaction.execute(insert(forecast_models).values(row))
        device = select(devices.c.id).where(devices.c.station_id == "gato-centenario-516").scalar_subquery()
        river = READINGS["river"]
        an_hour_ago = city.NOW - timedelta(hours=1)
        transaction.execute(delete(river).where(river.c.device_id == device, river.c.observed_at < an_hour_ago))

    def why(station: str) -> object:
        answer = changing_site.get(f"/api/v1/stations/{station}/forecast").json()
        assert answer["published"] is (answer["why_none"] is None)
        return answer["why_none"]

    assert [why(station) for station in learnt] == [None, "quiet", "no_better", "gaps"]
    assert (why("maldonado-72-137"), why("lluvia-tolosa")) == ("not_learnt", "no_stream")


def test_hostile_names_and_notes_are_only_ever_text(changing: Engine, changing_site: Site) -> None:
    with changing.begin() as transaction:
        transaction.execute(update(stations).values(name=HOSTILE, note=HOSTILE, street=HOSTILE))
        transaction.execute(
            update(configuration).values(
                city={"id": "laplata", "name": HOSTILE, "zone": "America/Argentina/Buenos_Aires"}
            )
        )
        transaction.execute(
            update(alerts).values(
                acknowledged_by=HOSTILE,
                acknowledged_at=city.NOW,
                rule_id=alerts.c.rule_id + HOSTILE,
                evidence={HOSTILE: HOSTILE, "flags": HOSTILE},
            )
        )
    for path in ("/", "/?lang=en", "/estacion/gato-ringuelet", "/alerta/1"):
        page = changing_site.page(path)
        assert "<script>alert" in page.text
        assert "49" not in re.findall(r"onmouseover=.x. (\S+)", page.text)
        scripts = {"/static/watch.js"} | ({"/static/sound.js"} if path in ("/", "/?lang=en") else set())
        assert {said["src"].split("?")[0] for said in page.all("script")} == scripts
        assert not page.all("img")


def test_a_name_in_another_alphabet_or_without_end_breaks_nothing(changing: Engine, changing_site: Site) -> None:
    with changing.begin() as transaction:
        transaction.execute(update(stations).values(name="نهر " + "Ñ" * 500 + "\u202e🌊"))
    assert "🌊" in changing_site.page("/").text


@pytest.mark.parametrize(
    "path", ["/", "/estacion/gato-ringuelet", "/estacion/lluvia-tolosa", "/alerta/1", "/entrar", "/alerta/999"]
)
@pytest.mark.parametrize(("language", "other"), [("es", "en"), ("en", "es")])
def test_no_page_mixes_the_languages(
    storm_database: Engine, storm_site: Site, path: str, language: str, other: str
) -> None:
    page = read(storm_site.get(f"{path}?lang={language}").text)
    ours = set(dictionary(language).values())
    foreign = {
        words
        for key, words in dictionary(other).items()
        if words not in ours and "{" not in words and len(words) > 3 and key != "site.language"
    }
    visible = page.text.replace(dictionary(language)["site.language"], "").replace("Dirección de Hidrometeorología", "")
    with storm_database.connect() as connection:
        for name in connection.execute(
            union(*(select(column) for column in (stations.c.name, stations.c.street, stations.c.id)))
        ).scalars():
            visible = visible.replace(name or "", "").replace((name or "").partition(" (")[0], "")
    found = {words for words in foreign if re.search(rf"(?<!\w){re.escape(words)}(?!\w)", visible)}
    assert not {words for words in found if not any(words in one for one in ours)}


def test_the_language_asked_for_once_is_remembered(storm_site: Site) -> None:
    assert "Sucesos" in storm_site.page("/").text
    assert 'lang="en"' in storm_site.page("/?lang=en").html
    assert "Incidents" in storm_site.page("/").text
    assert "1.40 m" in storm_site.page("/").html


def test_the_page_loads_only_its_own_files_and_few_bytes(storm_database: Engine, storm_site: Site) -> None:
    response = storm_site.get("/")
    page = read(response.text)
    with storm_database.connect() as connection:
        assert len(queries.current_stations(connection)) >= 37
    addresses = [said[name] for _, said in page.tags for name in ("href", "src", "action") if name in said]
    assert all(re.match(r"[/?#](?!/)", address) for address in addresses), addresses
    files = {address for address in addresses if address.startswith("/static/")}
    assert len(files) == 4
    weights = [len(storm_site.get(address).content) for address in files]
    assert len(response.content) + sum(weights) < HEAVIEST_BYTES
    assert all("immutable" in storm_site.get(address).headers["cache-control"] for address in files)
    assert response.headers["content-security-policy"] == SECURITY_HEADERS["Content-Security-Policy"]
    assert response.headers["cache-control"] == "no-store"


def test_without_javascript_the_page_loads_itself_again_unless_told_not_to(storm_site: Site) -> None:
    assert '<noscript><meta http-equiv="refresh" content="60"></noscript>' in storm_site.page("/").html
    assert "http-equiv" not in storm_site.page("/?quieta=1").html


def test_a_browser_may_ask_only_for_the_parts_that_changed(storm_site: Site) -> None:
    response = storm_site.get("/?parte=sucesos&parte=nothing")
    assert [said["id"] for said in read(response.text).all("section")] == ["sucesos"]
    assert int(response.headers["x-vigia-now"]) == city.NOW.timestamp() * 1000
    assert storm_site.get("/?" + "&".join(["parte=sucesos"] * 9)).status_code == 404


def test_every_control_has_a_name_and_every_heading_a_level(changing: Engine, changing_site: Site) -> None:
    with changing.begin() as transaction:
        token = city.operator(transaction)
    changing_site.enter(token)
    for path in ("/", "/alerta/1", "/estacion/gato-ringuelet", "/entrar"):
        page = changing_site.page(path)
        labelled = {said["for"] for said in page.all("label")}
        inputs = {said["id"] for said in page.all("input") if said.get("type") != "hidden"}
        assert inputs == labelled
        for _, said in page.tags:
            for name in ("aria-labelledby", "aria-describedby"):
                assert said.get(name, page.ids[0]) in page.ids
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_level_held_by_silence_is_shown_as_such(database: Engine, site: Site) -> None:
    with database.begin() as transaction:
        city.storm(transaction)
        city.hold(transaction, "pereyra", "silence", NAR.AMARILLO)
    assert marks(site.page("/").part("est-pereyra"), "nar-verde") == 1
