"""The next batch is judged while the one before commits: the tables must say the same, whatever becomes of that one."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, text

from models.reading import Message
from models.rows import StaleRowError
from services.city.load import load
from services.pipeline.batch import Batch
from services.pipeline.intake import batch_of
from services.pipeline.road import Pipeline
from services.runtime.clock import PeriodicTimer
from services.runtime.retry import DATABASE_UNAVAILABLE
from tests.seeds import la_plata
from tests.services.pipeline.test_deferred_writes import NOON, TOLD, Clock, story, told

SWEEP = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class Town:
    """A pipeline that is always told what comes next, and loses its database now and then."""

    def __init__(self, database: Engine, random: Random, *, lookahead: bool = True) -> None:
        self.database, self.random, self.clock = database, random, Clock()
        self.pipeline = Pipeline(database, self.clock, None, save_every=PeriodicTimer(3600.0), lookahead=lookahead)
        self.prepared = self.lost = 0

    def carries(self, batches: list[list[Message]]) -> None:
        following: Batch | None = None
        for place, messages in enumerate(batches):
            self.clock.now = messages[0].received_at + timedelta(seconds=1)
            batch, following = following or batch_of(None, messages), None
            if place + 1 < len(batches) and self.random.random() < 0.9:
                following = batch_of(None, batches[place + 1])
            self.prepared += batch.prepared is not None
            if self.random.random() < 0.1:
                self.pipeline.state.save()
            while True:
                try:
                    self.pipeline.process(batch, lambda one=following: self.asked(one))  # type: ignore[misc]
                    break
                except DATABASE_UNAVAILABLE:
                    self.lost += 1

    def asked(self, following: Batch | None) -> Batch | None:
        """In the middle of a transaction."""
        if self.random.random() < 0.05:
            with self.database.connect() as another:
                another.execute(text(SWEEP))
        return following


@pytest.mark.seeds(0, 1, 2)
@pytest.mark.parametrize("lookahead", [True, False])
def test_judged_ahead_or_in_its_turn_the_tables_say_the_same(database: Engine, seed: int, lookahead: bool) -> None:
    with database.begin() as transaction:
        load(transaction, la_plata(), NOON)
    random = Random(seed)
    batches = story(random, 160)
    with database.connect() as reference:
        expected = told(reference, batches, 0.0, None)
        reference.rollback()
    town = Town(database, random, lookahead=lookahead)
    town.carries(batches)
    town.pipeline.close()
    town.pipeline.process_messages(batches[-1])
    town.pipeline.close()
    with database.connect() as transaction:
        found = [[tuple(row) for row in transaction.execute(text(query))] for query in TOLD]
    assert len(expected[2]) > 2, "nothing happened in this story"
    assert town.prepared > 30 if lookahead else town.prepared == 0, "how much was judged ahead"
    assert town.lost > 2 if lookahead else True, "the database was never lost"
    for query, one, other in zip(TOLD, expected, found, strict=True):
        assert other == one, f"seed {seed}: {query}"


def test_what_was_judged_ahead_of_a_commit_that_failed_is_judged_again(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.begin() as transaction:
        load(transaction, la_plata(), NOON)
    town = Town(database, Random(0))
    batches = [batch for batch in story(Random(7), 40) if len(batch) == 2]
    town.clock.now = NOON
    for batch in batches[:5]:
        town.pipeline.process_messages(batch)
    first, second = batch_of(None, batches[5]), batch_of(None, batches[6])

    def stale(*_: object, **__: Any) -> None:
        raise StaleRowError

    with monkeypatch.context() as patch:
        patch.setattr("services.pipeline.road.commit_in_background", stale)
        town.pipeline.process(first, lambda: second)
    assert town.pipeline.state.counts.set_aside == 2
    never_judged = second.prepared
    assert never_judged is None
    town.pipeline.process(first, lambda: second)
    assert second.prepared is not None
    town.pipeline.state.forget()
    town.pipeline.process(second)
    town.pipeline.close()
    with database.connect() as transaction:
        assert transaction.execute(text("SELECT count(*) FROM river_readings")).scalar_one() == 14
