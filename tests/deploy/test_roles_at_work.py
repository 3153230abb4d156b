"""The real processes, each under its own database role: a flood, what people do about it, buses, and the erasure."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import Engine, text

from models.migrations import upgrade
from models.reading import Message
from services.broker_access.certificates import Authority
from services.city.load import load
from services.duty.chain import check_chain
from services.duty.changes import Post, take_watch
from services.duty.handover import hand_over
from services.duty.rota import Position
from services.notices.escalation.escalation import Escalation
from services.notices.escalation.progress import progress_of
from services.people.api_keys import add_api_key, revoke_api_key
from services.pipeline.rejections import list_rejections, reingest
from services.pipeline.road import Pipeline
from services.runtime.clock import wall_clock
from services.runtime.database import open_database
from services.runtime.heartbeat import write_heartbeat
from services.self_check.self_check import SelfCheck
from services.transit.timetable import versions
from services.upkeep.retention import delete_expired
from tests import transit_city
from tests.deploy.conftest import PASSWORDS, Mosquitto, free_port
from tests.deploy.test_broker import Client
from tests.deploy.test_city import City
from tests.seeds import la_plata
from tests.services.duty.rota_town import add_chain, add_shift
from tests.services.notices.people import add_incident
from tests.services.transit.fleet.test_fleet_updater import Street

GAUGE = "gato-ringuelet"
LEVEL = b'{"observed_at": %.3f, "boot": "b1", "seq": %d, "level_m": %.2f}'
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTE = "Juana Gómez, 7 y 50"


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[bytes]]]:
    """A webhook on the loopback: its address and the bodies that came."""
    came: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", came
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_flood_is_handled_and_a_note_erased_by_five_processes_of_four_roles(
    broker: Callable[..., Mosquitto], urls: dict[str, str], webhook: tuple[str, list[bytes]], tmp_path: Path
) -> None:
    server = broker(passwords=PASSWORDS | {GAUGE: "secret"})
    city = City(urls, server.port, free_port(), tmp_path, webhook[0])
    with opened(urls["vigia_owner"]) as owner, owner.begin() as transaction:
        upgrade(transaction)
    with opened(urls["vigia_upkeep"]) as upkeep, upkeep.begin() as transaction:
        load(transaction, la_plata(), wall_clock())
        token = add_api_key(transaction, "Ana Pérez", wall_clock())
    with ExitStack() as processes:
        for name in ("pipeline-critical", "pipeline-bulk", "notifier", "upkeep", "api"):
            processes.enter_context(city.process(name))
        city.wait_for(lambda: city.get("health/ready").status_code == 200)
        flood(city, server)
        operator = httpx.Client(base_url=f"{city.address}/api/v1", headers={"Authorization": f"Bearer {token}"})
        with operator:
            acted = operator.post("alerts/1/acknowledge", json={"version": newest_version(city), "note": NOTE})
            assert acted.status_code == 200, acted.text
            action = acted.json()["actions"][0]["id"]
            answers = [
                operator.post("alerts/1/comment", json={"note": "En camino."}),
                operator.post("transit/service-alerts", json=SERVICE_ALERT),
                operator.post("transit/service-alerts/1/publish", json={"version": 1}),
                operator.post("transit/service-alerts/1/end", json={"version": 2}),
                operator.post(f"alerts/1/actions/{action}/redact", json={"reason": "named a neighbour"}),
                *map(operator.get, ("alerts", "stations", "latest", "devices", "attention", "rejections", "health")),
                *map(operator.get, ("rejections/1", "metrics", "transitions", "transit/accuracy")),
            ]
        assert {answer.status_code for answer in answers} == {200}, [one.text for one in answers]
        pages = [httpx.get(f"{city.address}{path}") for path in ("/", "/alerta/1", f"/estacion/{GAUGE}", "/p/")]
        assert {page.status_code for page in pages} == {200}
        city.wait_for(lambda: NOTE not in notes(urls))
        city.wait_for(lambda: bool(webhook[1]))
    for name in ("pipeline-critical", "pipeline-bulk", "notifier", "upkeep", "api"):
        assert "permission denied" not in (tmp_path / f"{name}.log").read_text(encoding="utf-8")


SERVICE_ALERT = {
    "cause": "construction",
    "effect": "detour",
    "header": {"es": "Calle 7 cortada"},
    "concerns": [{"line": "307"}],
}


def flood(city: City, server: Mosquitto) -> None:
    """The river rises above rojo; one message is no reading. Returns when the alert is there."""
    start = wall_clock() - timedelta(minutes=6)
    with Client(server, GAUGE, password="secret") as device:
        device.publish(f"vigia/v1/laplata/river/{GAUGE}", b"no reading")
        for minute in range(6):
            at = (start + timedelta(minutes=minute)).timestamp()
            device.publish(f"vigia/v1/laplata/river/{GAUGE}", LEVEL % (at, minute + 1, 0.4 + 0.5 * minute))
    city.wait_for(lambda: city.get("alerts/1").status_code == 200)
    city.wait_for(lambda: city.get("alerts/1").json()["alert"]["confirmed"])


def newest_version(city: City) -> int:
    """The version of the alert, to be sent back with an action."""
    return int(city.get("alerts/1").json()["alert"]["version"])


def notes(urls: dict[str, str]) -> str:
    """All notes as stored, and the record that one was erased, by which role."""
    with psycopg.connect(urls["vigia_owner"]) as owner:
        stored = owner.execute("SELECT note FROM alert_actions").fetchall()
        roles = owner.execute("SELECT database_role FROM erasures").fetchall()
    assert set(roles) <= {("vigia_upkeep",)}
    return str(stored)


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """A pool of the role of this address."""
    pool = open_database(url, name="test")
    try:
        yield pool
    finally:
        pool.dispose()


@pytest.fixture
def engines(urls: dict[str, str]) -> Iterator[dict[str, Engine]]:
    """A pool for each role, on a database that its owner has migrated."""
    with ExitStack() as pools:
        by_role = {role: pools.enter_context(opened(url)) for role, url in urls.items()}
        with by_role["vigia_owner"].begin() as transaction:
            upgrade(transaction)
        yield by_role


@pytest.mark.parametrize("role", ["vigia_notifier", "vigia_upkeep"])
def test_each_role_that_checks_raises_and_clears_an_alert_about_a_dead_part_once(
    engines: dict[str, Engine], role: str
) -> None:
    part = role.replace("_", "-")
    check = SelfCheck(engines[role], lambda: NOON, {part})
    with engines[role].begin() as transaction:
        contact = "INSERT INTO contacts (name, channel, address, least_nar) VALUES ('hook', 'webhook', 'http://x/', 1)"
        transaction.execute(text(f"{contact} ON CONFLICT DO NOTHING"))
    for state, transitions in (("firing", 1), ("cleared", 2)):
        for _ in range(3):
            check.run()
        with engines["vigia_owner"].connect() as owner:
            told = owner.execute(
                text(
                    "SELECT a.state, count(*), count(n.id) FROM alerts a JOIN transitions t ON t.alert_id = a.id"
                    " LEFT JOIN notices n ON n.transition_id = t.id AND n.recipient = 'http://x/'"
                    " WHERE a.rule_id = :rule GROUP BY a.id"
                ),
                {"rule": f"system/process/{part}"},
            ).all()
        assert told == [(state, transitions, transitions)]
        write_heartbeat(engines[role], part, NOON, lambda: NOON, {})


def test_the_end_of_the_list_of_revoked_certificates_is_an_alert_30_days_ahead_until_it_is_renewed(
    engines: dict[str, Engine], tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority", tmp_path / "tls")
    authority.create(["127.0.0.1"], NOON - timedelta(days=336))
    for state in ("firing", "cleared"):
        SelfCheck(engines["vigia_notifier"], lambda: NOON, set()).run()  # sees no certificates, and clears nothing
        SelfCheck(engines["vigia_upkeep"], lambda: NOON, set(), certificates=tmp_path / "tls").run()
        with engines["vigia_owner"].connect() as owner:
            rule = "SELECT rule_id, state FROM alerts WHERE rule_id LIKE 'system/certificate/%'"
            assert owner.execute(text(rule)).all() == [("system/certificate/devices.crl", state)]
        authority.renew(NOON)


def test_a_backup_that_is_too_old_is_an_alert_until_the_next_one(engines: dict[str, Engine]) -> None:
    def check() -> None:
        SelfCheck(engines["vigia_notifier"], lambda: NOON, set()).run()  # does not look at backups, and clears nothing
        SelfCheck(engines["vigia_upkeep"], lambda: NOON, set(), upkeep=True).run()

    found = text("SELECT state FROM alerts WHERE rule_id = 'system/backup'")
    made = "INSERT INTO last_backup VALUES (1, now() - interval '37 hours', '/backups/a', 1)"
    for statement, states in (
        ("SELECT", []),
        (made, ["firing"]),
        ("UPDATE last_backup SET taken_at = now()", ["cleared"]),
    ):
        with engines["vigia_owner"].begin() as owner:
            owner.execute(text(statement))
        check()
        with engines["vigia_owner"].connect() as owner:
            assert owner.execute(found).scalars().all() == states


def test_a_rota_is_loaded_checked_changed_and_called_each_by_its_role(engines: dict[str, Engine]) -> None:
    with engines["vigia_owner"].begin() as transaction:
        people = add_chain(transaction)
        incident = add_incident(transaction, [3])
    with engines["vigia_upkeep"].begin() as transaction:
        add_shift(transaction, people["Bruno"], "operator", zone="basin:azul")
        assert check_chain(transaction, NOON).untested == []
    with engines["vigia_api"].begin() as transaction:
        take_watch(transaction, Post("basin:azul", Position.OPERATOR), by="Carla Funes", now=NOON)
        hand_over(transaction, "municipality:azul", by="Ana Sosa", note="", now=NOON)
    assert Escalation(engines["vigia_notifier"], lambda: NOON).run()
    with engines["vigia_api"].begin() as transaction:
        found = progress_of(transaction, incident, NOON)
        assert found is not None
        assert [(call.name, call.told_at) for call in found.calls] == [("Carla Funes", None)]


def test_rejections_are_ingested_again_by_the_pipelines_role_and_operators_end_by_upkeeps(
    engines: dict[str, Engine],
) -> None:
    with closing(Pipeline(engines["vigia_pipeline"], lambda: NOON, lane=None)) as pipeline:
        pipeline.process_messages([Message(f"vigia/v1/laplata/river/{GAUGE}", b"no reading", NOON)])
        with engines["vigia_pipeline"].begin() as transaction:
            (one,) = list_rejections(transaction, ids=None, reason="syntax", limit=1)
            assert reingest(transaction, pipeline, one)
    with engines["vigia_upkeep"].begin() as transaction:
        add_api_key(transaction, "Luis", NOON)
        revoke_api_key(transaction, "Luis", NOON)
    gone = delete_expired(engines["vigia_upkeep"], NOON + timedelta(days=1000))
    assert gone["api_keys"] == 1
    assert gone["rejected_messages"] >= 1


def test_buses_are_followed_by_the_pipelines_role_over_a_timetable_of_upkeeps(engines: dict[str, Engine]) -> None:
    with engines["vigia_upkeep"].begin() as transaction:
        transaction.execute(
            text("INSERT INTO configuration (version, city) VALUES (1, '{}') ON CONFLICT (id) DO NOTHING")
        )
        stored = versions.store(transaction, transit_city.network(), "test", datetime(2026, 3, 1, tzinfo=UTC))
    street = Street(engines["vigia_pipeline"], stored.network, datetime(2026, 3, 2, 10, tzinfo=UTC))
    with closing(street.pipeline):
        street.drive(street.journey("10-0720"), "one", 0, 480, trip_id="10-0720")
        street.pipeline.tick_rules()
        street.pipeline.tick_buses()
    assert street.rows("SELECT count(*) FROM stop_visits") != [(0,)]
    assert street.rows("SELECT count(*) FROM vehicle_outlooks") == [(1,)]
    assert street.rows("SELECT count(*) FROM link_history") != [(0,)]
    gone = delete_expired(engines["vigia_upkeep"], datetime(2029, 3, 2, tzinfo=UTC))
    assert gone["stop_visits"] > 0
    assert gone["link_history"] > 0
    with engines["vigia_upkeep"].begin() as transaction:
        versions.withdraw(transaction, "test", datetime(2026, 3, 3, tzinfo=UTC))
