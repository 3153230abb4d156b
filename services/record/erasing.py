"""Erase the content of one entry of the record as the law demands. Its hash stays, and the chain still fits."""

from datetime import datetime

from sqlalchemy import Connection, text

from alerts.record import Entry, record


def erase(transaction: Connection, number: int, *, by: str, reason: str, now: datetime) -> bool:
    """Erase the content of the entry with this link, and record who did it and why. False where there is none."""
    statement = text("SELECT erase_log_content(entry_id) FROM log_chain WHERE number = :number")
    if not transaction.execute(statement, {"number": number}).scalar_one_or_none():
        return False
    record(transaction, Entry("record.erased", f"record:{number}", by, {"reason": reason}), now)
    return True
