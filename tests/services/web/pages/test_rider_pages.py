"""What a rider with a cheap telephone reads: small, honest, without JavaScript, in two languages."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import httpx
import psycopg
import pytest
from sqlalchemy import Engine, insert, select

from models.alert import NAR
from models.tables.rider_reports import rider_reports
from models.tables.service_alerts import service_alerts
from models.tables.vehicles import estimate_scores
from services.transit.fleet.accuracy_counts import count_by_key
from services.transit.model.prediction import Basis
from services.transit.prediction.pending_predictions import ScoredPrediction
from services.transit.rider.gsm7 import septet_count
from services.transit.serving.snapshot import marked_stale
from services.web.pages.language import dictionary
from services.web.pages.transit.rendering import MOST_BYTES, MOST_HEAD_BYTES
from simulators import lines
from tests.services.web.pages.city import attend, load_seed
from tests.services.web.pages.riders import NOW, Town, put_in_force, town
from tests.services.web.pages.site import ORIGIN, read

STOP = "LP1912"
BUSIEST = "LP1680"


def size(response: httpx.Response) -> int:
    """The whole answer's bytes, with its status line and headers."""
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in response.headers.raw)
    # What uvicorn adds.
    return len(head + b"date: Mon, 02 Mar 2026 17:32:00 GMT\r\nserver: uvicorn\r\n\r\n") + len(response.content)


def fill(city: Town, stop: str, minutes: float = 100) -> None:
    """Every journey to a stop has a bus that reports, and recent buses before it."""
    for name in {route.short_name for route in city.network.routes.values()}:
        for journey, _ in city.journeys(name, stop, city.now, city.now + 60 * minutes):
            city.drive("-".join(map(str, journey.key)), journey, city.now - 20, 240, basis=Basis.RECENT, recent_buses=3)


def test_a_bus_on_its_way_is_told_as_an_interval_with_its_reason(city: Town) -> None:
    journey, position = city.journeys("307", STOP, city.now + 60, city.now + 1800)[0]
    city.drive("41", journey, city.now - 20, 200)
    page = city.site.page(f"/p/{STOP}")
    assert f"{STOP} 7 y 50" in page.text
    minutes = (journey.arrival_at(position) + 200 - city.now) / 60
    told = re.search(r"(\d+)–(\d+) min a ([^,]+), estate (\d\d:\d\d), a (\d+) paradas, en vivo, 3 min tarde", page.text)
    assert told, page.text
    assert int(told[1]) < minutes < int(told[2])
    assert told[3] == journey.trip.headsign
    next_stop = next(at for at in range(99) if journey.departure_at(at) + 200 >= city.now - 20)
    assert int(told[5]) == position - next_stop
    assert "«Estate»: la hora prudente" in page.text


def test_recent_buses_schedule_and_silence_each_have_their_word(city: Town) -> None:
    first, second, third = [one for one, _ in city.journeys("307", STOP, city.now + 60, city.now + 3600)][:3]
    city.drive("41", first, city.now - 20, 60, basis=Basis.RECENT, recent_buses=3)
    city.drive("42", second, city.now - 400, 60)
    page = city.site.page(f"/p/{STOP}?linea=307")
    assert "según 3 micros" in page.text
    assert re.search(r"hacia las \d\d:\d[05] .*sin señal desde 14:25", page.text)
    assert "por horario" in page.text
    assert third.trip.headsign in page.text


def test_the_reasons_for_an_empty_board_are_told_apart(city: Town) -> None:
    other_way = next(index for index in city.network.patterns_by_route["307"] if not calls(city, index))
    city.drive("9", next(city.network.journeys_between(other_way, city.now, city.now)), city.now - 20)
    assert "307 Ningún micro con señal en camino. Por horario: " in city.site.page(f"/p/{STOP}?linea=307").text
    assert "214 a Los Hornos Datos de la empresa caídos" in city.site.page(f"/p/{STOP}?linea=214").text
    served = city.site.page(f"/p/{STOP}?linea=275").text
    assert re.search(r"La 275 no para acá\. Para en LP\d+, .*, a [\d.]+ m\.", served)
    assert "Acá paran:" in served
    assert "No hay una línea «999»." in city.site.page(f"/p/{STOP}?linea=999").text


