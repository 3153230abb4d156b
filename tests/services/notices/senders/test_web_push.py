"""Tests of Web Push against the example of RFC 8291 and a push service on the loopback interface."""

import base64
import json
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from services.notices.messages import Message, Purpose
from services.notices.outcomes import Refused, Retry, Sent
from services.notices.senders.web_push import encrypt, read_push_key, send_by_web_push, stored_push_key
from tests.alerts.town import NOON
from tests.services.notices.senders.servers import answering

# Appendix A of RFC 8291.
BROWSER_KEY = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
BROWSER_SECRET = "BTBZMqHH6r4Tts7J_aSIgg"
OURS = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
SEALED = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
    "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
MESSAGE = Message("ROJO", "ROJO: inundación " * 200, "ROJO", "https://v.example/suceso/1", 3, "i1", Purpose.RAISED, {})


def decoded(text: str) -> bytes:
    """The bytes of unpadded base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_message_is_encrypted_as_in_the_example_of_the_standard() -> None:
    ours = ec.derive_private_key(int.from_bytes(decoded(OURS)), ec.SECP256R1())
    content = b"When I grow up, I want to be a watermelon"
    assert encrypt(content, BROWSER_KEY, BROWSER_SECRET, ours=ours, salt=decoded(SALT)) == decoded(SEALED)


def test_the_key_is_made_once_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "data" / "web-push.pem"
    key = stored_push_key(path, "https://vigia.example")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stored_push_key(path, "https://vigia.example").public == key.public
    assert read_push_key(path.read_text(), "x").public == key.public
    assert len(decoded(key.public)) == 65
    assert [one.name for one in path.parent.iterdir()] == ["web-push.pem"]


def test_a_push_is_signed_for_the_push_service_and_says_which_message_it_replaces(tmp_path: Path) -> None:
    key = stored_push_key(tmp_path / "key.pem", "https://vigia.example")
    with answering([201]) as (url, requests):
        address = json.dumps({"endpoint": f"{url}/push", "p256dh": BROWSER_KEY, "auth": BROWSER_SECRET})
        assert send_by_web_push(address, "a" * 64, MESSAGE, key, NOON) == Sent()
    ((headers, body),) = requests
    assert (headers["content-encoding"], headers["urgency"], headers["topic"]) == ("aes128gcm", "high", "a" * 32)
    assert len(body) < 4_096
    assert b"ROJO" not in body
    head, claims, signature = headers["authorization"].removeprefix("vapid t=").split(",")[0].split(".")
    assert json.loads(decoded(claims))["aud"] == url
    r, s = decoded(signature)[:32], decoded(signature)[32:]
    signed = encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
    public = key.private.public_key()
    public.verify(signed, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(signed, b"other", ec.ECDSA(hashes.SHA256()))


def test_a_subscription_that_ended_is_refused_and_a_busy_service_is_asked_again(tmp_path: Path) -> None:
    key = stored_push_key(tmp_path / "key.pem", "https://vigia.example")
    with answering([410, 429]) as (url, _):
        address = json.dumps({"endpoint": f"{url}/push", "p256dh": BROWSER_KEY, "auth": BROWSER_SECRET})
        assert isinstance(send_by_web_push(address, "a" * 64, MESSAGE, key, NOON), Refused)
        assert isinstance(send_by_web_push(address, "a" * 64, MESSAGE, key, NOON), Retry)
    assert isinstance(
        send_by_web_push(json.dumps({"endpoint": url, "p256dh": "x", "auth": "y"}), "a", MESSAGE, key, NOON), Refused
    )
