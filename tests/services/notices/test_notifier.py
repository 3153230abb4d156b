"""Tests of the notifier: at-least-once delivery, retries, leases, order and shutdown."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import Engine, text

from alerts import transition_log
from alerts.alert_log import Origin
from alerts.notice_queue import CONSOLE, WATCH
from alerts.rulebook import Station
from models.alert import NAR, Cause, Change, Transition
from models.reading import Flag
from services import actions
from services.embedded.child_process import free_port
from services.notices.channels import ATTEMPT_TIMEOUT_S
from services.notices.documents import EARLIER, AlertNotice, marked_body
from services.notices.notifier import ROUND_WAIT_S, Notifier
from services.notices.outbox import (
    LEASE,
    MAX_ATTEMPTS_IF_CLOSED,
    Lane,
    claim,
    due_lanes,
    record_outcome,
    set_webhook,
)
from services.notices.outcomes import Refused, Retry, Sent, retry_wait_s
from services.runtime.simulation import Simulation
from tests.alerts.town import NOON
from tests.waiting import wait_until


@dataclass
class Receiver:
    """A webhook on the loopback interface that responds with the given status codes."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self) -> int:
        """The next status code; 204 when none is left."""
        return self.answers.pop(0) if self.answers else 204


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.received.append((self.headers["Idempotency-Key"], json.loads(body)))
            self.send_response(receiver.answer())
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/notices"
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    yield receiver
    server.shutdown()
    server.server_close()
    serving.join()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notifier(database: Engine, clock: Clock) -> Notifier:
    return Notifier(database, clock)


def raise_alert(database: Engine, station: str = "head", nar: NAR = NAR.NARANJA, url: str | None = None) -> None:
    """Log a transition that opens an alert and its notices."""
    transition = Transition(NAR.VERDE, nar, Change.RAISED, Cause.LEVEL, NOON, NOON, True, {"level_m": 1.7})
    with database.begin() as transaction:
        if url is not None:
            set_webhook(transaction, url, NOON)
        subject = Station(station, "river", "azul", None, station)
        transition_log.log_transition(
            transaction, subject, Origin(f"{station}.stage", 1, "stage"), transition, notify=True
        )


def rows(database: Engine, query: str) -> list[Any]:
    """Every row of a query."""
    with database.begin() as transaction:
        return [tuple(row) for row in transaction.execute(text(query))]


def test_the_watch_is_notified_by_the_live_stream_and_the_webhook_by_a_post(
    database: Engine, notifier: Notifier, receiver: Receiver
) -> None:
    raise_alert(database, url=receiver.url)
    assert notifier.drain() == 2
    assert (notifier.drain(), notifier.sent) == (0, 2)
    ((key, body),) = receiver.received
    assert re.fullmatch("[0-9a-f]{64}", key), "the key holds no address: that may hold a secret"
    assert (body["station"], body["after"], body["evidence"]) == ("head", 2, {"level_m": 1.7})
    assert rows(database, "SELECT data ->> 'station' FROM events WHERE event = 'notice'") == [("head",)]
    assert rows(database, "SELECT DISTINCT sent_at FROM notices") == [(NOON,)]


def test_every_notice_of_a_simulated_city_says_so_in_a_field_and_before_the_name(
    database: Engine, receiver: Receiver, clock: Clock
) -> None:
    raise_alert(database, url=receiver.url)
    Notifier(database, clock, simulation=Simulation(60.0, devices=True)).drain()
    body = receiver.received[0][1]
    assert body["simulation"] == "SIMULACIÓN, 60 veces más rápida / SIMULATION, 60 times as fast"
    assert (body["name"], body["station"]) == ("SIMULACIÓN · head", "head")
    shown = rows(database, "SELECT data ->> 'simulation', data ->> 'name' FROM events WHERE event = 'notice'")
    assert shown == [(body["simulation"], body["name"])]
    raise_alert(database, station="foot")
    Notifier(database, clock).drain()
    real = receiver.received[1][1]
    assert (real["simulation"], real["name"]) == (None, "foot")


def test_a_receiver_tells_a_first_notice_that_comes_late_by_its_sequence(
    database: Engine, receiver: Receiver, clock: Clock
) -> None:
    notifier = Notifier(database, clock, "https://vigia.example")
    receiver.answers = [503]
    raise_alert(database, url=receiver.url)
    notifier.drain()
    raise_alert(database, nar=NAR.ROJO)
    notifier.drain()
    clock.now += timedelta(minutes=2)
    notifier.drain()
    first, second, late = (body for _, body in receiver.received)
    assert (second["after"], late["after"]) == (3, 2)
    assert late == first
    assert late["sequence"] < second["sequence"]
    assert second["alert_url"] == f"https://vigia.example/alerta/{second['alert_id']}"
    assert second["api_url"] == f"https://vigia.example/api/v1/alerts/{second['alert_id']}"
    assert all(set(body) == set(AlertNotice.model_validate(body).model_dump()) for body in (first, second))


