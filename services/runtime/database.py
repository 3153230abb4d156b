"""Connection pool to PostgreSQL, with its session settings."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.errors import IdleInTransactionSessionTimeout
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import OperationalError

CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_S = 10
END_WAIT_MS = 1_000
"""How long to wait for a lost session to end. It rolls back and releases its locks within milliseconds."""
CLIENT_CHECK_S = 1
"""How often the server looks, while a statement runs or waits for a lock, whether its client is still connected.
Without it a session whose connection was cut holds its locks until the statement ends."""
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 2, 1, 2
SILENT_PEER_S = KEEPALIVE_IDLE_S + KEEPALIVE_INTERVAL_S * KEEPALIVE_COUNT
"""Either end gives up a connection whose other end answers nothing for so long, not even the kernel's probes: the
client connects again, and the server ends the session with its transaction and its locks."""
KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": KEEPALIVE_IDLE_S,
    "keepalives_interval": KEEPALIVE_INTERVAL_S,
    "keepalives_count": KEEPALIVE_COUNT,
    "tcp_user_timeout": 1000 * SILENT_PEER_S,
}
"""The client's end, by the names of libpq. Ignored on Unix sockets, as the server's are."""

_OWN_SESSION = text("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
_END_SESSION = text(
    "SELECT pg_terminate_backend(pid, :wait_ms) FROM pg_stat_activity"
    " WHERE pid = :pid AND backend_start = :began_at AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long one session may run a statement and leave a transaction idle, s. None for a statement: without end.

    A statement or session that exceeds them fails like a lost database: its transaction is rolled back and its locks
    are released. Behind something that keeps a dead connection open (a proxy, a NAT), these alone end the session.
    """

    statement_s: int | None = None
    idle_in_transaction_s: int = 60


PIPELINE_LIMITS = SessionLimits(statement_s=30, idle_in_transaction_s=10)
"""A batch takes well under a second. Its longest pause within a transaction, decoding 4 MB, takes about two."""
NOTIFIER_LIMITS = SessionLimits(statement_s=30)
LONG_WORK_LIMITS = SessionLimits()
"""Migrations, imports, learning and retention: their statements grow with the city."""


def open_database(
    url: str,
    *,
    pool_size: int = 5,
    statement_timeout_s: int | None = None,
    limits: SessionLimits | None = None,
    name: str,
) -> Engine:
    """Open a connection pool. `url`: as PostgreSQL writes it (postgresql://...).

    Commits wait for the disk. `limits`: of each session; `statement_timeout_s` is short for limits of a statement
    alone. `name`: shown by PostgreSQL as the name of the application.
    """
    limits = limits or SessionLimits(statement_timeout_s)
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": " ".join(f"-c {name}={value}" for name, value in session_settings(limits).items()),
            "application_name": name,
            **KEEPALIVE,
        },
    )
    event.listen(engine, "handle_error", _as_lost_connection, retval=True)
    return engine


def _as_lost_connection(context: ExceptionContext) -> OperationalError | None:
    """A session that the server ended for idleness is a lost connection; the driver calls it an internal error."""
    if not isinstance(context.original_exception, IdleInTransactionSessionTimeout):
        return None
    context.is_disconnect = True
    return OperationalError(context.statement, None, context.original_exception)


@dataclass(frozen=True, slots=True)
class SessionId:
    """One session of the server: its process, and when that began, since process numbers are used again."""

    pid: int
    began_at: datetime


def connect_again(database: Engine, lost: SessionId | None) -> tuple[Connection, SessionId]:
    """A new connection, after ending the session of the lost one where the server still has it.

    The lost session may hold locks on the very rows that are to be written again, and no timeout of PostgreSQL ends a
    COPY that waits for a client which is gone.
    """
    connection = database.connect()
    try:
        with connection.begin():
            if lost is not None:
                connection.execute(_END_SESSION, {"pid": lost.pid, "began_at": lost.began_at, "wait_ms": END_WAIT_MS})
            return connection, SessionId(*connection.execute(_OWN_SESSION).one())
    except BaseException:
        connection.invalidate()
        raise


def session_settings(limits: SessionLimits) -> dict[str, str]:
    """PostgreSQL's settings of a session, by name."""
    settings = {
        "timezone": "UTC",  # without it PostgreSQL would print local times
        "synchronous_commit": "on",
        "lock_timeout": f"{LOCK_TIMEOUT_S}s",
        "idle_in_transaction_session_timeout": f"{limits.idle_in_transaction_s}s",
        "client_connection_check_interval": f"{CLIENT_CHECK_S}s",
        "tcp_keepalives_idle": str(KEEPALIVE_IDLE_S),
        "tcp_keepalives_interval": str(KEEPALIVE_INTERVAL_S),
        "tcp_keepalives_count": str(KEEPALIVE_COUNT),
        "tcp_user_timeout": str(1000 * SILENT_PEER_S),
    }
    return settings if limits.statement_s is None else settings | {"statement_timeout": f"{limits.statement_s}s"}
