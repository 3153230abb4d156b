"""Act on a person's text message: acknowledge an incident by its code, or say clearly why not and what to do.

Texts of the answers fit one text message, in the person's language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from models.alert import SMS
from models.tables.alerts import ASKS
from services.actions import IncidentChanged, NoSuchIncident, Seen, acknowledge_incident
from services.notices.messages import Purpose
from services.notices.person_notices import PersonNotice, queue_person_notice
from services.notices.sms_codes import Code, code_in, find_code, mark_used, people_of_number

MAX_TEXT_CHARS = 1_000
"""Longer than any text message that a telephone passes on."""
NOTE = "SMS"
_MAY_ACKNOWLEDGE = ("operator", "supervisor")
_URGENT = 0
WORDS: Mapping[str, Mapping[str, str]] = {
    "es": {
        "done": "Suceso {incident} reconocido. Queda a tu nombre.",
        "again": "Ya habías reconocido el suceso {incident} con ese código.",
        "not_understood": "No entendí. Respondé RECONOCER y los 4 números del aviso. Emergencias: 911",
        "unknown": "El código {code} no es tuyo. Mirá el último aviso y respondé RECONOCER con sus 4 números.",
        "old": "El código {code} venció. Entrá a la página o llamá a la guardia.",
        "changed": "NO quedó reconocido: el suceso {incident} empeoró o cambió. Respondé el próximo aviso.",
        "answered": "El suceso {incident} ya está reconocido o cerrado. No hace falta que hagas nada.",
        "not_allowed": "Tu cuenta no puede reconocer sucesos. Llamá a la guardia.",
        "stranger": "Este número no está entre los canales probados de nadie. Cargalo y probalo en Mis canales.",
        "too_many": "Demasiados mensajes: esperá un minuto, o llamá a la guardia.",
    },
    "en": {
        "done": "Incident {incident} acknowledged in your name.",
        "again": "You acknowledged incident {incident} by this code before.",
        "not_understood": "Not understood. Reply RECONOCER and the 4 digits of the notice. Emergencies: 911",
        "unknown": "Code {code} is not yours. Look at the last notice and reply RECONOCER with its 4 digits.",
        "old": "Code {code} has ended. Use the page, or call the watch.",
        "changed": "NOT acknowledged: incident {incident} grew worse or changed. Answer the next notice.",
        "answered": "Incident {incident} is acknowledged or closed. Nothing is left to do.",
        "not_allowed": "Your account may not acknowledge incidents. Call the watch.",
        "stranger": "This number is nobody's tested channel. Add and test it under My channels.",
        "too_many": "Too many messages: wait a minute, or call the watch.",
    },
}


@dataclass(frozen=True, slots=True)
class SmsAnswer:
    """What came of a text message. `text`: for whoever sent it; `incident_id`: what was acknowledged now."""

    outcome: str
    text: str
    incident_id: int | None = None


def refusal(outcome: str) -> SmsAnswer:
    """An answer to a number of nobody: it is sent to no one, since anybody could make us send messages."""
    return SmsAnswer(outcome, WORDS["es"][outcome])


def answer_text_message(
    transaction: Connection, number: str, message: str, message_id: str, now: datetime
) -> SmsAnswer:
    """Act on a text message and queue the answer to the person. `message_id`: one answer is sent for each."""
    people = people_of_number(transaction, number)
    if not people:
        return refusal("stranger")
    person_id = min(people)
    answer = _act(transaction, people, message, now)
    _queue_answer(transaction, person_id, number, answer.text, message_id, now)
    return answer


def _act(transaction: Connection, people: Mapping[int, str], message: str, now: datetime) -> SmsAnswer:
    asked = code_in(message[:MAX_TEXT_CHARS])
    words = WORDS[people[min(people)]]
    if asked is None:
        return SmsAnswer("not_understood", words["not_understood"])
    code = find_code(transaction, list(people), asked)
    if code is None:
        return SmsAnswer("unknown", words["unknown"].format(code=asked))
    words = WORDS[people[code.person_id]]
    if code.used_at is not None:
        return SmsAnswer("again", words["again"].format(incident=code.incident_id))
    if code.ends_at < now:
        return SmsAnswer("old", words["old"].format(code=asked))
    outcome = _acknowledge(transaction, code, now)
    done = code.incident_id if outcome == "done" else None
    return SmsAnswer(outcome, words[outcome].format(incident=code.incident_id), done)


def _acknowledge(transaction: Connection, code: Code, now: datetime) -> str:
    """Acknowledge what the message told of. Returns what came of it."""
    name = transaction.execute(
        text(
            "SELECT p.name FROM people p JOIN person_roles r ON r.person_id = p.id"
            " WHERE p.id = :person AND r.role = ANY(:roles) AND p.disabled_at IS NULL LIMIT 1"
        ),
        {"person": code.person_id, "roles": list(_MAY_ACKNOWLEDGE)},
    ).scalar_one_or_none()
    if name is None:
        return "not_allowed"
    seen = [Seen(alert, nar) for alert, nar in code.seen]
    try:
        acknowledge_incident(transaction, code.incident_id, seen, operator=str(name), note=NOTE, now=now)
    except (IncidentChanged, NoSuchIncident):
        return "changed" if _still_asks(transaction, code.incident_id) else "answered"
    mark_used(transaction, code, now)
    return "done"


def _still_asks(transaction: Connection, incident_id: int) -> bool:
    query = text(f"SELECT EXISTS (SELECT FROM alerts WHERE incident_id = :incident AND {ASKS})")
    return bool(transaction.execute(query, {"incident": incident_id}).scalar_one())


def _queue_answer(
    transaction: Connection, person_id: int, number: str, answer: str, message_id: str, now: datetime
) -> None:
    """Queue the answer to the number that asked, whatever the person's first channel is."""
    channel = transaction.execute(
        text(
            r"SELECT id FROM person_channels WHERE person_id = :person AND channel = :sms AND ended_at IS NULL"
            r" AND right(regexp_replace(address, '\D', '', 'g'), 8) = right(regexp_replace(:number, '\D', '', 'g'), 8)"
            r" ORDER BY position LIMIT 1"
        ),
        {"person": person_id, "sms": SMS, "number": number},
    ).scalar_one_or_none()
    body = {"purpose": Purpose.ANSWER, "text": answer}
    queue_person_notice(
        transaction, PersonNotice(person_id, f"answer:{message_id}", _URGENT, body, only_channel=channel), now
    )
