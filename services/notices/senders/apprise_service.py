"""Send a message by a service that Apprise knows: Telegram, e-mail, Matrix and others. One attempt.

Apprise passes no key on, so the text carries the number of the notice. Its own retries are off: the outbox retries.
"""

import logging

from services.notices.channels import ATTEMPT_TIMEOUT_S
from services.notices.messages import Message
from services.notices.outcomes import Outcome, Refused, Retry, Sent, Unknown

CONNECT_TIMEOUT_S = 4.0
READ_TIMEOUT_S = 6.0
SLOW_S = 3.5
"""A failure that took longer than this may have been accepted before the time was up."""
NAME = "Vigía"
_QUIET = logging.getLogger("apprise")


def send_by_apprise(address: str, message: Message) -> Outcome:
    """Send to one service. The trouble names the service and the hash of its address, never the address."""
    import apprise  # noqa: PLC0415 - only who has such a channel pays for loading it

    _QUIET.setLevel(logging.CRITICAL + 1)  # its lines may hold addresses
    asset = apprise.AppriseAsset(
        app_id=NAME,
        app_desc=NAME,
        app_url="",
        default_service_retry=0,
        http_redirects=False,
        service_timeout=ATTEMPT_TIMEOUT_S,
        storage_mode="memory",
        language="en",
    )
    service = apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
    if not isinstance(service, apprise.NotifyBase):
        return Refused("this is no address of a service that Apprise knows")
    service.retry = 0
    service.socket_connect_timeout, service.socket_read_timeout = CONNECT_TIMEOUT_S, READ_TIMEOUT_S
    named = f"{service.service_name} {service.url_id()}"  # type: ignore[no-untyped-call]
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    result = sender.notify(title=message.title, body=message.text, timeout=ATTEMPT_TIMEOUT_S)
    status = apprise.AppriseResultStatus
    if result.status == status.SUCCESS:
        return Sent()
    if result.status == status.TIMEOUT or result.elapsed >= SLOW_S:
        return Unknown(f"{named}: no answer in time; it may have arrived")
    return Retry(f"{named}: not accepted")