def calls(city: Town, index: int) -> bool:
    """Whether a pattern calls at the stop."""
    return STOP in city.network.patterns[index].stop_ids


def test_a_company_whose_data_is_down_is_said_to_be_and_what_follows_is_its_timetable(city: Town) -> None:
    page = city.site.page(f"/p/{STOP}?linea=307")
    assert re.search(r"307 Datos de la empresa caídos\. Por horario: \d\d:\d\d", page.text)
    assert page.text.count("horario") == 1


def test_where_no_bus_comes_an_interval_is_said_to_be_the_timetables(city: Town) -> None:
    other_way = next(index for index in city.network.patterns_by_route["307"] if not calls(city, index))
    city.drive("9", next(city.network.journeys_between(other_way, city.now, city.now)), city.now - 20)
    (expected, _), *_ = city.journeys("307", STOP, city.now + 600, city.now + 3000)
    city.expect(expected)
    text = city.site.page(f"/p/{STOP}?linea=307").text
    assert re.search(r"Ningún micro con señal en camino\. Por horario: .*\d+–\d+ min a [^,]+, estate \d\d:\d\d", text)
    assert "por horario" not in text
    assert "por horario" in city.site.page(f"/cartel/{STOP}?lineas=307").text


def test_what_most_buses_have_in_common_is_said_once_and_the_others_say_their_own(city: Town) -> None:
    journeys = [one for one, _ in city.journeys("214", STOP, city.now + 60, city.now + 5000)][:3]
    for number, journey in enumerate(journeys):
        seats = 70 if number == 1 else 20
        city.drive(f"4{number}", journey, city.now - 20, 60, seats=seats, basis=Basis.RECENT, recent_buses=4)
    text = city.site.page(f"/p/{STOP}?linea=214").text
    assert "En vivo, salvo donde dice otra cosa: según 4 micros, con lugar. 214" in text
    assert (text.count("según 4 micros"), text.count("con lugar"), text.count("pocos lugares")) == (1, 1, 1)
    assert text.count("según") == 1
    english = city.site.page(f"/p/{STOP}?linea=214&idioma=en").text
    assert "Live, unless something else is said: from 4 buses, seats free." in english
    city.drive("40", journeys[0], city.now - 20, 60, basis=Basis.RECENT, recent_buses=4)
    unknown = city.site.page(f"/p/{STOP}?linea=214").text
    assert "dice otra cosa: según 4 micros." in unknown, "nothing is known of the seats of one of them"
    assert unknown.count("con lugar") == 1


def test_of_a_line_by_headway_only_how_often_it_comes_is_said_once(city: Town) -> None:
    start = city.journeys("Oeste", STOP, city.now + 300, city.now + 1800)[0][0]
    city.drive("77", start, city.now - 20, 600, basis=Basis.RECENT, recent_buses=4)
    for journey, _ in city.journeys("Oeste", STOP, city.now + 1800, city.now + 3600):
        city.expect(journey)
    text = city.site.page(f"/p/{STOP}?linea=Oeste").text
    assert re.search(r"Oeste a [^.]+ Por horario, cada 17 min\. \d+–\d+ min estate \d\d:\d\d,", text)
    assert len(re.findall(r"\d+–\d+ min", text)) == 1
    assert "tarde" not in text, "nothing was promised for a minute"
    assert re.search(r"Oeste: \d+-\d+min y cada 17min\(hor\)$", city.site.get(f"/p/{STOP}.txt?linea=Oeste").text)


