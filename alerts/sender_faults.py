"""Alerts about what is sent: a device that stays above its rate, or more rejected messages than the budget keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from alerts import transition_log
from alerts.alert_log import Origin
from alerts.rulebook import Rulebook, Station
from models.alert import NAR, Cause, Change, Transition
from models.rows import driver

RATE, REJECTIONS = "sending-rate", "rejections"
FAULT = "fault"


@dataclass(frozen=True, slots=True)
class SenderFault:
    """One alert: `rule_id` identifies it; `subject` is a station, or `municipality:ID` where none is concerned."""

    rule_id: str
    subject: str
    kind: str
    municipality: str


def station_fault(station: Station) -> SenderFault:
    """A device of this station stays above its rate."""
    return SenderFault(f"{station.id}/{RATE}", station.id, station.kind, station.municipality)


def municipality_fault(municipality: str, kind: str, what: str, lane: str) -> SenderFault:
    """Senders without a station, in one lane. `what`: RATE or REJECTIONS."""
    return SenderFault(f"{municipality}/{lane}/{what}", f"municipality:{municipality}", kind, municipality)


def raise_fault(
    transaction: Connection, book: Rulebook, fault: SenderFault, evidence: Mapping[str, object], now: datetime
) -> None:
    """Open the alert, amarillo. Does nothing where it is open already."""
    origin = Origin(fault.rule_id, 1, FAULT)
    if not _is_firing(transaction, fault):
        _log(transaction, book, fault, origin, NAR.AMARILLO, now, evidence)


def clear_fault(
    transaction: Connection, book: Rulebook, fault: SenderFault, evidence: Mapping[str, object], now: datetime
) -> None:
    """Clear the alert, where it is open."""
    if _is_firing(transaction, fault):
        origin = Origin(fault.rule_id, 1, FAULT)
        _log(transaction, book, fault, origin, NAR.VERDE, now, evidence)


def firing_faults(transaction: Connection, lane: str, kinds: Sequence[str]) -> list[SenderFault]:
    """The alerts of one lane, which has these kinds, that are not cleared."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT a.rule_id, a.subject, a.kind, coalesce(s.municipality_id, split_part(a.subject, ':', 2))"
            " FROM alerts a LEFT JOIN stations s ON s.id = a.subject WHERE a.state = 'firing' AND a.rule_nar > 0"
            " AND a.judgement = %s"
            " AND (a.rule_id = a.subject || '/' || %s AND a.kind = ANY(%s) OR split_part(a.rule_id, '/', 2) = %s)",
            [FAULT, RATE, list(kinds), lane],
        )
        return [SenderFault(*row) for row in cursor]


def _is_firing(transaction: Connection, fault: SenderFault) -> bool:
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM alerts WHERE rule_id = %s AND subject = %s AND state = 'firing' AND rule_nar > 0",
            [fault.rule_id, fault.subject],
        )
        return cursor.fetchone() is not None


def _log(
    transaction: Connection,
    book: Rulebook,
    fault: SenderFault,
    origin: Origin,
    after: NAR,
    now: datetime,
    evidence: Mapping[str, object],
) -> None:
    nobody = Station(fault.subject, fault.kind, fault.municipality, None, fault.municipality)
    cause = Cause.REJECTIONS if fault.rule_id.endswith(REJECTIONS) else Cause.RATE
    transition = Transition(
        before=NAR.VERDE if after else NAR.AMARILLO,
        after=after,
        change=Change.RAISED if after else Change.CLEARED,
        cause=cause if after else Cause.RESUMED,
        observed_at=now,
        decided_at=now,
        evidence=evidence,
    )
    transition_log.log_transition(
        transaction, book.stations.get(fault.subject, nobody), origin, transition, notify=True
    )
