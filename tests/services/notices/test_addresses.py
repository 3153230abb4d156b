"""Tests of the addresses of people's channels."""

import json

import pytest

from services.notices.addresses import CONSOLE_ADDRESS, WrongAddress, checked_address, same_number, shown_address

SUBSCRIPTION = json.dumps({"endpoint": "https://push.example/abc", "keys": {"p256dh": "B", "auth": "A"}, "more": 1})


@pytest.mark.parametrize(
    ("channel", "text", "stored"),
    [
        ("sms", " +54 9 (221) 555-1234 ", "+5492215551234"),
        ("console", "whatever", CONSOLE_ADDRESS),
        ("apprise", "tgram://123:abc/456", "tgram://123:abc/456"),
        ("webhook", "https://hooks.example/x?key=y", "https://hooks.example/x?key=y"),
        (
            "webpush",
            SUBSCRIPTION,
            json.dumps({"endpoint": "https://push.example/abc", "p256dh": "B", "auth": "A"}),
        ),
    ],
)
def test_an_address_is_stored_in_one_form(channel: str, text: str, stored: str) -> None:
    assert checked_address(channel, text) == stored


@pytest.mark.parametrize(
    ("channel", "text", "what_to_do"),
    [
        ("sms", "2215551234", "como +54 9 221 555 1234"),
        ("sms", "+54 quince", "como +54 9 221 555 1234"),
        ("apprise", "dbus://", "mailtos"),
        ("apprise", "file:///etc/passwd", "mailtos"),
        ("webhook", "http://127.0.0.1/x", "https://"),
        ("webhook", "https://", "https://"),
        ("webpush", "{}", "probá de nuevo"),
        ("webpush", '{"endpoint": "http://10.0.0.1/", "keys": {"p256dh": "B", "auth": "A"}}', "https://"),
        ("paloma", "x", "No hay un canal 'paloma'"),
        ("sms", "", "Falta la dirección"),
        ("webhook", "https://a.example/\x00", "Falta la dirección"),
    ],
)
def test_a_wrong_address_is_refused_with_what_to_enter(channel: str, text: str, what_to_do: str) -> None:
    with pytest.raises(WrongAddress) as refusal:
        checked_address(channel, text)
    assert what_to_do in str(refusal.value)
    assert " / " in str(refusal.value)


def test_an_address_is_shown_without_its_secret() -> None:
    assert shown_address("sms", "+5492215551234") == "…1234"
    assert shown_address("apprise", "tgram://123:abc/456") == "tgram://…"
    assert shown_address("webhook", "https://hooks.example/x?key=y") == "https://hooks.example…"
    assert shown_address("webpush", checked_address("webpush", SUBSCRIPTION)) == "push.example"


def test_a_number_is_the_same_with_and_without_country_and_mobile_digit() -> None:
    assert same_number("+5492215551234", "221 555-1234")
    assert same_number("+5492215551234", "+542215551234")
    assert not same_number("+5492215551234", "+5492215551235")
    assert not same_number("1234", "1234")