def test_riders_are_spoken_to_in_one_form(city: Town) -> None:
    formal = r"(?i)\b(pruebe|elija|mande|avise|espere|vuelva|intente|escriba|busque|agregue|usted|su parada)\b"
    sections = ("rider.", "line.", "missed.", "sign.", "precision.")
    said = [text for key, text in dictionary("es").items() if key.startswith(sections)]
    said += [city.site.get(f"/sms?texto={text}").text for text in ("", "nada", "7 y 50", "LP1912")]
    assert [text for text in said if re.search(formal, text)] == []
    assert any("Probá" in text for text in said)


def test_at_night_the_next_planned_one_is_told(city: Town) -> None:
    city.at(datetime(2026, 3, 2, 6, 30, tzinfo=UTC))
    page = city.site.page(f"/p/{STOP}?linea=202")
    told = re.search(r"202 Ahora no circula\. Próximo por horario: (\d\d:\d\d)\.", page.text)
    assert told, page.text
    first = city.journeys("202", STOP, city.now, city.now + 12 * 3600)[0]
    assert told[1] == f"{datetime.fromtimestamp(first[0].departure_at(first[1]), city.network.zone):%H:%M}"


def test_a_journey_that_surely_does_not_come_is_said_so_without_a_number(city: Town) -> None:
    (gone, position), (following, _) = city.journeys("307", STOP, city.now - 600, city.now + 1800)[:2]
    city.drive("41", following, city.now - 20)
    city.withdraw(gone)
    page = city.site.page(f"/p/{STOP}?linea=307")
    planned = datetime.fromtimestamp(gone.arrival_at(position), city.network.zone)
    assert f"El de las {planned:%H:%M} no viene." in page.text
    assert len(re.findall(r"\d+–\d+ min", page.text)) == 1


def test_a_busy_stop_fits_with_every_line(city: Town) -> None:
    fill(city, BUSIEST)
    for language in ("es", "en"):
        response = city.site.get(f"/p/{BUSIEST}?idioma={language}")
        page = read(response.text)
        assert size(response) < MOST_BYTES
        assert size(response) - len(response.content) <= MOST_HEAD_BYTES
        assert len(page.all("h2")) == 11
        assert len(page.all("li")) >= 22


def test_long_names_never_break_the_size(database: Engine) -> None:
    plain, long = lines.schematic_network(), "Ñandú " * 30
    named = replace(
        plain,
        stops={key: replace(stop, name=long) for key, stop in plain.stops.items()},
        trips={key: replace(trip, headsign=f"{long}{trip.headsign}") for key, trip in plain.trips.items()},
        routes={key: replace(route, short_name=f"{route.short_name} {long}") for key, route in plain.routes.items()},
    )
    put_in_force(database, named)
    with town(database) as city:
        response = city.site.get(f"/p/{BUSIEST}")
        assert "Ñandú" in response.text
        assert size(response) < MOST_BYTES


