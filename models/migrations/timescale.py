"""TimescaleDB's part, where the extension is there: hypertables, compression and continuous aggregates."""

from sqlalchemy import Connection, text


def has_timescale(connection: Connection) -> bool:
    """Whether this database has the TimescaleDB extension installed."""
    return connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")).first() is not None
