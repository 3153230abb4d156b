"""The live stream: each event once and in order, with several writers and reconnecting clients."""

import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import text

from alerts.declared.declaration_log import DECLARATION_NOTICE
from alerts.delivery.live_events import announce
from ingest.canary import canary_payload, canary_topic
from models.kind import Lane
from models.reading import Message
from services.people.api_keys import add_api_key
from services.web.api import live
from services.web.live import event_feed
from services.web.live.stream_position import StreamPosition, covers
from tests.services.web.api.conftest import NOON, RIVER, City
from tests.waiting import LIMIT_S, wait_until

WRITERS = 8
EACH = 40
COMMITS = 50
MEDIAN_S = 0.1


@dataclass(frozen=True, slots=True)
class Heard:
    """One event as a client parses it."""

    id: str
    event: str
    data: Any


@dataclass(slots=True)
class Listener:
    """A client of the stream like a browser: it keeps the last id, also of events without data."""

    city: City
    last: str | None = None
    key: str | None = None
    heard: list[Heard] = field(default_factory=list)

    @contextmanager
    def connected(self, **parameters: Any) -> Iterator[Iterator[Heard]]:
        """The events of one connection, while it is open."""
        headers = {} if self.last is None else {"Last-Event-ID": self.last}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        address = "/api/v1/live"
        with self.city.client.stream("GET", address, headers=headers, params=parameters, timeout=LIMIT_S) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield self._events(answer)

    def _events(self, answer: httpx.Response) -> Iterator[Heard]:
        told: dict[str, str] = {}
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                told[name] = value
                continue
            if "id" in told:
                self.last = told["id"]
                heard = Heard(told["id"], told["event"], json.loads(told["data"]))
                self.heard.append(heard)
                yield heard
            told = {}

    @property
    def numbers(self) -> list[Any]:
        """The numbers of the writers' events, in the order of reception."""
        return [tuple(one.data["n"]) for one in self.heard if one.event == "readings"]


def write(city: City, writer: int, seed: int) -> None:
    """Write transactions that get the number of their event early and commit late, like busy pipelines."""
    rng = random.Random(seed + writer)
    with psycopg.connect(city.database.url.set(drivername="postgresql").render_as_string(hide_password=False)) as own:
        for number in range(EACH):
            with own.transaction():
                for part in range(rng.choice((1, 1, 3))):
                    own.execute(
                        "INSERT INTO events (at, event, data) VALUES (%s, 'readings', %s::jsonb)",
                        [NOON, json.dumps({"n": [writer, number, part]})],
                    )
                    time.sleep(rng.uniform(0, 0.01))
                own.execute("SELECT pg_notify('vigia_events', '')")


def written(city: City) -> list[Any]:
    """All events of the writers."""
    with city.database.begin() as transaction:
        rows = transaction.execute(text("SELECT data -> 'n' FROM events WHERE event = 'readings'"))
        return sorted(tuple(row[0]) for row in rows)


def follow(listener: Listener, over: threading.Event, rng: random.Random | None) -> None:
    """Receive events until the writers have ended and their last event came. With `rng`: disconnect now and then."""
    while True:
        left = rng.randint(1, 25) if rng else -1
        with listener.connected() as events:
            for heard in events:
                left -= heard.event == "readings"
                if left == 0:
                    break
                if over.is_set() and heard.event == "alert":
                    return


@pytest.mark.seeds(1, 2)
@pytest.mark.parametrize(("page", "ring"), [(event_feed.PAGE_EVENTS, event_feed.MAX_RING_EVENTS), (3, 40), (1, 10)])
def test_a_client_that_reconnects_gets_each_event_of_eight_writers_once(
    city: City, monkeypatch: pytest.MonkeyPatch, seed: int, page: int, ring: int
) -> None:
    monkeypatch.setattr(event_feed, "PAGE_EVENTS", page)
    monkeypatch.setattr(event_feed, "MAX_RING_EVENTS", ring)
    steady, restless, over = Listener(city), Listener(city), threading.Event()
    with ThreadPoolExecutor(WRITERS + 2) as pool:
        following = [
            pool.submit(follow, steady, over, None),
            pool.submit(follow, restless, over, random.Random(seed)),
        ]
        wait_until(lambda: steady.last and restless.last)
        for writing in [pool.submit(write, city, writer, seed) for writer in range(WRITERS)]:
            writing.result()
        over.set()
        with city.database.begin() as transaction:
            announce(transaction, "alert", {"id": 0}, NOON)
        for one in following:
            one.result(timeout=LIMIT_S)
    for listener in (steady, restless):
        assert sorted(listener.numbers) == written(city)
        for writer in range(WRITERS):
            mine = [number for number in listener.numbers if number[0] == writer]
            assert mine == sorted(mine), "what one process commits is heard in its order"