def test_a_notice_of_an_earlier_version_has_sequence_0(
    database: Engine, notifier: Notifier, receiver: Receiver
) -> None:
    raise_alert(database, url=receiver.url)
    with database.begin() as transaction:
        transaction.execute(text("UPDATE notices SET body = body - 'sequence' - 'decided_at'"))
    notifier.drain()
    ((_, body),) = receiver.received
    assert AlertNotice.model_validate(body).sequence == EARLIER


def test_flags_of_the_evidence_are_sent_as_words_and_stored_as_before() -> None:
    body = {"name": "Puente", "evidence": {"level_m": 1.7, "flags": int(Flag.JUMP)}}
    assert marked_body(body, None)["evidence"] == {"level_m": 1.7, "flags": ("jump",)}
    assert body["evidence"] == {"level_m": 1.7, "flags": int(Flag.JUMP)}


def test_a_failed_delivery_is_retried_under_the_same_key(
    database: Engine, notifier: Notifier, receiver: Receiver, clock: Clock
) -> None:
    receiver.answers = [500, 429, 200]
    raise_alert(database, url=receiver.url)
    for _ in range(3):
        notifier.drain()
        notifier.drain()  # not due yet
        clock.now += timedelta(minutes=2)
    keys = [key for key, _ in receiver.received]
    assert (len(keys), len(set(keys))) == (3, 1)
    assert rows(database, "SELECT attempts, refused, trouble FROM notices WHERE channel = 'webhook'") == [
        (3, None, None)
    ]


def test_retries_have_no_limit_while_the_webhook_is_unreachable(
    database: Engine, notifier: Notifier, clock: Clock
) -> None:
    raise_alert(database, url=f"http://127.0.0.1:{free_port(0)}/nobody")
    for attempt in range(1, 9):
        notifier.drain()
        (notice,) = rows(
            database, "SELECT attempts, not_before, sent_at, trouble FROM notices WHERE channel = 'webhook'"
        )
        assert (notice[0], notice[2]) == (attempt, None)
        assert "ConnectError" in notice[3]
        wait_s = (notice[1] - clock.now).total_seconds()
        assert 0.8 * retry_wait_s(attempt) <= wait_s <= 1.2 * retry_wait_s(attempt) <= 72
        clock.now += timedelta(seconds=80)


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_rejected_notice_is_retried_while_its_alert_is_open(
    database: Engine, notifier: Notifier, receiver: Receiver, clock: Clock, status: int
) -> None:
    receiver.answers = [status] * (MAX_ATTEMPTS_IF_CLOSED + 3)
    raise_alert(database, url=receiver.url)
    for _ in range(MAX_ATTEMPTS_IF_CLOSED + 1):
        notifier.drain()
        clock.now += timedelta(minutes=2)
    assert len(receiver.received) == MAX_ATTEMPTS_IF_CLOSED + 1
    assert rows(database, "SELECT refused, left(trouble, 3) FROM notices WHERE channel = 'webhook'") == [
        (None, str(status))
    ]
    with database.begin() as transaction:
        transaction.execute(text("UPDATE alerts SET state = 'closed', closed_at = now()"))
    for _ in range(3):
        notifier.drain()
        clock.now += timedelta(minutes=2)
    assert len(receiver.received) == MAX_ATTEMPTS_IF_CLOSED + 2
    ((refused,),) = rows(database, "SELECT refused FROM notices WHERE channel = 'webhook'")
    assert refused.startswith(str(status))


def test_an_invalid_address_is_refused_and_does_not_block_others(
    database: Engine, notifier: Notifier, receiver: Receiver
) -> None:
    with database.begin() as transaction:
        transaction.execute(
            text("INSERT INTO contacts (name, channel, address, least_nar) VALUES ('old', 'webhook', 'ftp://old', 0)")
        )
    raise_alert(database, url=receiver.url)
    notifier.drain()
    assert len(receiver.received) == 1
    assert rows(database, "SELECT count(*) FROM notices WHERE refused IS NOT NULL") == [(1,)]


def test_a_replaced_webhook_gets_no_more_notices(database: Engine) -> None:
    addresses = "SELECT address FROM contacts WHERE ended_at IS NULL ORDER BY address"
    for url in ("http://127.0.0.1/leaked", "http://127.0.0.1/new"):
        with database.begin() as transaction:
            set_webhook(transaction, url, NOON)
    assert rows(database, addresses) == [("http://127.0.0.1/new",)]
    with database.begin() as transaction:
        set_webhook(transaction, None, NOON)
    assert rows(database, addresses) == []


