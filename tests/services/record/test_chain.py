"""The chain over the record: nothing is skipped, and whatever is done to it afterwards is found, with its number."""

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from alerts.record import Entry, record
from services.record.chain_writer import ChainWriter, chain, read_head
from services.record.links import Break, Broken, Head
from services.record.verification import Verdict, verify
from tests.databases import open_copy

NOW = datetime(2026, 4, 2, 12, 0, tzinfo=UTC)
ENTRIES = 40


def write(transaction: Connection, *names: str) -> None:
    """One entry for each name."""
    for second, name in enumerate(names):
        record(transaction, Entry("shift.taken", "shift:1", name, {"note": "río"}), NOW + timedelta(seconds=second))


def verified(database: Engine, head: Head | None = None) -> Verdict:
    with database.begin() as transaction:
        return verify(transaction, head)


@contextmanager
def tampering(transaction: Connection) -> Iterator[None]:
    """What an owner of the tables can do: switch off the triggers and the foreign keys."""
    transaction.execute(text("SET LOCAL session_replication_role = replica"))
    yield
    transaction.execute(text("SET LOCAL session_replication_role = origin"))


def test_an_entry_that_commits_late_is_chained_and_nobody_waits(database: Engine) -> None:
    with database.begin() as slow:
        write(slow, "late")
        with database.begin() as quick:
            write(quick, "early")
        assert ChainWriter(database).chain_all().number == 1
        with database.begin() as quick:
            write(quick, "later still")
        assert ChainWriter(database).chain_all().number == 2
    with suppress(ZeroDivisionError), database.begin() as undone:
        write(undone, "never")
        raise ZeroDivisionError
    assert ChainWriter(database).chain_all().number == 3
    with database.connect() as connection:
        names = text("SELECT e.actor FROM log_chain c JOIN log_entries e ON e.id = c.entry_id ORDER BY c.number")
        assert connection.execute(names).scalars().all() == ["early", "later still", "late"]
    assert verified(database).sound


def test_two_writers_at_once_make_one_chain(database: Engine) -> None:
    with database.begin() as transaction:
        write(transaction, "Ana", "Luis")
    with database.begin() as one, database.begin() as other:
        assert chain(one, 1) == 1
        assert chain(other, 1) == 0
    assert ChainWriter(database).chain_all().number == 2
    assert verified(database).sound


def test_erased_content_leaves_a_chain_that_fits_and_an_erasure_without_a_record_is_told(database: Engine) -> None:
    with database.begin() as transaction:
        write(transaction, "Ana", "Luis", "Eva")
        transaction.execute(text("SELECT erase_log_content(id) FROM log_entries WHERE actor = 'Luis'"))
    head = ChainWriter(database).chain_all()
    verdict = verified(database, head)
    assert (verdict.sound, verdict.last, verdict.erased) == (True, head, 1)
    with database.begin() as transaction, tampering(transaction):
        transaction.execute(
            text("UPDATE log_entries SET about = NULL, actor = NULL, details = NULL, salt = NULL WHERE actor = 'Eva'")
        )
    assert verified(database).erased_unrecorded == 1


def test_an_entry_that_waits_for_too_long_is_told(database: Engine) -> None:
    with database.begin() as transaction:
        write(transaction, "Ana")
    assert verified(database).sound
    with database.begin() as transaction:
        transaction.execute(text("UPDATE log_pending SET since = since - interval '11 s'"))
    assert verified(database).unchained == 1
    with database.begin() as transaction:
        transaction.execute(text("DELETE FROM log_pending"))
    assert verified(database).unchained == 1


def alter(number: int) -> str:
    return f"UPDATE log_entries SET details = '{{}}' WHERE id = {number}"


def alter_with_its_hash(number: int) -> str:
    return (
        "UPDATE log_entries SET actor = 'x', content_hash = sha256(salt || convert_to(jsonb_build_object("
        f"'about', about, 'actor', 'x', 'details', details)::text, 'UTF8')) WHERE id = {number}"
    )


def alter_its_time(number: int) -> str:
    return f"UPDATE log_entries SET at = at - interval '1 s' WHERE id = {number}"


def remove_both(number: int) -> str:
    return f"WITH gone AS (DELETE FROM log_chain WHERE entry_id = {number}) DELETE FROM log_entries WHERE id = {number}"


def remove_the_entry(number: int) -> str:
    return f"DELETE FROM log_entries WHERE id = {number}"


def move_to_the_end(number: int) -> str:
    return (
        f"UPDATE log_chain SET number = number + 1000 WHERE number >= {number};"
        f"UPDATE log_chain SET number = CASE number WHEN {number + 1000} THEN {ENTRIES} ELSE number - 1001 END"
        f" WHERE number > {ENTRIES}"
    )


def exchange(number: int) -> str:
    return (
        f"UPDATE log_chain SET entry_id = -1 WHERE number = {number};"
        f" UPDATE log_chain SET entry_id = {number} WHERE number = {ENTRIES};"
        f" UPDATE log_chain SET entry_id = {ENTRIES} WHERE number = {number}"
    )


@pytest.mark.parametrize(
    ("tamper", "how"),
    [
        (alter, Break.ALTERED),
        (alter_with_its_hash, Break.REPLACED),
        (alter_its_time, Break.REPLACED),
        (remove_both, Break.REMOVED),
        (remove_the_entry, Break.REMOVED),
        (move_to_the_end, Break.REPLACED),
        (exchange, Break.REPLACED),
    ],
)
def test_whatever_is_done_to_an_entry_is_found_with_its_number(chained: Engine, tamper: object, how: Break) -> None:
    assert callable(tamper)
    for number in random.Random(17).sample(range(1, ENTRIES - 1), 6):
        with chained.connect() as transaction:
            with tampering(transaction):
                for statement in str(tamper(number)).split(";"):
                    transaction.execute(text(statement))
            verdict = verify(transaction)
            assert (verdict.broken, verdict.last.number) == (Broken(number, how), number - 1)
            transaction.rollback()


def test_a_tail_cut_off_is_found_by_the_head_that_was_written_down(chained: Engine) -> None:
    with chained.connect() as transaction:
        head = read_head(transaction)
        for kept in random.Random(17).sample(range(ENTRIES), 6):
            with transaction.begin_nested() as savepoint:
                with tampering(transaction):
                    transaction.execute(text(f"DELETE FROM log_chain WHERE number > {kept}"))
                    transaction.execute(text(f"DELETE FROM log_entries WHERE id > {kept}"))
                assert verify(transaction).sound
                assert verify(transaction, head).cut == head
                savepoint.rollback()
        assert verify(transaction, head).sound
        assert verify(transaction, Head(head.number, bytes(32))).cut == Head(head.number, bytes(32))


@pytest.fixture(scope="module")
def chained(database_url: str, migrated_name: str) -> Iterator[Engine]:
    """A record of ENTRIES entries, whose numbers are those of their links."""
    with open_copy(database_url, migrated_name) as database:
        with database.begin() as transaction:
            write(transaction, *(f"name {number}" for number in range(ENTRIES)))
        assert ChainWriter(database).chain_all().number == ENTRIES
        yield database
