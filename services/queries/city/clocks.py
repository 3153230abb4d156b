"""What the database knows of the clocks: how far each process is from its own, and whether retention refuses a time."""

from sqlalchemy import Connection, text

from services.queries.city.processes import DEAD_AFTER_S
from services.runtime.clock import Clock, wall_clock


def retention_refusal(transaction: Connection, clock: Clock) -> str | None:
    """Why nothing may be deleted at the time of this clock, in a sentence; None where it may.

    A simulated clock is not compared with the database's.
    """
    statement = text("SELECT retention_refusal(:asked, :is_real)")
    refusal: str | None = transaction.execute(
        statement, {"asked": clock(), "is_real": clock is wall_clock}
    ).scalar_one()
    return refusal


def ahead_of_database_s(transaction: Connection, clock: Clock) -> dict[str, float]:
    """How far the clock of each living process is ahead of the database's, s; nothing where the clock is simulated."""
    if clock is not wall_clock:
        return {}
    statement = text(
        "SELECT process, extract(epoch FROM at - written_at)::float8 FROM heartbeats"
        " WHERE abs(extract(epoch FROM clock_timestamp() - written_at)) < :alive"
    )
    return {row[0]: float(row[1]) for row in transaction.execute(statement, {"alive": DEAD_AFTER_S})}
