"""A technician sees on one page which devices were heard, what to declare, why messages fail, and bad clocks."""

import json
import re
import tomllib
from datetime import datetime, timedelta
from html import unescape

from sqlalchemy import Engine
from sqlalchemy import text as text_of

from models.reading import Message, Reason
from services.people.api_keys import add_api_key
from services.pipeline.road import Pipeline
from services.web.pages.language import dictionary
from tests.services.web.pages import city
from tests.services.web.pages.site import Site


def message(topic: str, observed_at: datetime, **fields: object) -> Message:
    body = json.dumps({"observed_at": observed_at.isoformat(), **fields}).encode()
    return Message(topic, body, city.NOW - timedelta(seconds=30))


def test_a_technician_sees_what_was_heard_what_is_rejected_and_which_clock_is_wrong(
    changing: Engine, changing_site: Site
) -> None:
    heard = "vigia/v1/laplata/river/puente-nuevo"
    local_as_utc = city.NOW - timedelta(hours=3, seconds=30)
    pipeline = Pipeline(changing, lambda: city.NOW, lane=None)
    pipeline.process_messages(
        [
            message(heard, local_as_utc, level_m=0.37),
            message("vigia/v1/laplata/rain/terraza", city.NOW - timedelta(seconds=40), rain_mm=0.4),
            message("vigia/v1/laplata/river/gato-ringuelet", city.NOW - timedelta(seconds=31), level_cm=142),
            message("vigia/v1/laplata/river/gato-ringuelet", city.NOW - timedelta(seconds=30), level_cm=143),
            Message(
                "vigia/v1/laplata/river/gato-ringuelet",
                b'{"observed_at": 1, "level_m": 1, "level_m": 2}',
                city.NOW - timedelta(seconds=20),
            ),
            message("vigia/v1/laplata/river/Gato", city.NOW, level_m=1.0),
        ]
    )
    pipeline.close()
    with changing.begin() as transaction:
        write = "UPDATE heartbeats SET status = status || CAST(:more AS jsonb) WHERE process = 'upkeep'"
        insert = (
            "INSERT INTO heartbeats (process, at, started_at, status) VALUES ('upkeep', :at, :at, '{}')"
            " ON CONFLICT DO NOTHING"
        )
        transaction.execute(text_of(insert), {"at": city.NOW})
        transaction.execute(text_of(write), {"more": json.dumps({"unread_topics": ["sensores/nivel"]})})
    assert changing_site.get("/equipos").status_code in {401, 403}
    assert "/equipos" not in changing_site.page("/").html
    with changing.begin() as transaction:
        token = add_api_key(transaction, "Operadora", city.NOW)
    changing_site.enter(token)
    assert "/equipos" in changing_site.page("/").html
    page = changing_site.page("/equipos")
    text = page.text
    assert "la semilla no los declara: 2" in text
    assert f"{heard} — 0,37 m" in text
    assert "3 h 0 min después de su hora" in text
    assert "Parece hora local mandada como UTC" in text
    assert "vigia/v1/laplata/river/gato-ringuelet Un dato falta" in text
    assert "level_m: Field required; 'level_cm' was sent: did you mean level_m, in m?" in text
    assert "Falta level_m. Mandó level_cm: ¿será level_m, en m?" in text, "also after an error of another sort"
    assert "level_m viene dos veces: mandá cada dato una sola vez." in text
    assert "# dónde está: [latitud, longitud]" in text
    assert "# where it stands" not in text
    assert "vigia/v1/laplata/river/Gato El tópico no nombra un equipo" in text
    assert "Tópicos que nadie lee" in text
    assert "sensores/nivel" in text
    (pasted,) = re.findall(r"<pre[^>]*>(.*?)</pre>", page.html, re.DOTALL)
    assert {one["id"]: one["kind"] for one in tomllib.loads(unescape(pasted))["station"]} == {
        "puente-nuevo": "river",
        "terraza": "rain",
    }
    english = changing_site.page("/equipos?lang=en").text
    assert "level_m is missing. It sent level_cm: is level_m meant, in m?" in english
    assert "# where it stands: [latitude, longitude]" in english
    with changing.begin() as transaction:
        transaction.execute(text_of("UPDATE river_readings SET received_at = received_at - interval '53 minutes'"))
    silent = re.findall(
        r"<tr><th scope=.row.>vigia/v1/laplata/river/[^<]*</th>\n.*?</tr>",
        changing_site.get("/equipos?lang=es").text,
        re.DOTALL,
    )
    assert silent
    assert [row for row in silent if "sin mensaje en los últimos 15 minutos" not in row or ">bien<" in row] == []


def test_every_reason_has_plain_words() -> None:
    assert {f"rejected.{reason.value}" for reason in Reason} <= dictionary("es").keys()
