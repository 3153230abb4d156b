"""`vigia bench watch`: a simulated storm through the pipeline at simulated time, and what operators are told of it."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from sqlalchemy import Engine, text

from models.migrations import upgrade
from models.reading import Message
from services import actions
from services.actions import Seen
from services.bench.announcements import announcement_figures
from services.city.load import load
from services.city.seed import Seed
from services.embedded.postgres import embedded_postgres
from services.pipeline.road import Pipeline
from services.runtime.database import open_database

STEP = timedelta(minutes=1)
OPERATOR = "bench"
_UNANSWERED = (
    "SELECT a.incident_id, array_agg(a.id ORDER BY a.id), array_agg(a.nar ORDER BY a.id) FROM alerts a"
    " WHERE a.state <> 'closed' AND a.acknowledged_at IS NULL GROUP BY a.incident_id HAVING min(a.changed_at) <= :since"
)


class StormClock:
    """The messages of a storm in steps. Its time is the end of the step."""

    def __init__(self, messages: Iterable[Message], start: datetime) -> None:
        self.now = start
        self._messages, self._start = messages, start

    def __call__(self) -> datetime:
        return self.now

    def steps(self, step: timedelta = STEP) -> Iterator[list[Message]]:
        """The messages of each step, in order."""
        for number, together in groupby(self._messages, lambda one: (one.received_at - self._start) // step):
            self.now = self._start + (number + 1) * step
            yield list(together)


def measure_watch(
    folder: Path, seed: Seed, messages: Iterable[Message], start: datetime, answer_after: timedelta | None
) -> dict[str, int | float]:
    """Play a storm and return the figures. `answer_after`: when an operator acknowledges; None where nobody does."""
    with embedded_postgres(folder) as server:
        database = open_database(server.url, name="bench-watch")
        try:
            return _play(database, seed, StormClock(messages, start), answer_after)
        finally:
            database.dispose()


def _play(database: Engine, seed: Seed, clock: StormClock, answer_after: timedelta | None) -> dict[str, int | float]:
    with database.begin() as transaction:
        upgrade(transaction)
        load(transaction, seed, clock())
    pipeline = Pipeline(database, clock, lane=None)
    try:
        for messages in clock.steps():
            pipeline.process_messages(messages)
            pipeline.tick_rules()
            if answer_after is not None:
                _answer(database, clock(), answer_after)
    finally:
        pipeline.close()
    with database.begin() as transaction:
        return announcement_figures(transaction, clock())


def _answer(database: Engine, now: datetime, after: timedelta) -> None:
    """Acknowledge each incident whose oldest unanswered alert waits for so long."""
    with database.begin() as transaction:
        waiting = transaction.execute(text(_UNANSWERED), {"since": now - after}).all()
        for incident, numbers, colours in waiting:
            seen = [Seen(*one) for one in zip(numbers, colours, strict=True)]
            actions.acknowledge_incident(transaction, incident, seen, operator=OPERATOR, note="", now=now)
