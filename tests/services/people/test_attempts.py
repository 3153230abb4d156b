"""Two sign-ins at once: both write the row of the address before that of the account, so neither stops the other."""

import threading

from sqlalchemy import Engine, text

from services.people.attempts import count_attempt, forget_attempts
from tests.alerts.town import NOON
from tests.waiting import wait_until

LOCK = "SELECT failures FROM login_attempts WHERE subject = :subject FOR UPDATE"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_whoever_has_signed_in_waits_for_the_address_without_holding_the_account(database: Engine) -> None:
    with database.begin() as transaction:
        count_attempt(transaction, "ana", "192.0.2.1", NOON)

    def forget() -> None:
        with database.begin() as transaction:
            forget_attempts(transaction, "ana", "192.0.2.1")

    def somebody_waits() -> bool:
        with database.connect() as connection:
            return bool(connection.execute(text(WAITING)).scalar_one())

    signed_in = threading.Thread(target=forget)
    with database.begin() as another:
        another.execute(text(LOCK), {"subject": "address:192.0.2.1"})
        signed_in.start()
        wait_until(somebody_waits)
        free = another.execute(text(f"{LOCK} SKIP LOCKED"), {"subject": "account:ana"}).all()
    signed_in.join()
    assert free == [(1,)]
    with database.connect() as connection:
        left = connection.execute(text("SELECT subject, failures FROM login_attempts")).all()
    assert left == [("address:192.0.2.1", 0)]
