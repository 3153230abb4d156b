"""Connection pool to PostgreSQL, with its session settings."""

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url

CONNECT_TIMEOUT_S = 5
KEEPALIVE = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


def open_database(url: str, *, pool_size: int = 5, statement_timeout_s: int | None = None, name: str) -> Engine:
    """Open a connection pool. `url`: as PostgreSQL writes it (postgresql://...).

    Commits wait for the disk. `statement_timeout_s`: the longest a statement may run, for processes that serve people.
    `name`: shown by PostgreSQL as the name of the application.
    """
    # Without a time zone in the session, PostgreSQL would print local times.
    options = "-c timezone=UTC -c synchronous_commit=on -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
    if statement_timeout_s is not None:
        options += f" -c statement_timeout={statement_timeout_s}s"
    arguments = {"connect_timeout": CONNECT_TIMEOUT_S, "options": options, "application_name": name, **KEEPALIVE}
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args=arguments,
    )
