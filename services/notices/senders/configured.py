"""The senders of a process, as its settings say. Raises SettingsError for a setting that cannot be used."""

from pathlib import Path

from services.notices.addresses import SERVICES
from services.notices.senders.sending import Senders
from services.notices.senders.signatures import SigningKey, parse_keys
from services.notices.senders.sms_gateway import PhoneGateway
from services.notices.senders.web_push import PushKey, read_push_key, stored_push_key
from services.notices.senders.webhook import DEFAULT_SOURCE, WebhookPoster
from services.runtime.settings import Settings, SettingsError

PUSH_KEY_FILE = "web-push.pem"
DEFAULT_CONTACT = "https://vigia.invalid"
"""Where no public address is set: push services of vendors then refuse, since they could reach nobody."""


def configured_senders(settings: Settings) -> Senders:
    """What this process sends by."""
    gateway = settings.sms_gateway_url
    return Senders(
        WebhookPoster(
            keys=_signing_keys(settings),
            source=settings.public_address or DEFAULT_SOURCE,
            cloud_events=settings.webhook_format == "cloudevents",
        ),
        sms=None if gateway is None else PhoneGateway(gateway.get_secret_value()),
        push_key=configured_push_key(settings),
    )


def configured_push_key(settings: Settings) -> PushKey | None:
    """The key of web push: of the setting, or made at first need where everything runs on one machine; else None.

    API and notifier must have the same key. On several machines they have no folder in common.
    """
    contact = settings.public_url or DEFAULT_CONTACT
    if settings.web_push_key is not None:
        try:
            return read_push_key(settings.web_push_key.get_secret_value(), contact)
        except (ValueError, TypeError) as error:
            raise SettingsError(f"VIGIA_WEB_PUSH_KEY: {error}") from None
    if settings.database_url is not None:
        return None
    return stored_push_key(Path(settings.data_dir) / PUSH_KEY_FILE, contact)


def configured_services(settings: Settings) -> frozenset[str]:
    """The services of Apprise that people may use."""
    if settings.apprise_services is None:
        return SERVICES
    return frozenset(settings.apprise_services.split(","))


def _signing_keys(settings: Settings) -> tuple[SigningKey, ...]:
    if settings.webhook_keys is None:
        return ()
    try:
        return parse_keys(settings.webhook_keys.get_secret_value())
    except ValueError as error:
        raise SettingsError(f"VIGIA_WEBHOOK_KEYS: {error}") from None