def test_an_open_transaction_does_not_stop_the_stream(city: City) -> None:
    listener = Listener(city)
    address = city.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with listener.connected() as events, psycopg.connect(address) as forgotten:
        next(events)
        forgotten.execute("INSERT INTO events (at, event, data) VALUES (now(), 'readings', '{\"n\": [0]}')")
        with city.database.begin() as transaction:
            announce(transaction, "readings", {"n": [1]}, NOON)
        assert next(events).data == {"n": [1]}, "it comes while the other transaction is open"
        resumed = listener.last
        forgotten.commit()
        assert next(events).data == {"n": [0]}, "it comes when it is committed, though its number is lower"
    late = Listener(city, last=resumed)
    with late.connected() as events:
        heard = next(one for one in events if one.event != "pulse")
        assert heard.data == {"n": [0]}, "and to who was away meanwhile"


def test_who_has_just_got_a_key_hears_what_is_for_staff_at_once_and_nobody_else_does(city: City) -> None:
    with city.database.begin() as transaction:
        key = add_api_key(transaction, "Recién llegada", NOON)
    staff, citizen = Listener(city, key=key), Listener(city, key="vigia_wrong")
    with staff.connected() as to_staff, citizen.connected() as to_citizen:
        next(to_staff), next(to_citizen)
        with city.database.begin() as transaction:
            announce(transaction, DECLARATION_NOTICE, {"what": "graver"}, NOON)
            announce(transaction, "readings", {"n": [0]}, NOON)
        assert next(one for one in to_staff if one.event != "pulse").event == DECLARATION_NOTICE
        assert next(one for one in to_citizen if one.event != "pulse").event == "readings"


def test_each_commit_wakes_the_stream(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "POLL_S", 600.0)
    assert len(seconds_to_be_heard(city)) == COMMITS


