"""Tests of the channels of people against servers on the loopback interface: what is sent, and with which outcome."""

import base64
import hashlib
import hmac
import json
import logging
import threading
from datetime import timedelta

import pytest

from services.notices import channels
from services.notices.messages import Message, Purpose
from services.notices.outcomes import Refused, Retry, Sent, Unknown
from services.notices.senders import apprise_service
from services.notices.senders.apprise_service import send_by_apprise
from services.notices.senders.sending import Senders
from services.notices.senders.signatures import parse_keys
from services.notices.senders.sms_gateway import PhoneGateway, is_signed
from services.notices.senders.webhook import WebhookPoster
from tests.alerts.town import NOON
from tests.services.notices.senders.servers import answering

KEY = "0123456789abcdef" * 4
DATA = {"incident_id": 12, "purpose": "raised"}
MESSAGE = Message("ROJO", "ROJO: inundación", "ROJO: inundacion", None, 3, "i1", Purpose.RAISED, DATA)
SECRETS = "new:" + "n" * 32, "old:" + "o" * 32


def test_a_text_message_goes_to_the_telephone_under_an_id_of_its_own() -> None:
    with answering([202, 409, 503]) as (url, requests):
        phone = PhoneGateway(url.replace("//", "//vigia:pass%40word@"))
        outcomes = [phone.send("+5492215551234", KEY, "ROJO") for _ in range(3)]
    assert [type(one) for one in outcomes] == [Sent, Sent, Retry]
    headers, body = requests[0]
    assert headers["authorization"] == "Basic " + base64.b64encode(b"vigia:pass@word").decode()
    sent = json.loads(body)
    assert (sent["id"], sent["phoneNumbers"], sent["textMessage"]) == (KEY[:32], ["+5492215551234"], {"text": "ROJO"})
    assert requests[0][1] == requests[2][1]


def test_a_telephone_that_answers_too_late_may_have_sent_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.notices.senders.sms_gateway.ATTEMPT_TIMEOUT_S", 0.2)

    with answering([202], threading.Event()) as (url, requests):
        assert isinstance(PhoneGateway(url).send("+5492215551234", KEY, "ROJO"), Unknown)
        assert len(requests) == 1
    assert isinstance(PhoneGateway(url).send("+5492215551234", KEY, "ROJO"), Retry)
    assert isinstance(PhoneGateway("nothing").send("+5492215551234", KEY, "ROJO"), Refused)


def test_only_the_gateway_can_sign_an_answer_and_only_lately() -> None:
    body, timestamp = b'{"event":"sms:received"}', str(int(NOON.timestamp()))
    signature = hmac.new(b"k" * 16, body + timestamp.encode(), hashlib.sha256).hexdigest()
    assert is_signed("k" * 16, body, timestamp, signature, NOON)
    assert not is_signed("x" * 16, body, timestamp, signature, NOON)
    assert not is_signed("k" * 16, body + b" ", timestamp, signature, NOON)
    assert not is_signed("k" * 16, body, timestamp, signature, NOON + timedelta(minutes=6))
    assert not is_signed("k" * 16, body, "ayer", signature, NOON)
    assert not is_signed("k" * 16, body, timestamp, "ñ", NOON)


def test_a_person_gets_a_signed_cloud_event_whose_id_is_the_key() -> None:
    keys = parse_keys(",".join(SECRETS))
    with answering([204]) as (url, requests):
        senders = Senders(WebhookPoster(keys, "https://vigia.example"))
        assert senders.send("webhook", url, KEY, MESSAGE, NOON) == Sent()
    headers, body = requests[0]
    event = json.loads(body)
    assert headers["content-type"] == "application/cloudevents+json"
    assert {name: event[name] for name in ("specversion", "id", "source", "type", "subject")} == {
        "specversion": "1.0",
        "id": KEY,
        "source": "https://vigia.example",
        "type": "vigia.person.notice.v1",
        "subject": "incident/12",
    }
    assert event["data"] == {**DATA, "text": MESSAGE.text}
    signed = f"{KEY}.{headers['webhook-timestamp']}.".encode() + body
    for key, given in zip(keys, headers["webhook-signature"].split(), strict=True):
        digest = hmac.new(key.secret.encode(), signed, hashlib.sha256).digest()
        assert given == f"v1,{base64.b64encode(digest).decode()}"
    assert headers["webhook-key-id"] == "new old"


def test_a_contact_gets_the_documented_body_unless_cloud_events_are_asked_for() -> None:
    body = {"alert_id": 7, "after": 2}
    with answering([]) as (url, requests):
        WebhookPoster().post_contact(url, KEY, body, NOON)
        WebhookPoster(cloud_events=True).post_contact(url, KEY, body, NOON)
    (plain, plain_body), (_, event) = requests
    assert json.loads(plain_body) == body
    assert (plain["content-type"], plain["idempotency-key"]) == ("application/json", KEY)
    assert "webhook-signature" not in plain
    assert json.loads(event)["data"] == body
    assert json.loads(event)["subject"] == "alert/7"


@pytest.mark.parametrize(
    "text",
    ["", "short:abc", "nameless", ",".join([SECRETS[0], SECRETS[0]]), ",".join(f"k{n}:{'s' * 32}" for n in range(3))],
)
def test_a_wrong_signing_key_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(ValueError, match="ID:SECRET"):
        parse_keys(text)


def test_a_service_of_apprise_gets_title_and_text_once(caplog: pytest.LogCaptureFixture) -> None:
    with answering([200, 500, 301]) as (url, requests), caplog.at_level(logging.DEBUG):
        address = f"json://user:hunter2@{url.removeprefix('http://')}/?+X-Token=hunter3&retry=3"
        assert send_by_apprise(address, MESSAGE) == Sent()
        failed = send_by_apprise(address, MESSAGE)
        assert isinstance(failed, Retry)
        assert isinstance(send_by_apprise(address, MESSAGE), Retry)
    sent = json.loads(requests[0][1])
    assert (sent["title"], sent["message"]) == ("ROJO", "ROJO: inundación")
    assert len(requests) == 3
    assert "hunter" not in failed.trouble + caplog.text
    assert "127.0.0.1" not in failed.trouble


def test_a_slow_service_of_apprise_may_have_taken_the_message(monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(apprise_service, "READ_TIMEOUT_S", 0.2)
    monkeypatch.setattr(apprise_service, "SLOW_S", 0.15)
    with answering([200], threading.Event()) as (url, _):
        assert isinstance(send_by_apprise(f"json://{url.removeprefix('http://')}/", MESSAGE), Unknown)
    assert isinstance(send_by_apprise("nonsense://x", MESSAGE), Refused)


def test_a_channel_that_is_not_set_up_fails_so_that_the_next_is_tried() -> None:
    senders = Senders()
    assert isinstance(senders.send("sms", "+5492215551234", KEY, MESSAGE, NOON), Retry)
    assert isinstance(senders.send("webpush", "{}", KEY, MESSAGE, NOON), Retry)
    assert isinstance(senders.send("paloma", "x", KEY, MESSAGE, NOON), Refused)
    assert senders.send("console", "guardia", KEY, MESSAGE, NOON) == Sent()
    assert channels.ATTEMPT_TIMEOUT_S < 10
