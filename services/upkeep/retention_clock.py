"""Nothing is deleted by a clock that may be wrong: what was deleted too early never comes back."""

from sqlalchemy import Connection, Engine, text

from services.runtime.clock import Clock, wall_clock


class RetentionRefusedError(Exception):
    """The clock may be wrong, so nothing was deleted. The message says why and what to do."""


def require_right_clock(database: Engine, clock: Clock) -> None:
    """Raise RetentionRefusedError where the time is far past the newest readings or differs from the database's.

    A simulated clock is not compared with the database's.
    """
    with database.begin() as transaction:
        refusal = retention_refusal(transaction, clock)
    if refusal is not None:
        raise RetentionRefusedError(f"nothing was deleted: {refusal}")


def retention_refusal(transaction: Connection, clock: Clock) -> str | None:
    """Why nothing may be deleted at this time, in a sentence; None where it may."""
    statement = text("SELECT retention_refusal(:asked, :is_real)")
    refusal: str | None = transaction.execute(
        statement, {"asked": clock(), "is_real": clock is wall_clock}
    ).scalar_one()
    return refusal
