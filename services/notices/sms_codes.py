"""Codes by which a person acknowledges an incident by text message: RECONOCER 4821.

A code belongs to one person and one notice, stands for the alerts and colours that the notice told of, and ends.
"""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from models.alert import SMS
from models.rows import driver
from services.notices.addresses import national
from services.notices.outbox import ClaimedNotice

CODE_DIGITS = 4
CODE_LASTS = timedelta(hours=2)
"""Longer than people wait to answer; shorter than it takes to try all digits within the limit a minute."""
DRAWS = 20
"""Attempts to draw a code that none of the person's others has."""
MAX_PEOPLE = 8
"""People whose number is the same, as on a telephone of the watch."""
_ANSWER = re.compile(rf"\b(?:RECONOCER|RECONOZCO|ACK)\W+(\d{{{CODE_DIGITS}}})\b", re.IGNORECASE)
_CODE_ALONE = re.compile(rf"\W*(\d{{{CODE_DIGITS}}})\W*")


@dataclass(frozen=True, slots=True)
class Code:
    """A code as it was sent. `seen`: the numbers of the alerts and the colours that the message stood for."""

    notice_id: int
    person_id: int
    incident_id: int
    seen: Sequence[tuple[int, int]]
    ends_at: datetime
    used_at: datetime | None


def code_in(text: str) -> str | None:
    """The code in an answer: after RECONOCER, or alone. None where there is none."""
    found = _ANSWER.search(text) or _CODE_ALONE.fullmatch(text)
    return found[1] if found else None


def code_of_notice(transaction: Connection, notice: ClaimedNotice, now: datetime) -> str | None:
    """The code of a notice, made at its first attempt and the same for each. None where it is about no incident.

    It stands for the alerts that waited when the notice was queued, at its colour: a graver one still asks.
    """
    if notice.incident_id is None or notice.person_id is None or "nar" not in notice.body:
        return None
    with driver(transaction).cursor() as cursor:
        found = cursor.execute("SELECT code FROM sms_codes WHERE notice_id = %s", [notice.id]).fetchone()
        if found is not None:
            return str(found[0])
        waiting = cursor.execute(
            "SELECT id FROM alerts WHERE incident_id = %s AND state <> 'closed' AND acknowledged_at IS NULL"
            " AND opened_at <= %s ORDER BY id",
            [notice.incident_id, notice.body.get("decided_at", now)],
        ).fetchall()
        used = cursor.execute(
            "SELECT code FROM sms_codes WHERE person_id = %s AND ends_at > %s", [notice.person_id, now]
        ).fetchall()
        code = _draw({row[0] for row in used})
        cursor.execute(
            "INSERT INTO sms_codes (notice_id, person_id, incident_id, code, seen, ends_at)"
            " VALUES (%s, %s, %s, %s, %s::jsonb, %s)",
            [
                notice.id,
                notice.person_id,
                notice.incident_id,
                code,
                json.dumps([[row[0], int(notice.body["nar"])] for row in waiting]),
                now + CODE_LASTS,
            ],
        )
        return code


def people_of_number(transaction: Connection, number: str) -> dict[int, str]:
    """The people with this number among their tested channels, and the language of each."""
    digits = national(number)
    if not digits:
        return {}
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            r"SELECT DISTINCT p.id, p.language FROM person_channels c JOIN people p ON p.id = c.person_id"
            r" WHERE c.channel = %s AND c.ended_at IS NULL AND c.tested_at IS NOT NULL AND p.disabled_at IS NULL"
            r" AND right(regexp_replace(c.address, '\D', '', 'g'), %s) = %s ORDER BY p.id LIMIT %s",
            [SMS, len(digits), digits, MAX_PEOPLE],
        )
        return {row[0]: row[1] for row in cursor}


def find_code(transaction: Connection, people: Sequence[int], code: str) -> Code | None:
    """The newest code of these people with these digits, ended ones included; locked."""
    with driver(transaction).cursor() as cursor:
        row = cursor.execute(
            "SELECT notice_id, person_id, incident_id, seen, ends_at, used_at FROM sms_codes"
            " WHERE person_id = ANY(%s) AND code = %s ORDER BY ends_at DESC LIMIT 1 FOR UPDATE",
            [list(people), code],
        ).fetchone()
    if row is None:
        return None
    return Code(row[0], row[1], row[2], [(alert, nar) for alert, nar in row[3]], row[4], row[5])


def mark_used(transaction: Connection, code: Code, now: datetime) -> None:
    """Note that the code was used."""
    with driver(transaction).cursor() as cursor:
        cursor.execute("UPDATE sms_codes SET used_at = %s WHERE notice_id = %s", [now, code.notice_id])


def _draw(used: set[str]) -> str:
    for _ in range(DRAWS):
        code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
        if code not in used:
            return code
    raise RuntimeError(f"{len(used)} codes of one person are valid: none is free")
