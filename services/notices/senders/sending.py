"""Send a message by any channel of a person: one attempt, with its outcome."""

from dataclasses import dataclass, field
from datetime import datetime

from models.alert import APPRISE, CHANNELS, CONSOLE, SMS, WEB_PUSH, WEBHOOK
from services.notices.messages import Message
from services.notices.outcomes import Outcome, Refused, Retry, Sent
from services.notices.senders.apprise_service import send_by_apprise
from services.notices.senders.sms_gateway import SmsSender
from services.notices.senders.web_push import PushKey, send_by_web_push
from services.notices.senders.webhook import WebhookPoster


@dataclass(frozen=True, slots=True)
class Senders:
    """What this process can send by. A channel that is not set up fails, so that the next one is tried."""

    webhook: WebhookPoster = field(default_factory=WebhookPoster)
    sms: SmsSender | None = None
    push_key: PushKey | None = None

    def send(self, channel: str, address: str, key: str, message: Message, now: datetime) -> Outcome:
        """Send a message to an address of a person. The console is no address: the notice is shown there."""
        if channel == CONSOLE:
            return Sent()
        if channel == APPRISE:
            return send_by_apprise(address, message)
        if channel == WEBHOOK:
            return self.webhook.post_person(address, key, {**message.data, "text": message.text}, now)
        if channel == SMS:
            if self.sms is None:
                return Retry("no SMS gateway is set up: set VIGIA_SMS_GATEWAY_URL")
            return self.sms.send(address, key, message.short)
        if channel == WEB_PUSH:
            if self.push_key is None:
                return Retry("web push is not set up here")
            return send_by_web_push(address, key, message, self.push_key, now)
        return Refused(f"no channel {channel!r} here; there are {', '.join(CHANNELS)}")
