"""Refuse to delete expired rows while the clock may be wrong, since deleted rows cannot be restored."""

from sqlalchemy import Engine

from services.queries.city.clocks import retention_refusal
from services.runtime.clock import Clock


class RetentionRefusedError(Exception):
    """The clock may be wrong, so nothing was deleted. The message says why and what to do."""


def require_right_clock(database: Engine, clock: Clock) -> None:
    """Raise RetentionRefusedError where the time is far past the newest readings or differs from the database's."""
    with database.begin() as transaction:
        refusal = retention_refusal(transaction, clock)
    if refusal is not None:
        raise RetentionRefusedError(f"no se borró nada / nothing was deleted: {refusal}")
