"""An operator whose internet is down hears of a flood by text message, and takes it by answering one."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from models.alert import NAR
from services.notices.notifier import Notifier
from services.notices.senders.sending import Senders
from services.notices.senders.sms_gateway import PhoneGateway
from services.runtime.settings import Settings
from services.transit.rider.gsm7 import MOST_SEPTETS, septet_count
from services.web.app import create_app
from tests.alerts.town import NOON
from tests.services.notices.people import add_person, queue, rows
from tests.services.notices.senders.servers import Request, answering
from tests.services.notices.test_notifier import raise_alert
from tests.services.web.pages import city
from tests.services.web.pages.site import Site

ADDRESS = "https://vigia.example"
KEY = "clave-del-telefono-del-municipio"
NUMBER = "+54 9 221 555 1234"


class Phone:
    """The municipality's telephone: what it was given to send, and what it passes on."""

    def __init__(self, url: str, requests: list[Request], site: Site) -> None:
        self.gateway, self._requests, self._site = PhoneGateway(url), requests, site
        self._received = 0

    @property
    def texts(self) -> list[str]:
        """The text messages, each to the operator's number."""
        messages = [json.loads(body) for _, body in self._requests]
        assert all(one["phoneNumbers"] == ["+5492215551234"] for one in messages)
        return [one["textMessage"]["text"] for one in messages]

    def pass_on(self, message: str, *, number: str = "2215551234", key: str = KEY) -> tuple[int, dict[str, Any]]:
        """Pass on a text message that came in, signed."""
        self._received += 1
        payload = {"message": message, "phoneNumber": number, "simNumber": 1, "receivedAt": NOON.isoformat()}
        event = {"event": "sms:received", "id": f"sms-{self._received}", "deviceId": "d", "payload": payload}
        content, timestamp = json.dumps(event).encode(), str(int(NOON.timestamp()))
        signature = hmac.new(key.encode(), content + timestamp.encode(), hashlib.sha256).hexdigest()
        headers = {"x_signature": signature, "x_timestamp": timestamp, "content_type": "application/json"}
        response = self._site.deliver("/api/v1/sms/answers", content, **headers)
        return response.status_code, response.json()


class Watch:
    """The notifier and the pages, at a time that the test moves on."""

    def __init__(self, database: Engine, url: str, requests: list[Request], folder: Path) -> None:
        self.database, self._now = database, NOON
        settings = Settings(
            data_dir=folder,
            sms_gateway_url=SecretStr(url),
            sms_webhook_key=SecretStr(KEY),
        )
        self.site = Site(create_app(settings, database, lambda: NOON, prepared_s=0.0))
        self.phone = Phone(url, requests, self.site)
        self._notifier = Notifier(database, self._clock, ADDRESS, senders=Senders(sms=self.phone.gateway))

    def _clock(self) -> datetime:
        return self._now

    def deliver(self) -> str:
        """Deliver what is due; the last text message."""
        self._notifier.drain()
        self._now += timedelta(seconds=3)
        return self.phone.texts[-1]


@pytest.fixture
def watch(database: Engine, tmp_path: Path) -> Iterator[Watch]:
    with answering([]) as (url, requests):
        watch = Watch(database, url, requests, tmp_path)
        with watch.site:
            yield watch


def acknowledged(database: Engine) -> list[tuple[Any, ...]]:
    """Who acknowledged the alerts, and how."""
    return rows(
        database,
        "SELECT a.acknowledged_by, c.note FROM alerts a LEFT JOIN alert_actions c ON c.alert_id = a.id ORDER BY a.id",
    )


def test_an_operator_without_internet_hears_of_a_flood_and_takes_it_by_text_message(
    database: Engine, watch: Watch
) -> None:
    # Before the storm: Ana says where she is told, and proves that it reaches her.
    with database.begin() as transaction:
        token = city.operator(transaction, "Ana")
        ana = add_person(transaction, "Ana")
    watch.site.enter(token)
    watch.site.post("/mis-canales/agregar", {"canal": "sms", "direccion": NUMBER})
    assert "Sin probar" in watch.site.page("/mis-canales").text
    test = watch.deliver()
    code = re.search(r"codigo es (\d{6})", test)
    assert code is not None, test
    watch.site.post("/mis-canales/1/codigo", {"codigo": code[1]})
    assert "Probado:" in watch.site.page("/mis-canales").text

    # The storm. She is called; her internet is down.
    raise_alert(database, "gauge", NAR.ROJO)
    ((incident,),) = rows(database, "SELECT incident_id FROM alerts")
    with database.begin() as transaction:
        queue(transaction, ana, incident)
    called = watch.deliver()
    assert called.startswith(f"NADIE RESPONDIO. ROJO: inundacion en Azul. Suceso {incident}. Respondé RECONOCER ")
    assert septet_count(called) <= MOST_SEPTETS

    # What she answers wrongly, and what others answer, takes nothing.
    digits = called.split("RECONOCER ")[1][:4]
    assert watch.phone.pass_on(f"RECONOCER {digits}", key="x" * 32)[0] == 401
    assert watch.phone.pass_on(f"RECONOCER {digits}", number="+5491100000000")[1]["outcome"] == "stranger"
    assert watch.phone.pass_on("ya voy")[1]["outcome"] == "not_understood"
    assert "Respondé RECONOCER" in watch.deliver()
    assert acknowledged(database) == [(None, None)]

    # Her answer takes the incident in her name, and she is told so.
    assert watch.phone.pass_on(f"reconocer {digits}")[1] == {
        "outcome": "done",
        "text": f"Suceso {incident} reconocido. Queda a tu nombre.",
    }
    assert acknowledged(database) == [("Ana", "SMS")]
    assert watch.deliver() == f"Suceso {incident} reconocido. Queda a tu nombre."
    assert "Ana" in watch.site.page(f"/suceso/{incident}").text


def test_without_a_key_no_answer_is_taken(database: Engine, tmp_path: Path) -> None:
    with Site(create_app(Settings(data_dir=tmp_path), database, lambda: NOON, prepared_s=0.0)) as site:
        refused = site.deliver("/api/v1/sms/answers", b"{}", content_type="application/json")
    assert refused.status_code == 503
    assert "VIGIA_SMS_WEBHOOK_KEY" in refused.text
