"""Measure a database server and a broker that the user names: in a new database, leaving no session at the broker."""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

import psutil
import psycopg
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode
from psycopg.sql import SQL, Identifier
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ingest.mqtt.receiver import BrokerAddress, Tls
from services.runtime.mqtt_client import new_client

DATABASE = "vigia_bench"
"""The database that is created for a measurement and dropped after it."""
CLIENT_IDS = ("vigia-pipeline-all", "bench-drain", "bench-bare")
"""Subscribers whose sessions would go on queueing messages at the broker."""
NO_SUBSCRIBERS = 0x10
ANSWER_S, POLL_S = 10.0, 0.05
_TABLES = (
    "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p') AND"
    " nspname !~ '^(pg_|information_schema|_?timescaledb)' AND NOT EXISTS"
    " (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')"
)


class UnsuitablePart(Exception):
    """The named database or broker cannot be measured. The message says why and what to do."""


@contextmanager
def bench_database(url: str, *, beside_data: bool) -> Iterator[str]:
    """URL of a new database on the server that `url` names; dropped at the end. Raises UnsuitablePart.

    `beside_data`: measure although the named database holds tables.
    """
    try:
        parts = make_url(url)
        server = psycopg.connect(url, autocommit=True, connect_timeout=5)
    except (ArgumentError, psycopg.Error, ValueError) as error:
        raise UnsuitablePart(
            f"--database: {str(error).strip()}; it reads postgresql://user:password@host:5432/name"
        ) from None
    with server:
        (tables,) = server.execute(_TABLES).fetchone() or (0,)
        if tables and not beside_data:
            raise UnsuitablePart(
                f"--database: {parts.database} holds {tables} tables, and measuring slows whatever uses them: name an "
                "empty database, or add --beside-data (its tables are not touched)"
            )
        _create(server)
        try:
            yield parts.set(database=DATABASE).render_as_string(hide_password=False)
        finally:
            server.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(DATABASE)))


def _create(server: psycopg.Connection) -> None:
    try:
        server.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(DATABASE)))  # of a killed run
        server.execute(SQL("CREATE DATABASE {}").format(Identifier(DATABASE)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise UnsuitablePart(
            f"--database: {str(error).strip()}; name a role that may create databases, for TimescaleDB the superuser"
        ) from None


@contextmanager
def bench_broker(url: str) -> Iterator[str]:
    """The URL of a broker that takes what is published; its sessions are ended at the end. Raises UnsuitablePart."""
    try:
        if BrokerAddress.parse(url).encrypted:
            raise UnsuitablePart("--broker: name a listener without TLS, mqtt://user:password@host:1883")
        for client_id in CLIENT_IDS:
            _connect_once(url, client_id)
        answers = _connect_once(url, "bench-probe", "aside/gauge-0", "vigia/v1/bench/river/gauge-0")
    except (ValueError, OSError) as error:
        raise UnsuitablePart(f"--broker: {error}; it reads mqtt://user:password@host:1883") from None
    if any(answer.is_failure for answer in answers):
        raise UnsuitablePart(
            "--broker: this user may not publish on vigia/v1/bench/river/+ and aside/+ (and must read vigia/v1/# and "
            "aside/#): name one that may, or a broker without access rules"
        )
    if [answer.value for answer in answers] == [NO_SUBSCRIBERS, 0]:  # some brokers never tell
        raise UnsuitablePart(
            "--broker: somebody listens on vigia/v1, maybe a pipeline, which would store the measurement's readings: "
            "name a broker without it"
        )
    try:
        yield url
    finally:
        with suppress(OSError):
            for client_id in CLIENT_IDS:
                _connect_once(url, client_id)


def _connect_once(url: str, client_id: str, *topics: str) -> list[ReasonCode]:
    """Begin a session anew that ends with its connection, and publish nothing to each topic. Returns the answers.

    Raises OSError.
    """
    address, answers = BrokerAddress.parse(url), list[ReasonCode]()
    client = new_client(address, client_id, Tls())
    client.on_connect = lambda _client, _data, _flags, answer, _properties: answers.append(answer)
    client.on_publish = lambda _client, _data, _id, answer, _properties: answers.append(answer)
    client.connect(address.host, address.port)
    for topic in topics:  # sent once connected
        client.publish(topic, b"", qos=1)
    deadline_s = monotonic() + ANSWER_S
    while len(answers) <= len(topics):
        if client.loop(POLL_S) not in {MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_CONN_REFUSED}:
            raise ConnectionError("it closed the connection, as for a wrong user or password")
        if answers and answers[0].is_failure:
            raise ConnectionRefusedError(f"it refuses this user: {answers[0]}")
        if monotonic() > deadline_s:
            raise TimeoutError(f"no answer within {ANSWER_S:.0f} s")
    client.disconnect()
    return answers[1:]


def local_process(url: str | URL) -> psutil.Process | None:
    """The process that listens at an address of this machine; None elsewhere, or where the system does not tell."""
    parts = make_url(url)
    host, port = parts.host or "", parts.port or (1883 if parts.drivername == "mqtt" else 5432)
    with suppress(OSError, ValueError, psutil.Error):
        if not ipaddress.ip_address(socket.gethostbyname(host)).is_loopback:
            return None
        for listener in psutil.net_connections(kind="tcp"):
            if listener.status == psutil.CONN_LISTEN and listener.pid and getattr(listener.laddr, "port", None) == port:
                return psutil.Process(listener.pid)
    return None
