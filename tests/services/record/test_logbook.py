"""What people write into the logbook stands there, however much happens in the same shift."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from alerts.record import Entry, record
from services.record.logbook import MAX_ENTRIES, read_shift, write

EVENING = datetime(2026, 4, 2, 20, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_what_a_person_writes_after_a_storm_of_alerts_is_in_the_book(transaction: Connection) -> None:
    for number in range(MAX_ENTRIES + 10):
        record(transaction, Entry("alert.raised", f"alert:{number}"), EVENING + number * SECOND)
        record(transaction, Entry("escalation.called", "incident:1"), EVENING + number * SECOND)
    late = EVENING + timedelta(hours=1)
    write(transaction, "El arroyo cruza la 120.", by="Ana", now=late)
    lines = read_shift(transaction, EVENING, EVENING + timedelta(hours=2))
    assert len(lines) == MAX_ENTRIES
    assert (lines[-1].text, lines[-1].by, lines[-1].at) == ("El arroyo cruza la 120.", "Ana", late)
    assert {line.what for line in lines} == {"alert.raised", "logbook.written"}
