"""Erase the text of notes whose redaction operators asked for: only the role of upkeep may."""

import logging

from sqlalchemy import Engine, select

from models.tables.erasures import redactions
from services.actions import erase_note

MAX_PER_RUN = 1000

log = logging.getLogger(__name__)


def erase_redacted_notes(database: Engine) -> int:
    """Erase all notes whose redaction is not carried out yet, one transaction each. Returns how many."""
    with database.begin() as transaction:
        pending = select(redactions.c.id).where(redactions.c.done_at.is_(None)).order_by(redactions.c.id)
        numbers = transaction.execute(pending.limit(MAX_PER_RUN)).scalars().all()
    erased = 0
    for number in numbers:
        with database.begin() as transaction:
            erased += erase_note(transaction, number)
    if erased:
        log.info("erased redacted notes", extra={"action": "redact", "notes": erased})
    return erased
