"""Addresses of people's channels: check what a person enters, and show it without its secret. Pure."""

import json
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from models.alert import APPRISE, CHANNELS, CONSOLE, MAX_ADDRESS_CHARS, SMS, WEB_PUSH, WEBHOOK
from services.runtime.problem import HttpProblem

CONSOLE_ADDRESS = "guardia"
NUMBER_DIGITS = (8, 15)
NATIONAL_DIGITS = 10
"""Of a number in Argentina: networks write the same number with and without the 9 of a mobile telephone."""
_NUMBER = rf"\+\d{{{NUMBER_DIGITS[0]},{NUMBER_DIGITS[1]}}}"
SERVICES = frozenset({"mailtos", "matrixs", "msteams", "ntfys", "signals", "slack", "tgram", "workflows"})
"""Services of Apprise that may be used: all are reached by TLS, and none acts on this machine."""


class WrongAddress(HttpProblem):
    """The address fits no channel; the message says what is wrong and what to enter."""


def checked_address(channel: str, text: str, services: Collection[str] = SERVICES) -> str:
    """The address as it is stored. Raises WrongAddress."""
    text = text.strip()
    if channel not in CHANNELS:
        raise WrongAddress(f"No hay un canal {channel!r}. / There is no channel {channel!r}.")
    if channel == CONSOLE:
        return CONSOLE_ADDRESS
    if not text or len(text) > MAX_ADDRESS_CHARS or not text.isprintable():
        raise WrongAddress(
            f"Falta la dirección, o tiene más de {MAX_ADDRESS_CHARS} letras."
            f" / The address is missing, or longer than {MAX_ADDRESS_CHARS} characters."
        )
    if channel == SMS:
        return _number(text)
    if channel == APPRISE:
        return _service(text, services)
    if channel == WEB_PUSH:
        return _subscription(text)
    return _https(text)


def shown_address(channel: str, address: str) -> str:
    """What is shown of an address: enough to tell one's own from another, never a token."""
    if channel == SMS:
        return f"…{address[-4:]}"
    if channel in {APPRISE, WEBHOOK}:
        parts = urlsplit(address)
        return f"{parts.scheme}://{_host(address) if channel == WEBHOOK else ''}…"
    if channel == WEB_PUSH:
        return str(urlsplit(json.loads(address)["endpoint"]).hostname)
    return ""


def same_number(one: str, other: str) -> bool:
    """Whether two telephone numbers are the same, with or without what the country puts before them."""
    return national(one) == national(other) != ""


def national(number: str) -> str:
    """The last digits of a number; empty where there are too few to tell it."""
    digits = re.sub(r"\D", "", number)
    return digits[-NATIONAL_DIGITS:] if len(digits) >= NUMBER_DIGITS[0] else ""


def _number(text: str) -> str:
    number = re.sub(r"[\s().-]", "", text)
    if not re.fullmatch(_NUMBER, number):
        raise WrongAddress(
            "El número va con + y el código del país, como +54 9 221 555 1234."
            " / Write the number with + and the country's code, such as +54 9 221 555 1234."
        )
    return number


def _service(text: str, services: Collection[str]) -> str:
    scheme = text.split("://", 1)[0].lower()
    if "://" not in text or scheme not in services:
        known = ", ".join(sorted(services))
        raise WrongAddress(
            f"La dirección tiene que empezar por uno de estos servicios y ://: {known}."
            f" / The address must begin with one of these services and ://: {known}."
        )
    return text


def _https(text: str) -> str:
    if urlsplit(text).scheme != "https" or not _host(text):
        raise WrongAddress("La dirección tiene que empezar por https://. / The address must begin with https://.")
    return text


def _subscription(text: str) -> str:
    """A browser's subscription as JSON: endpoint, and the keys of RFC 8291."""
    try:
        given = json.loads(text)
        keys = given["keys"]
        kept = {"endpoint": str(given["endpoint"]), "p256dh": str(keys["p256dh"]), "auth": str(keys["auth"])}
    except (ValueError, KeyError, TypeError):
        raise WrongAddress(
            "El navegador no mandó una suscripción; probá de nuevo. / The browser sent no subscription; try again."
        ) from None
    _https(kept["endpoint"])
    return json.dumps(kept)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
