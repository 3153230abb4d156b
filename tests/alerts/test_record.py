"""The record is written with what it records, and neither changes nor loses an entry afterwards."""

from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from alerts.record import Entry, record

NOW = datetime(2026, 4, 2, 12, 0, tzinfo=UTC)
TAKEN = Entry("shift.taken", "shift:3", "Ana", {"note": "sin novedad \0", "level_m": 1.5})


def test_an_entry_holds_what_was_given_and_waits_for_the_chain(transaction: Connection) -> None:
    record(transaction, TAKEN, NOW)
    row = transaction.execute(text("SELECT id, at, what, about, actor, details FROM log_entries")).one()
    assert tuple(row)[1:] == (
        NOW,
        "shift.taken",
        "shift:3",
        "Ana",
        {"note": "sin novedad \N{REPLACEMENT CHARACTER}", "level_m": 1.5},
    )
    assert transaction.execute(text("SELECT entry_id FROM log_pending")).scalars().all() == [row.id]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_entries SET actor = 'Luis'",
        "UPDATE log_entries SET what = 'shift.left', salt = NULL, about = NULL, actor = NULL, details = NULL",
        "DELETE FROM log_entries",
        "TRUNCATE log_entries CASCADE",
        "DELETE FROM log_chain",
        "TRUNCATE log_chain",
    ],
)
def test_even_the_owner_of_the_tables_cannot_change_an_entry_by_a_statement(
    transaction: Connection, statement: str
) -> None:
    record(transaction, TAKEN, NOW)
    entry = transaction.execute(text("SELECT id FROM log_entries")).scalar_one()
    transaction.execute(text("INSERT INTO log_chain VALUES (1, :entry, sha256(''))"), {"entry": entry})
    with pytest.raises(ProgrammingError, match="append-only") as error:
        transaction.execute(text(statement))
    assert isinstance(error.value.orig, psycopg.errors.InsufficientPrivilege)


def test_the_content_is_erased_once_and_its_hash_stays(transaction: Connection) -> None:
    record(transaction, TAKEN, NOW)
    before = transaction.execute(text("SELECT id, content_hash FROM log_entries")).one()
    erase = text("SELECT erase_log_content(:entry)")
    assert transaction.execute(erase, {"entry": before.id}).scalar_one() is True
    assert transaction.execute(erase, {"entry": before.id}).scalar_one() is False
    after = transaction.execute(text("SELECT * FROM log_entries")).one()
    assert (after.about, after.actor, after.details, after.salt) == (None, None, None, None)
    assert (after.at, after.what, after.content_hash) == (NOW, "shift.taken", before.content_hash)
    assert transaction.execute(text("SELECT erased FROM erasures")).scalars().all() == ["log_entries: content"]
