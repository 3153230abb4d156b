"""A record of a million entries is verified in bounded memory."""

import resource
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text

from services.record.chain_writer import ChainWriter
from services.record.links import Break, Broken
from services.record.verification import verify

ENTRIES = 1_000_000
NOW = datetime(2026, 4, 2, 12, 0, tzinfo=UTC)


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_a_million_entries_verify_and_one_altered_is_found(
    database: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    with database.begin() as transaction:
        transaction.execute(
            text(
                "INSERT INTO log_entries (at, what, about, actor, details) SELECT :now + n * interval '1 s',"
                " 'alert.acknowledged', 'alert:' || n, 'Ana', jsonb_build_object('note', 'fui al puente', 'action', n)"
                " FROM generate_series(1, :entries) n"
            ),
            {"now": NOW, "entries": ENTRIES},
        )
    written = time.monotonic()
    head = ChainWriter(database).chain_all()
    chained = time.monotonic()
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with database.begin() as transaction:
        verdict = verify(transaction, head)
    verified = time.monotonic()
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    with capsys.disabled():
        print(
            f"\n{ENTRIES:,} entries: written in {written - started:.0f} s, chained in {chained - written:.0f} s,"
            f" verified in {verified - chained:.1f} s, memory grown by {grown_kb / 1024:.0f} MB"
        )
    assert (verdict.sound, verdict.last.number) == (True, ENTRIES)
    assert grown_kb < 64 * 1024
    with database.begin() as transaction:
        transaction.execute(text("SET LOCAL session_replication_role = replica"))
        transaction.execute(text("UPDATE log_entries SET actor = 'Luis' WHERE id = 777777"))
    with database.begin() as transaction:
        assert verify(transaction, head).broken == Broken(777_777, Break.ALTERED)
