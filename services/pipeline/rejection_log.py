"""Log why messages are rejected, and which devices nobody declared: one line a sender and minute."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from ingest.registry import DeviceKey
from ingest.sender_rates import device_topic
from models.kinds import KINDS_BY_NAME
from models.reading import Rejected

log = logging.getLogger(__name__)

Key = TypeVar("Key")

INTERVAL = timedelta(minutes=1)
MAX_SENDERS = 1_000
"""Senders with a line in one minute. What others send is stored or counted all the same."""
MAX_DETAIL_CHARS = 200


@dataclass(slots=True)
class RejectionLog:
    """When each sender last had a line, and what was left out since."""

    _logged_at: dict[str, datetime] = field(default_factory=dict)
    _left_out: dict[str, int] = field(default_factory=dict)
    _undeclared_at: dict[DeviceKey, datetime] = field(default_factory=dict)

    def note_rejected(self, rejected: Iterable[tuple[str, Rejected]], now: datetime) -> None:
        """Log rejected messages, each with its sender (`SenderRates.sender`), as far as a line is due."""
        for sender, item in rejected:
            if len(self._left_out) >= MAX_SENDERS:
                self._left_out.clear()
            if not _due(self._logged_at, sender, now):
                if sender in self._logged_at:
                    self._left_out[sender] = self._left_out.get(sender, 0) + 1
                continue
            log.warning(
                "a message is no reading",
                extra={
                    "action": "reject",
                    "topic": item.message.topic[:MAX_DETAIL_CHARS],
                    "reason": item.reason.value,
                    "detail": item.detail[:MAX_DETAIL_CHARS],
                    "not_logged_before": self._left_out.pop(sender, 0),
                },
            )

    def note_undeclared(self, devices: Iterable[DeviceKey], now: datetime) -> None:
        """Log devices that sent readings and have no station, as far as a line is due."""
        for key in devices:
            if KINDS_BY_NAME[key[1]].judgements and _due(self._undeclared_at, key, now):
                log.warning(
                    "a device that the seed does not declare: its readings are stored, and no rule judges them",
                    extra={"action": "undeclared", "topic": device_topic(*key)},
                )


def _due(logged_at: dict[Key, datetime], key: Key, now: datetime) -> bool:
    """Whether a line is due now, which then counts as written. Forgets lines of earlier minutes when there are many."""
    at = logged_at.get(key)
    if at is not None and now - at < INTERVAL:
        return False
    if at is None and len(logged_at) >= MAX_SENDERS:
        for old in [one for one, when in logged_at.items() if now - when >= INTERVAL]:
            del logged_at[old]
        if len(logged_at) >= MAX_SENDERS:
            return False
    logged_at[key] = now
    return True