@pytest.mark.proof
def test_an_event_arrives_within_milliseconds_of_its_commit(city: City) -> None:
    took_s = sorted(seconds_to_be_heard(city))
    print(f"commit to client: median {took_s[COMMITS // 2] * 1000:.1f} ms, slowest {took_s[-1] * 1000:.1f} ms")
    assert took_s[COMMITS // 2] < MEDIAN_S


def seconds_to_be_heard(city: City) -> list[float]:
    """From each of COMMITS commits to a client's reading of its event."""
    took_s = []
    with Listener(city).connected() as events:
        next(events)
        for number in range(COMMITS):
            with city.database.begin() as transaction:
                announce(transaction, "readings", {"n": [number]}, NOON)
            committed = time.perf_counter()
            assert next(events).data == {"n": [number]}
            took_s.append(time.perf_counter() - committed)
    return took_s


def test_a_page_continues_from_the_moment_it_was_rendered(city: City) -> None:
    with city.database.connect().execution_options(isolation_level="REPEATABLE READ") as rendering:
        rendered = rendering.execute(text(event_feed._CURRENT_POSITION)).one()
        with city.database.begin() as transaction:
            announce(transaction, "readings", {"n": [1]}, NOON)
    position = StreamPosition(rendered[0], rendered[1], rendered[1])
    with Listener(city).connected(after=str(position)) as events:
        # Where the feed stands at that very moment, not yet woken for the event, the pulse of joining comes before it.
        assert next(one for one in events if one.event != "pulse").data == {"n": [1]}


def test_only_requested_events_come_and_the_pulse_has_the_position(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PULSE_S", 0.2)
    listener = Listener(city)
    wait_until(lambda: city.app.state.context.process_watch.dead == ("pipeline-all",))
    with listener.connected(events=["alert", "pulse"]) as events:
        assert next(events).event == "pulse"
        with city.database.begin() as transaction:
            announce(transaction, "readings", {"n": [1]}, NOON)
            announce(transaction, "alert", {"id": 7}, NOON)
            announce(transaction, "readings", {"n": [2]}, NOON)
        assert next(one for one in events if one.event != "pulse") == Heard(str(listener.last), "alert", {"id": 7})
        pulse = next(one for one in events if one.event == "pulse")
        assert pulse.data == {"at": city.clock.now.isoformat(), "connected": True, "dead": ["pipeline-all"]}
    with Listener(city, last=pulse.id).connected() as events:
        assert next(events).event == "pulse", "the pulse's place is behind the events that were not asked for"


def test_a_client_away_too_long_or_without_a_valid_position_gets_resync(city: City) -> None:
    with Listener(city).connected() as events:
        here = next(events).id
    taken_s, rest = here.split("~", 1)
    for last in (
        "7",
        "nonsense",
        f"{int(taken_s) - event_feed.MAX_REPLAY_AGE_S - 60}~{rest}",
        f"{taken_s}~9:3:5~9:3:5~0-0",
        f"{taken_s}~1:{10**18}:~1:{10**18}:~0-0",
    ):
        with Listener(city, last=last).connected() as events:
            assert [next(events).event, next(events).event] == ["resync", "pulse"], last


def test_too_many_missed_events_are_a_resync(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "MAX_REPLAYED_EVENTS", 10)
    with Listener(city).connected() as events:
        here = next(events).id
        with city.database.begin() as transaction:
            for number in range(12):
                announce(transaction, "readings", {"n": [number]}, NOON)
        assert [next(events).data["n"] for _ in range(12)][-1] == [11]
    with Listener(city, last=here).connected() as events:
        assert next(events).event == "resync"


def test_a_slow_client_is_dropped_and_gets_the_rest_when_it_reconnects(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "MAX_RING_EVENTS", 20)
    monkeypatch.setattr(live, "SEND_TIMEOUT_S", 0.5)
    heavy = "x" * 200_000
    listener = Listener(city)
    with listener.connected() as events:
        next(events)
        for number in range(60):
            with city.database.begin() as transaction:
                announce(transaction, "readings", {"n": [number], "heavy": heavy}, NOON)
        wait_until(lambda: city.feed.dropped_clients)
        with suppress(httpx.RemoteProtocolError):
            list(events)
    assert (city.feed.clients, city.feed.dropped_clients) == (0, 1)
    assert 0 < len(listener.numbers) < 60
    with listener.connected() as events:
        while len(listener.numbers) < 60:
            next(events)
    assert listener.numbers == [(number,) for number in range(60)]


def test_the_stream_survives_the_loss_of_its_database_connection(city: City) -> None:
    listener = Listener(city)
    with listener.connected() as events:
        next(events)
        city.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vigia-live'")
        with city.database.begin() as transaction:
            announce(transaction, "readings", {"n": [1]}, NOON)
        assert next(one for one in events if one.event == "readings").data == {"n": [1]}


def test_a_connection_lost_within_a_large_transaction_loses_no_event(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "PAGE_EVENTS", 2)
    listener = Listener(city)
    with listener.connected() as events:
        next(events)
        for batch in range(3):
            with city.database.begin() as transaction:
                for number in range(300):
                    announce(transaction, "readings", {"n": [batch, number]}, NOON)
            time.sleep(0.02)
            city.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vigia-live'")
            while len(listener.numbers) < 300 * (batch + 1):
                next(events)
    assert listener.numbers == [(batch, number) for batch in range(3) for number in range(300)]


def test_screens_beyond_the_limit_are_refused(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_CLIENTS", 1)
    with Listener(city).connected() as events:
        next(events)
        refused = city.client.get("/api/v1/live")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")


def test_an_address_has_a_share_of_the_screens_and_operators_have_a_reserve(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    city.operator_is_known()
    monkeypatch.setattr(live, "MAX_CLIENTS_PER_ADDRESS", 1)
    with Listener(city).connected() as events:
        next(events)
        assert city.client.get("/api/v1/live").status_code == 503
        monkeypatch.setattr(live, "MAX_CLIENTS", 1)
        with city.client.stream("GET", "/api/v1/live", headers=city.operator) as answer:
            assert answer.status_code == 200
    wait_until(lambda: city.feed.clients == 0)
    assert not city.feed.clients_by_address


def test_a_flood_through_the_pipeline_arrives_as_live_events(city: City) -> None:
    with Listener(city).connected() as events:
        next(events)
        city.flood()
        raised = next(one for one in events if one.event == "transition" and one.data["subject"] == RIVER)
        assert raised.data["after"] > raised.data["before"] == 0
        now = raised.data["level_now"]
        assert now["level_m"] >= 0.4  # a jump waits for the next reading before it counts as the level
        assert now["text_es"].startswith(f"Ahora {now['level_m']:.2f} m, de hace ".replace(".", ","))
        levels = next(one for one in events if one.event == "attention")
        assert levels.data["subject"] in {"basin:gato", "municipality:laplata"}


def test_a_snapshot_covers_another_when_it_sees_all_of_it() -> None:
    assert covers("10:12:10", "10:11:10")
    assert covers("12:12:", "10:12:10")
    assert not covers("10:12:10", "12:12:")
    assert not covers("10:11:10", "10:12:10")
    assert covers("10:12:10", "10:12:10,11")


def test_a_position_is_parsed_as_it_was_written() -> None:
    position = StreamPosition(1, "10:12:10,11", "12:12:", 11, 4)
    assert StreamPosition.parse(str(position)) == position
    assert StreamPosition.parse("1~10:12:10~12:12:~11-4 ") is None
    assert StreamPosition.parse("9" * 10_000) is None


def test_flags_of_a_live_reading_are_words(city: City) -> None:
    with Listener(city).connected() as events:
        city.send(1, -9999)
        told = next(heard.data for heard in events if heard.event == "readings")
    assert [one["flags"] for one in told["readings"]] == [["sentinel"]]


def test_a_test_message_comes_through_to_the_stream_and_no_client_is_sent_it(city: City) -> None:
    assert city.feed.canary_age_s is None
    listener = Listener(city)
    with listener.connected() as events:
        sent_at = city.clock()
        canary = Message(canary_topic(Lane.CRITICAL), canary_payload(sent_at), sent_at)
        city.pipeline.process_messages([canary])
        wait_until(lambda: city.feed.canary_age_s is not None)
        city.send(0, 0.40)
        assert next(one.event for one in events if one.event != "pulse") == "readings"
    listener.last = None
    assert "canary" not in {one.event for one in listener.heard}
