"""What does a person do about an alert or an incident?"""

from services.actions.alerts import acknowledge, close, comment
from services.actions.incidents import MAX_SEEN, Seen, acknowledge_incident
from services.actions.log import MAX_NOTE_CHARS
from services.actions.notes import erase_note, may_erase, redact_note
from services.actions.refusals import (
    AlertAlreadyAcknowledged,
    AlertAlreadyClosed,
    AlertChanged,
    AlertStillHeld,
    IncidentChanged,
    NoSuchAlert,
    NoSuchIncident,
    NoSuchNote,
    NoteAlreadyRedacted,
    UnwritableNote,
)

__all__ = [
    "MAX_NOTE_CHARS",
    "MAX_SEEN",
    "AlertAlreadyAcknowledged",
    "AlertAlreadyClosed",
    "AlertChanged",
    "AlertStillHeld",
    "IncidentChanged",
    "NoSuchAlert",
    "NoSuchIncident",
    "NoSuchNote",
    "NoteAlreadyRedacted",
    "Seen",
    "UnwritableNote",
    "acknowledge",
    "acknowledge_incident",
    "close",
    "comment",
    "erase_note",
    "may_erase",
    "redact_note",
]
