"""The signed heartbeat: the watchdog gets it, and nobody else."""

import hashlib
import hmac
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from alerts.record import Entry, record
from services.commands import watchdog
from services.commands.watchdog import Answer, Channel, Configuration
from services.record.chain_writer import ChainWriter
from services.runtime.settings import Settings
from tests.databases import open_copy
from tests.services.web.api.conftest import NOON, Clock, served

SECRET = "only-for-a-test-only-for-a-test-"


@pytest.fixture(scope="module")
def address(database_url: str, migrated_name: str) -> Iterator[tuple[str, Engine]]:
    """Where the heartbeat is given."""
    settings = Settings(api_port=0, watchdog_secret=SecretStr(SECRET))
    with open_copy(database_url, migrated_name) as database, served(database, Clock(), settings) as (url, _):
        yield f"{url}/api/v1/heartbeat", database


def asked(url: str, secret: str) -> Answer | str:
    return watchdog.ask(Configuration(url, secret, (Channel(command=("true",)),)))


def test_the_watchdog_is_told_the_state_and_the_newest_link(address: tuple[str, Engine]) -> None:
    url, database = address
    with database.begin() as transaction:
        record(transaction, Entry("shift.taken", "shift:1", "Ana"), NOON)
    head = ChainWriter(database).chain_all()
    answer = asked(url, SECRET)
    assert isinstance(answer, Answer), answer
    assert answer.record == (head.number, head.hash.hex())


def test_nobody_else_is(address: tuple[str, Engine]) -> None:
    url, _ = address
    assert "401" in str(asked(url, "x" * 32))
    nonce = "0" * 32
    headers = {"Vigia-Nonce": nonce, "Vigia-Proof": hmac.new(SECRET.encode(), b"", hashlib.sha256).hexdigest()}
    assert httpx.get(url, headers=headers).status_code == 401
    assert httpx.get(url).status_code == 422
