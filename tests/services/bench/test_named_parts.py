"""A measurement on a named server and broker leaves them as they were, and refuses those it would harm."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text

from ingest.mqtt.receiver import Receiver
from services.bench.named_parts import DATABASE, UnsuitablePart, bench_broker, bench_database, local_process
from services.bench.processes import DEVICES, NamedParts, bench_processes
from services.embedded.child_process import free_port
from services.runtime.clock import wall_clock
from tests.databases import new_database
from tests.simulation.town import mosquitto


@pytest.fixture
def empty_url(database_url: str) -> Iterator[str]:
    """An empty database on the server of the tests."""
    with new_database(database_url) as url:
        yield url


def databases(url: str) -> set[str]:
    """The names of all databases of a server."""
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def test_the_town_is_measured_in_a_database_of_its_own_that_is_gone_afterwards(
    empty_url: str, mqtt_url: str, tmp_path: Path
) -> None:
    before = databases(empty_url)
    with bench_processes(tmp_path, NamedParts(empty_url, mqtt_url)) as running:
        assert databases(empty_url) == before | {DATABASE}
        with running.database.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM devices")).scalar_one() == DEVICES
        assert set(running.processes) == {"broker", "postgres"}
        assert running.processes["postgres"].name().startswith("postgres")
    assert databases(empty_url) == before


def test_a_database_with_tables_is_refused_unless_told_and_untouched_then(migrated_url: str) -> None:
    with pytest.raises(UnsuitablePart, match=r"holds \d+ tables"), bench_database(migrated_url, beside_data=False):
        pass
    with bench_database(migrated_url, beside_data=True) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('devices')").fetchone() == (None,)
    with psycopg.connect(migrated_url) as connection:
        assert connection.execute("SELECT count(*) FROM devices").fetchone() == (0,)


def test_a_part_that_cannot_be_reached_or_is_none_is_told_with_what_to_write(mqtt_url: str) -> None:
    for url in (f"postgresql://x@127.0.0.1:{free_port(0)}/x", "mysql://host/x", "nonsense"):
        with pytest.raises(UnsuitablePart, match="it reads postgresql://"), bench_database(url, beside_data=False):
            pass
    for url in (f"mqtt://127.0.0.1:{free_port(0)}", "amqp://host", "nonsense"):
        with pytest.raises(UnsuitablePart, match="it reads mqtt://"), bench_broker(url):
            pass
    stranger = mqtt_url.replace(str(urlsplit(mqtt_url).password), "wrong")
    with pytest.raises(UnsuitablePart, match="wrong user or password"), bench_broker(stranger):
        pass
    with pytest.raises(UnsuitablePart, match="without TLS"), bench_broker("mqtts://127.0.0.1"):
        pass
    assert local_process(f"postgresql://127.0.0.1:{free_port(0)}/x") is None


def test_a_broker_at_which_a_pipeline_listens_is_refused_and_no_session_is_left_there(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        connected(broker.url, "bench-drain", "aside/#").close()
        with bench_broker(broker.url):
            connected(broker.url, "bench-drain", "aside/#").close()
        with closing(connected(broker.url, "bench-drain", "aside/#")) as again:
            assert again.session_present is False
        connected(broker.url, "vigia-pipeline-critical", "vigia/v1/+/river/+").close()  # its session goes on queueing
        with pytest.raises(UnsuitablePart, match="somebody listens"), bench_broker(broker.url):
            pass


def connected(url: str, client_id: str, topics: str) -> Receiver:
    """A subscriber with a lasting session."""
    receiver, deadline_s = Receiver(url, client_id=client_id, filters=[topics], now=wall_clock), monotonic() + 60
    while not receiver.connected:
        assert monotonic() < deadline_s
        receiver.receive(1, 0.1)
    return receiver
