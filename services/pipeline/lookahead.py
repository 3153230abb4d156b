"""Lookahead: decode, check and judge the next batch while the server writes and commits the batch before it.

The pipeline works the same without it, only slower (`Pipeline(..., lookahead=False)`). A batch judged ahead is used
only if nothing but the batch before it has changed the caches since; else it is judged again in its turn.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alerts import engine
from ingest.check import check_readings
from services.pipeline.batch import Batch, Prepared, by_station, decode_messages, live_readings_of
from services.pipeline.state import PipelineState
from services.runtime.retry import error_summary

log = logging.getLogger(__name__)

NextBatch = Callable[[], Batch | None]
"""Returns the batch that will be processed next, without waiting; None if no message is there."""


class Lookahead:
    """Prepares one batch, in the pauses of the transaction of the batch before it. Uses no database connection."""

    def __init__(self, state: PipelineState, foreign: str | None, next_batch: NextBatch) -> None:
        self._state = state
        self._foreign = foreign
        self._next_batch = next_batch
        self._batch: Batch | None = None

    def decode(self) -> None:
        """Fetch and decode the next batch. Call it while the server writes rows."""
        self._batch = batch = self._next_batch()
        if batch is not None and batch.decoded is None:
            with _ignoring_errors():
                batch.decoded = decode_messages(batch.messages, self._foreign)

    def judge(self) -> None:
        """Check and judge the next batch, if the caches hold all it needs. Call it while the server commits.

        The caches must already hold the results of the batch that is being committed.
        """
        if self._batch is not None:
            with _ignoring_errors():
                self._batch.prepared = self._prepared(self._batch)

    def _prepared(self, batch: Batch) -> Prepared | None:
        state, rulebook = self._state, self._state.rulebook
        if batch.decoded is None or rulebook is None or batch.decoded.presences:
            return batch.prepared
        devices = state.registry.cached(batch.decoded.senders)
        if devices is None or not state.memories.are_loaded(device.id for device in devices.values()):
            return batch.prepared
        checked = check_readings(devices, state.memories, batch.decoded.readings, state.clock_trust.skew_s)
        readings = by_station(checked.readings, rulebook.rules)
        if not checked.clean or not state.rule_states.are_loaded(engine.required_subjects(rulebook, readings)):
            return batch.prepared
        evaluation = engine.evaluate(rulebook, state.rule_states, readings, state.clock())
        return Prepared(state.generation, checked, evaluation, live_readings_of(checked.readings))


@contextmanager
def _ignoring_errors() -> Iterator[None]:
    """An error here must not fail the batch before: it occurs again in the batch's own turn and is handled there."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is
        log.info("a batch is left to its turn", extra={"action": "ahead", "trouble": error_summary(error)})
