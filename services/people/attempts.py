"""Throttling of sign-ins in the database, by account and by address, over all processes and restarts."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from models.tables.people import login_attempts, people, sessions
from services.runtime.problem import HttpProblem

WINDOW = timedelta(minutes=15)
MAX_OF_ACCOUNT = 10
"""Attempts on an account in a row, from addresses where its person never signed in."""
MAX_OF_ADDRESS = 30
"""Attempts of an address, on whatever accounts. A whole watch room may share an address."""
MAX_SUBJECT_CHARS = 80


class TooManyAttempts(HttpProblem):
    """Demasiados intentos de entrar: esperá 15 minutos. / Too many attempts to sign in: wait 15 minutes."""

    status = 429
    retry_after_s = int(WINDOW.total_seconds())


def count_attempt(transaction: Connection, login: str, address: str, now: datetime) -> None:
    """Count an attempt before it is judged, so that many at once are no more than one after the other.

    Whoever guesses at an account from elsewhere does not lock its person out: the account's limit does not count at an
    address where the person signed in before. Raises TooManyAttempts.
    """
    if not _count(transaction, f"address:{address}", MAX_OF_ADDRESS, now):
        raise TooManyAttempts
    if not _is_known(transaction, login, address) and not _count(transaction, f"account:{login}", MAX_OF_ACCOUNT, now):
        raise TooManyAttempts


def forget_attempts(transaction: Connection, login: str, address: str) -> None:
    """Forget the attempts on an account after its person has signed in, and take this one from the address's.

    The address before the account, as `count_attempt` writes them: otherwise two sign-ins could wait for one another.
    """
    account, of_address = _subject(f"account:{login}"), _subject(f"address:{address}")
    one_less = func.greatest(login_attempts.c.failures - 1, 0)
    transaction.execute(update(login_attempts).where(login_attempts.c.subject == of_address).values(failures=one_less))
    transaction.execute(delete(login_attempts).where(login_attempts.c.subject == account))


def _count(transaction: Connection, subject: str, most: int, now: datetime) -> bool:
    """Count one more attempt; False where the limit is reached. The window begins anew after its end."""
    is_over = login_attempts.c.last_at < now - WINDOW
    statement = (
        insert(login_attempts)
        .values(subject=_subject(subject), failures=1, last_at=now)
        .on_conflict_do_update(
            index_elements=["subject"],
            set_={"failures": case((is_over, 1), else_=login_attempts.c.failures + 1), "last_at": now},
            where=is_over | (login_attempts.c.failures < most),
        )
        .returning(login_attempts.c.failures)
    )
    return transaction.execute(statement).first() is not None


def _is_known(connection: Connection, login: str, address: str) -> bool:
    signed_in = (
        select(sessions.c.id)
        .join(people, people.c.id == sessions.c.person_id)
        .where(people.c.login == login, sessions.c.address == address)
    )
    return connection.execute(select(signed_in.exists())).scalar_one()


def _subject(subject: str) -> str:
    return subject[:MAX_SUBJECT_CHARS]