def test_whoever_has_the_page_is_told_so_and_it_may_be_kept_for_seconds(city: Town) -> None:
    first = city.site.get(f"/p/{STOP}")
    assert first.headers["cache-control"] == "public, max-age=10"
    again = city.site.get(f"/p/{STOP}", if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert "set-cookie" not in first.headers
    city.at(NOW + timedelta(minutes=3))
    assert city.site.get(f"/p/{STOP}", if_none_match=first.headers["etag"]).status_code == 200


def test_the_browser_is_let_load_nothing_but_the_style_that_stands_in_the_page(city: Town) -> None:
    response = city.site.get(f"/p/{STOP}")
    assert response.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "<script" not in response.text
    assert "http" not in response.text


def test_english_is_spoken_to_who_asks_for_it(city: Town) -> None:
    asked = city.site.page(f"/p/{STOP}?idioma=en")
    preferred = read(city.site.get(f"/p/{STOP}", accept_language="en-GB,es;q=0.5").text)
    for page in (asked, preferred):
        assert "By timetable: " in page.text
        assert page.all("html") == [{"lang": "en"}]
    assert 'href="/p/?idioma=en"' in asked.html
    assert city.site.page(f"/p/{STOP}").all("html") == [{"lang": "es-AR"}]


def test_alerts_and_the_attention_level_stand_on_top(city: Town) -> None:
    with city.engine.begin() as transaction:
        load_seed(transaction)
        attend(transaction, "municipality:laplata", NAR.NARANJA, NOW - timedelta(minutes=52))
        transaction.execute(
            insert(service_alerts).values(
                state="published",
                cause="weather",
                effect="detour",
                header={"es": "Calle 7 cortada por anegamiento", "en": "Street 7 closed by flooding"},
                description={"es": "Se desvía por 8.", "en": "Detour by 8."},
                informed=[{"route_id": "307"}],
                periods=[{"end": (NOW + timedelta(hours=2)).timestamp()}],
                created_at=NOW,
                created_by="ana",
                published_at=NOW,
                published_by="ana",
            )
        )
    city.look()
    page = city.site.page(f"/p/{STOP}")
    assert "Nivel medido en arroyos y lluvia: naranja (desde 13:40)" in page.text
    assert "Calle 7 cortada por anegamiento Se desvía por 8. (hasta 16:32)" in page.text
    assert page.text.index("Calle 7 cortada") < page.text.index("Por horario")
    assert "AVISO: Calle 7 cortada" in city.site.get(f"/p/{STOP}.txt?linea=307").text


def test_with_the_database_away_the_board_is_told_from_memory(city: Town) -> None:
    name = city.engine.url.database
    server = city.engine.url.set(database="postgres").render_as_string(hide_password=False).replace("+psycopg", "")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            assert "Por horario" in city.site.page(f"/p/{STOP}").text
            assert "(hor)" in city.site.get(f"/p/{STOP}.txt").text
            assert city.site.get("/precision").status_code == 503
        finally:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    snapshot_cache = city.app.state.context.snapshot_cache
    snapshot_cache._snapshot = marked_stale(snapshot_cache.snapshot())
    assert "No podemos leer los datos de los micros" in city.site.page(f"/p/{STOP}").text
    assert "No podemos leer" in city.site.page(f"/cartel/{STOP}").text


def test_a_stop_is_found_by_code_and_by_corner(city: Town) -> None:
    assert city.site.get("/p/?q=lp1912").headers["location"] == "/p/LP1912"
    page = city.site.page("/p/?q=7 y 50")
    assert "2 paradas" in page.text
    assert {"/p/LP1669", "/p/LP1912"} <= {said["href"] for said in page.all("a")}
    assert "→ 1 y 60" in page.text
    missing = city.site.page("/p/LP9999", status=404)
    assert "No encontramos «LP9999»" in missing.text
    assert "No encontramos" not in city.site.page("/p/").text
    assert city.site.get("/p").headers["location"] == "/p/"
    assert city.site.get("/p/?q=lp1912 307&idioma=en").headers["location"] == "/p/LP1912?linea=307&idioma=en"


def test_without_a_timetable_nothing_is_claimed(database: Engine) -> None:
    with town(database) as empty:
        assert "Todavía no hay horarios" in empty.site.page("/p/").text
        assert "no hay datos de micros" in empty.site.get("/sms?texto=LP1912").text


def test_the_text_of_a_stop_is_one_message(city: Town) -> None:
    fill(city, BUSIEST)
    response = city.site.get(f"/p/{BUSIEST}.txt")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text.startswith(f"{BUSIEST} 14:32 ")
    assert septet_count(response.text) <= 160
    assert re.search(r"\d+-\d+min", response.text)
    missing = city.site.get("/p/LP9999.txt")
    assert missing.status_code == 404
    assert missing.text.startswith("No hay parada LP9999.")


def test_a_text_message_is_answered_in_plain_text(city: Town) -> None:
    journey, _ = city.journeys("307", STOP, city.now + 60, city.now + 1800)[0]
    city.drive("41", journey, city.now - 20)
    answer = city.site.get("/sms?texto=¿Cuándo viene la 307 a lp1912?")
    assert answer.text.startswith("LP1912 14:32 307: ")
    assert re.search(r" \d+-\d+min\b(?!\(hor)", answer.text)
    assert answer.headers["cache-control"] == "no-store"
    assert "Manda el codigo" in city.site.get("/sms").text
    assert city.site.get(f"/sms?texto={'x' * 5000}").text.startswith("No hay parada")
    assert "LP1912 a " in city.site.get("/sms?texto=7 y 50").text


def test_a_gateway_may_ask_by_the_api(city: Town) -> None:
    for text in ("lp1912 307", "🚌" * 20, ""):
        answer = city.site.send("/api/v1/sms", {"text": text})
        assert answer.status_code == 200
        said = answer.json()
        assert said["septets"] == septet_count(said["text"]) <= 160
        assert said["text"] == city.site.get(f"/sms?texto={text}").text
    assert city.site.send("/api/v1/sms", {"text": "x" * 481}).status_code == 422


def test_a_sign_is_large_in_order_and_loads_itself_again(city: Town) -> None:
    fill(city, STOP, 30)
    page = city.site.page(f"/cartel/{STOP}?lineas=307,214&refresco=20")
    assert city.site.get(f"/cartel/{STOP}?refresco=20").headers["refresh"] == "20"
    assert "14:32" in page.text
    assert set(re.findall(r'<th scope="row">(.*?)</th>', page.html)) == {"307", "214"}
    assert 1 < len(page.all("tr")) <= 8
    assert city.site.get(f"/cartel/{STOP}?refresco=1").status_code == 404
    assert city.site.get("/cartel/LP9999").status_code == 404


def estimated(city: Town, day: date, error_s: float, count: int = 40, route_id: str = "307") -> None:
    """So many predictions of a line scored on a day, at every horizon alike, each with this error."""
    noon = datetime(day.year, day.month, day.day, 15, tzinfo=UTC).timestamp()
    scores = [
        ScoredPrediction(route_id, noon, at, at, error_s, error_s + 40, inside_interval=number % 5 > 0)
        for at in (60, 300, 500, 800, 1500)
        for number in range(count)
    ]
    columns = [column.name for column in estimate_scores.columns]
    rows = [dict(zip(columns, row, strict=True)) for row in count_by_key(scores, city.network.zone)]
    with city.engine.begin() as transaction:
        transaction.execute(insert(estimate_scores), rows)


YESTERDAY = date(2026, 3, 1)


def test_a_stop_says_how_well_its_lines_kept_what_was_said_of_them(city: Town) -> None:
    estimated(city, YESTERDAY, 50)
    estimated(city, YESTERDAY, 50, count=2, route_id="214")
    page = city.site.page(f"/p/{STOP}")
    said = "Ayer, a 6–10 min vista, pasó en término (hasta 1 min antes o 3,5 min después): 307 100 %."
    assert said in page.text
    assert "Ayer" not in city.site.page(f"/p/{STOP}?linea=214").text


def test_the_accuracy_of_every_line_is_public_with_what_riders_said(city: Town) -> None:
    estimated(city, YESTERDAY, 50)
    estimated(city, YESTERDAY, 250, route_id="norte")
    estimated(city, YESTERDAY - timedelta(days=3), -500)
    city.at(NOW - timedelta(days=1))
    (waited, *_) = [one for one in choices(city) if one.startswith("307")]
    city.site.post(f"/p/{STOP}/no-paso", {"viaje": waited})
    city.at(NOW)
    page = city.site.page("/precision")
    assert "Ayer, 1/3." in page.text
    assert "400 estimaciones medidas. Error medio: 150 s. En término: 62 %." in page.text
    assert re.search(r"307 200 50 \+50 \+90 100 % 100 % 80 % 1 ", page.text)
    assert re.search(r"Norte 200 250 \+250 \+290 25 % 0 % 80 % 0 ", page.text)
    assert "Avisos de «no pasó»: 1." in page.text
    one = city.site.page("/precision?linea=norte&dias=7")
    assert "Del 23/2 al 1/3." in one.text
    assert "10–15 min 40 250 +250 +290 100 % 0 % 80 %" in one.text
    assert "15–30 min 40 250 +250 +290 — — 80 %" in one.text
    assert "600 estimaciones" in city.site.page("/precision?dias=7").text
    assert "estimates measured" in city.site.page("/precision?idioma=en").text
    assert "No hay una línea «x»." in city.site.page("/precision?linea=x").text


def test_on_the_first_day_there_is_today_so_far(city: Town) -> None:
    estimated(city, YESTERDAY + timedelta(days=1), 50)
    assert "Hoy, 2/3, hasta ahora. 200 estimaciones medidas." in city.site.page("/precision").text
    assert "no hay estimaciones" in city.site.page("/precision?dias=1").text
    assert "Hoy, a 6–10 min vista, pasó en término" in city.site.page(f"/p/{STOP}").text


def test_without_measures_nothing_is_boasted(city: Town) -> None:
    assert "no hay estimaciones medidas" in city.site.page("/precision").text


def choices(city: Town) -> list[str]:
    """The choices of the form."""
    return [said["value"] for said in city.site.page(f"/p/{STOP}/no-paso").all("input") if said["type"] == "radio"]


def test_that_a_bus_did_not_come_is_counted_without_who_said_it(city: Town) -> None:
    offered = choices(city)
    assert 1 < len(offered) <= 24
    sent = city.site.post(f"/p/{STOP}/no-paso", {"viaje": offered[0]})
    assert sent.status_code == 303
    assert "Gracias. Quedó contado." in city.site.page(sent.headers["location"]).text
    with city.engine.connect() as connection:
        (row,) = connection.execute(select(rider_reports)).all()
    trip_id, day, _ = offered[0].split("|")
    assert (row.trip_id, f"{row.service_date:%Y%m%d}", row.stop_id, row.code) == (
        trip_id,
        day,
        STOP,
        "vehicle_never_came",
    )
    assert row.at.second == 0
    assert row.comment == ""


def test_a_form_from_elsewhere_or_of_no_journey_is_refused(city: Town) -> None:
    (offered, *_) = choices(city)
    assert city.site.post(f"/p/{STOP}/no-paso", {"viaje": offered}, origin="http://evil.example").status_code == 403
    assert city.site.post(f"/p/{STOP}/no-paso", {"viaje": offered}, origin=None).status_code == 403
    assert city.site.post(f"/p/{STOP}/no-paso", {"viaje": "x|20260302|0"}).status_code == 404
    empty = city.site.post(f"/p/{STOP}/no-paso", {})
    assert empty.status_code == 400
    assert "El pedido está incompleto" in read(empty.text).text
    assert 'href="/p/"' in empty.text
    with city.engine.connect() as connection:
        assert connection.execute(select(rider_reports)).all() == []


def test_a_flood_of_reports_from_one_address_is_stopped(city: Town) -> None:
    (offered, *_) = choices(city)
    statuses = [city.site.post(f"/p/{STOP}/no-paso", {"viaje": offered}).status_code for _ in range(12)]
    assert statuses == [303] * 10 + [429] * 2


@pytest.mark.parametrize("path", ["/p/", "/p/{}", "/p/{}.txt", "/cartel/{}", "/sms"])
def test_hostile_words_are_only_words(city: Town, path: str) -> None:
    hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E"
    for query in ("q", "linea", "lineas", "texto", "idioma"):
        response = city.site.get(f"{path.format(hostile)}?{query}={hostile}")
        assert response.status_code < 500
        if "html" in response.headers["content-type"]:
            assert "<script" not in response.text


def test_the_forms_own_address_is_this_one(city: Town) -> None:
    (form,) = city.site.page(f"/p/{STOP}/no-paso").all("form")
    assert form["action"].startswith("/p/")
    assert ORIGIN not in form["action"]
