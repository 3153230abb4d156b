"""A pipeline whose connection is lost in the middle of a batch stores it over a new one, past the old one's locks."""

import logging
import threading
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import Connection, text

from models.rows import driver
from services.pipeline.batch import Batch
from services.pipeline.intake import batch_of
from services.pipeline.road import Pipeline
from services.runtime.database import (
    CLIENT_CHECK_S,
    LOCK_TIMEOUT_S,
    PIPELINE_LIMITS,
    SILENT_PEER_S,
    SessionLimits,
    open_database,
)
from services.runtime.retry import DATABASE_UNAVAILABLE, retry_while_unavailable
from tests.database_proxy import DatabaseProxy, database_proxy
from tests.services.pipeline.test_road import NOON, message
from tests.waiting import wait_until

WAYS = {"cut": DatabaseProxy.cut, "silent": DatabaseProxy.go_silent, "abandoned": DatabaseProxy.abandon_server}
"""How a connection is lost: both ends are told, neither is, or only the client."""
Lose = Callable[[DatabaseProxy], None]


@pytest.mark.parametrize("lose", WAYS.values(), ids=WAYS)
def test_a_batch_whose_connection_is_lost_while_its_rows_are_written_is_stored_once_and_waits_for_no_lock(
    migrated_url: str, lose: Lose, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with database_proxy(migrated_url) as proxy:
        database = open_database(proxy.url, name="test", limits=PIPELINE_LIMITS)
        pipeline = Pipeline(database, lambda: NOON, None)
        pipeline.process_messages([message(0, 0.5)])
        losses = [proxy]

        def lose_once() -> Batch | None:
            while losses:
                lose(losses.pop())
            return None

        batch = batch_of(None, [message(minute, 0.5) for minute in range(1, 4)])
        assert retry_while_unavailable(lambda: pipeline.process(batch, lose_once), threading.Event())
        with database.begin() as transaction:
            assert transaction.execute(text("SELECT count(*) FROM river_readings")).scalar_one() == 4
            others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
            assert transaction.execute(text(f"{others} AND pid <> pg_backend_pid()")).scalar_one() == 0
        pipeline.close()
        database.dispose()
    assert losses == []
    assert not [record for record in caplog.records if "lock timeout" in str(getattr(record, "trouble", ""))]
    assert [record for record in caplog.records if getattr(record, "action", "") == "wait"]


@pytest.mark.parametrize("lose", WAYS.values(), ids=WAYS)
def test_locks_of_a_lost_session_are_released_while_those_of_one_without_these_settings_are_still_held(
    database_url: str, lose: Lose
) -> None:
    """For processes that do not end their own lost session: one that is killed with its machine, or the notifier."""
    with (
        database_proxy(database_url) as proxy,
        psycopg.connect(database_url, autocommit=True) as holder,
        psycopg.connect(database_url, autocommit=True) as waiting,
    ):
        holder.execute("SELECT pg_advisory_lock(3)")
        database = open_database(proxy.url, name="test", limits=SessionLimits(statement_s=3, idle_in_transaction_s=1))
        ours = database.connect()
        plain = psycopg.connect(proxy.url)
        ours.execute(text("SELECT pg_advisory_xact_lock(1)"))
        plain.execute("SELECT pg_advisory_xact_lock(2)")
        running = [
            threading.Thread(target=_ignoring_loss, args=(run,))
            for run in (
                lambda: ours.execute(text("SELECT pg_advisory_xact_lock(3)")),
                lambda: plain.execute("SELECT pg_advisory_xact_lock(3)"),
            )
        ]
        for thread in running:
            thread.start()
        wait_until(
            lambda: holder.execute("SELECT count(*) FROM pg_locks WHERE objid = 3 AND NOT granted").fetchone() == (2,)
        )
        lose(proxy)
        bound_s = max(CLIENT_CHECK_S, SILENT_PEER_S, 3)
        assert bound_s < LOCK_TIMEOUT_S
        waiting.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
        waiting.execute("SELECT pg_advisory_lock(1)")
        assert waiting.execute("SELECT pg_try_advisory_lock(2)").fetchone() == (False,)
        holder.execute("SELECT pg_advisory_unlock(3)")
        waiting.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid = 2 AND granted")
        proxy.close()
        for thread in running:
            thread.join()
        ours.invalidate()
        plain.close()
        database.dispose()


@pytest.mark.parametrize(
    "run",
    [
        lambda connection: connection.execute(text("SELECT 1")),
        lambda connection: driver(connection).execute("SELECT 1"),
    ],
    ids=["through SQLAlchemy", "through the driver"],
)
def test_a_session_that_the_server_ends_for_idleness_counts_as_a_lost_connection(
    database_url: str, run: Callable[[Connection], object]
) -> None:
    database = open_database(database_url, name="test", limits=SessionLimits(idle_in_transaction_s=1))
    with psycopg.connect(database_url, autocommit=True) as watch, database.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        wait_until(lambda: not watch.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone())
        with pytest.raises(DATABASE_UNAVAILABLE):
            run(connection)
        connection.invalidate()
    database.dispose()


def _ignoring_loss(run: Callable[[], object]) -> None:
    try:
        run()
    except (*DATABASE_UNAVAILABLE, psycopg.Error):
        return
