"""Post a notice to a webhook, as a CloudEvent (1.0, JSON) or in the documented form; signed where keys are set."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.notices.channels import post
from services.notices.outcomes import Outcome
from services.notices.senders.signatures import SigningKey, signature_headers

ALERT_CHANGED = "vigia.alert.changed.v1"
PERSON_NOTICE = "vigia.person.notice.v1"
DEFAULT_SOURCE = "urn:vigia"


@dataclass(frozen=True, slots=True)
class WebhookPoster:
    """Posts notices. `source`: where the events come from; `cloud_events`: contacts get CloudEvents too."""

    keys: tuple[SigningKey, ...] = ()
    source: str = DEFAULT_SOURCE
    cloud_events: bool = False

    def post_contact(self, url: str, key: str, body: Mapping[str, Any], now: datetime) -> Outcome:
        """Post a change of an alert to a contact, in the form that the settings ask for."""
        if self.cloud_events:
            return self.post_event(
                url, key, self.event(ALERT_CHANGED, key, f"alert/{body['alert_id']}", body, now), now
            )
        return self._post(url, key, "application/json", dict(body), now)

    def post_person(self, url: str, key: str, data: Mapping[str, Any], now: datetime) -> Outcome:
        """Post a notice to a person, always as a CloudEvent."""
        subject = f"incident/{data['incident_id']}" if data.get("incident_id") else "channel/test"
        return self.post_event(url, key, self.event(PERSON_NOTICE, key, subject, data, now), now)

    def event(self, kind: str, key: str, subject: str, data: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """A CloudEvent. Its `id` is the key of the notice: the same for each attempt."""
        return {
            "specversion": "1.0",
            "id": key,
            "source": self.source,
            "type": kind,
            "subject": subject,
            "time": now.isoformat(),
            "datacontenttype": "application/json",
            "data": dict(data),
        }

    def post_event(self, url: str, key: str, event: Mapping[str, Any], now: datetime) -> Outcome:
        """Post a CloudEvent in its structured form."""
        return self._post(url, key, "application/cloudevents+json", event, now)

    def _post(self, url: str, key: str, media_type: str, body: Mapping[str, Any], now: datetime) -> Outcome:
        content = json.dumps(body, ensure_ascii=False).encode()
        headers = {
            "Content-Type": media_type,
            "Idempotency-Key": key,
            **signature_headers(self.keys, key, content, now),
        }
        return post(url, headers, content)
