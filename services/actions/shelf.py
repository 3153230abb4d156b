"""Shelving: an alert put aside until an hour, with a reason, and taken back. In the caller's transaction."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from alerts.life.limits import MAX_SHELF, may_be_shelved
from alerts.life.next_state import Because
from models.alert import NAR
from services.actions.log import change_unchanged, log_action, require_open, require_reason
from services.actions.refusals import AlertAlreadyShelved, AlertNotShelved, MayNotBeShelved

MAX_SHELF_MIN = MAX_SHELF // timedelta(minutes=1)


def shelve(
    transaction: Connection,
    alert_id: int,
    *,
    operator: str,
    note: str,
    minutes: int,
    version: int,
    now: datetime,
) -> int:
    """Put an alert aside for so many minutes, at most MAX_SHELF_MIN; returns its new version. note: the reason.

    It is neither announced nor escalated meanwhile, and stands in a list of its own. A graver colour ends the shelf at
    once. Raises ReasonMissing, NoSuchAlert, AlertAlreadyClosed, AlertAlreadyShelved, MayNotBeShelved, AlertChanged.
    """
    reason = require_reason(note)
    alert = require_open(transaction, alert_id)
    if alert.shelved_until is not None:
        raise AlertAlreadyShelved
    if not may_be_shelved(alert.judgement, NAR(alert.nar)):
        raise MayNotBeShelved
    changed = change_unchanged(
        transaction,
        alert_id,
        version,
        shelved_until=now + min(timedelta(minutes=minutes), MAX_SHELF),
        shelved_by=operator,
        shelved_nar=alert.nar,
    )
    log_action(transaction, changed, "shelve", operator, reason, now)
    return int(changed.version)


def unshelve(transaction: Connection, alert_id: int, *, operator: str, note: str, version: int, now: datetime) -> int:
    """Take a shelved alert back; returns its new version. One that nobody acknowledged asks again from now on.

    Raises NoSuchAlert, AlertAlreadyClosed, AlertNotShelved, AlertChanged.
    """
    alert = require_open(transaction, alert_id)
    if alert.shelved_until is None:
        raise AlertNotShelved
    asks = {} if alert.acknowledged_at else {"waiting_since": now, "waiting_because": Because.UNSHELVED}
    shelf = dict.fromkeys(("shelved_until", "shelved_by", "shelved_nar"))
    changed = change_unchanged(transaction, alert_id, version, **shelf, **asks)
    log_action(transaction, changed, "unshelve", operator, note, now)
    return int(changed.version)