def test_the_highest_colour_is_delivered_first(database: Engine, notifier: Notifier, receiver: Receiver) -> None:
    with database.begin() as transaction:
        set_webhook(transaction, receiver.url, NOON)
    for number in range(10):
        raise_alert(database, f"minor-{number}", NAR.AMARILLO)
    raise_alert(database, "severe", NAR.ROJO)
    while notifier.drain():
        pass
    assert [body["station"] for _, body in receiver.received] == [
        "severe",
        *(f"minor-{number}" for number in range(10)),
    ]


def test_a_leased_notice_is_not_claimed_again_until_the_lease_ends(database: Engine, clock: Clock) -> None:
    raise_alert(database)
    lane = Lane(CONSOLE, WATCH)
    with database.begin() as transaction:
        assert claim(transaction, lane, clock())
    with database.begin() as transaction:
        assert claim(transaction, lane, clock() + LEASE / 2) is None
        assert due_lanes(transaction, clock() + LEASE / 2) == []
    with database.begin() as transaction:
        assert due_lanes(transaction, clock() + LEASE * 1.01) == [lane]
        again = claim(transaction, lane, clock() + LEASE * 1.01)
    assert again is not None
    assert again.attempts == 2


def test_another_notifier_takes_over_within_20_s_under_the_same_key(
    database: Engine, clock: Clock, notifier: Notifier, receiver: Receiver
) -> None:
    raise_alert(database, url=receiver.url)
    with database.begin() as transaction:
        killed = claim(transaction, Lane("webhook", receiver.url), clock())  # and its process dies
    assert killed is not None
    notifier.drain()
    assert receiver.received == []
    assert timedelta(seconds=ATTEMPT_TIMEOUT_S + 5) <= LEASE <= timedelta(seconds=20 - 2 * ROUND_WAIT_S)
    clock.now += timedelta(seconds=19)
    notifier.drain()
    assert [key for key, _ in receiver.received] == [killed.public_key]


def test_who_was_taken_over_stores_no_failure_over_the_success_of_another(database: Engine, clock: Clock) -> None:
    raise_alert(database)
    lane = Lane(CONSOLE, WATCH)
    with database.begin() as transaction:
        slow = claim(transaction, lane, clock())
        other = claim(transaction, lane, clock() + LEASE * 1.01)
        assert slow is not None
        assert other is not None
        record_outcome(transaction, slow, Retry("late"), clock())
        record_outcome(transaction, slow, Refused("late"), clock())
    state = "SELECT trouble, refused, leased_until > not_before FROM notices"
    assert rows(database, state) == [(None, None, True)]
    with database.begin() as transaction:
        record_outcome(transaction, slow, Sent(), clock())
    assert rows(database, "SELECT sent_at FROM notices") == [(NOON,)]


def test_two_notifiers_never_deliver_a_notice_twice(database: Engine, clock: Clock, receiver: Receiver) -> None:
    with database.begin() as transaction:
        set_webhook(transaction, receiver.url, NOON)
    for number in range(40):
        raise_alert(database, f"station-{number}")
    notifiers = [Notifier(database, clock) for _ in range(2)]

    def drain(notifier: Notifier) -> None:
        while notifier.drain():
            pass

    threads = [threading.Thread(target=drain, args=(notifier,)) for notifier in notifiers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    keys = [key for key, _ in receiver.received]
    assert (len(keys), len(set(keys))) == (40, 40)
    assert sum(notifier.sent for notifier in notifiers) == 80


def test_it_writes_heartbeats_and_stops_when_asked(database: Engine, notifier: Notifier) -> None:
    stop = threading.Event()
    running = threading.Thread(target=notifier.run, args=(stop,))
    raise_alert(database)
    running.start()
    waiting = threading.Event()
    for _ in range(200):
        if rows(database, "SELECT 1 FROM heartbeats WHERE process = 'notifier' AND (status ->> 'sent')::int = 1"):
            break
        waiting.wait(0.05)
    stop.set()
    running.join(5)
    assert not running.is_alive()
    assert rows(database, "SELECT status -> 'sent', (status ->> 'record_number')::int > 0 FROM heartbeats") == [
        (1, True)
    ]


def test_setting_the_same_webhook_twice_makes_one_contact(database: Engine, receiver: Receiver) -> None:
    for _ in range(2):
        raise_alert(database, url=receiver.url)
    assert rows(database, "SELECT channel, least_nar FROM contacts") == [("webhook", 0)]


def test_it_lets_an_acknowledgement_expire_by_its_own_clock(database: Engine, notifier: Notifier, clock: Clock) -> None:
    raise_alert(database)
    with database.begin() as transaction:
        actions.acknowledge(transaction, 1, operator="ana", note="", version=1, now=NOON)
    clock.now = NOON + timedelta(minutes=60)
    stop = threading.Event()
    running = threading.Thread(target=notifier.run, args=(stop,))
    running.start()
    expired = "SELECT waiting_because FROM alerts WHERE acknowledged_at IS NULL"
    wait_until(lambda: rows(database, expired) == [("expired",)])
    stop.set()
    running.join()
