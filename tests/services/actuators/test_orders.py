"""Sirens and signs: who may order them and when, what their answers change, and one on a real broker."""

import json
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from paho.mqtt.client import Client
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from ingest.mqtt.receiver import BrokerAddress, Tls
from models.alert import NAR
from services.actions import declarations
from services.actions.actuators import ActuatorOrder, AlreadyOrdered, NotUnderDeclaredLevel, ask_self_test, order
from services.actions.declarations import Declaration
from services.actuators.exchange import Exchange
from services.actuators.messages import STATES, Answer, State, next_state, read_answer
from services.actuators.orders import due_commands, end_unanswered, take_answer
from services.runtime.mqtt_client import new_client
from simulators.devices.siren import answers
from tests.waiting import wait_until

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
SIREN, SIGN, CITY = "sirena-tolosa", "cartel-7-y-520", "municipality:azul"
HOUR, TEN = timedelta(hours=1), timedelta(minutes=10)
FUNES, MIRTA = 1, 2


def load(transaction: Connection) -> None:
    """A city with a siren and a sign, a supervisor and an operator."""
    transaction.execute(
        text(
            "INSERT INTO municipalities (id, name, latitude, longitude) VALUES ('azul', 'Azul', 0, 0);"
            "INSERT INTO actuators (id, municipality_id, kind, area, name) VALUES"
            f" ('{SIREN}', 'azul', 'siren', '{CITY}', 'Sirena'), ('{SIGN}', 'azul', 'sign', '{CITY}', 'Cartel');"
            "INSERT INTO people (id, login, name, created_at, created_by) OVERRIDING SYSTEM VALUE VALUES"
            " (1, 'funes', 'C. Funes', now(), 'x'), (2, 'mirta', 'Mirta Q.', now(), 'x');"
            "INSERT INTO person_roles (person_id, role, granted_at, granted_by) VALUES"
            " (1, 'supervisor', now(), 'x'), (2, 'operator', now(), 'x')"
        )
    )


def declare(transaction: Connection, nar: NAR = NAR.ROJO, until: datetime = NOON + HOUR) -> int:
    """The authority declares the level of the city."""
    return declarations.declare(transaction, Declaration(CITY, nar, until, "x", None), by="C. Funes", now=NOON)


def sound(transaction: Connection, device: str = SIREN, person: int | None = FUNES, by: str = "C. Funes") -> int:
    """A person orders the siren for ten minutes."""
    return order(transaction, ActuatorOrder(device, TEN), person_id=person, by=by, now=NOON)


def state(connection: Connection, number: int) -> str:
    """The state of an order."""
    query = text("SELECT state FROM actuator_orders WHERE id = :id")
    return str(connection.execute(query, {"id": number}).scalar_one())


def test_a_siren_sounds_only_under_a_declared_level_and_until_its_end(transaction: Connection) -> None:
    load(transaction)
    with pytest.raises(NotUnderDeclaredLevel):
        sound(transaction)
    declare(transaction, until=NOON + timedelta(minutes=5))
    number = sound(transaction)
    ends_at = transaction.execute(text("SELECT ends_at FROM actuator_orders")).scalar_one()
    assert ends_at == NOON + timedelta(minutes=5)
    with pytest.raises(AlreadyOrdered):
        sound(transaction)
    assert state(transaction, number) == "ordered"


@pytest.mark.parametrize(
    ("person", "by"), [(MIRTA, "Mirta Q."), (None, "rule"), (None, "C. Funes"), (FUNES, "Mirta Q."), (99, "C. Funes")]
)
def test_nobody_but_a_named_supervisor_orders_one(transaction: Connection, person: int | None, by: str) -> None:
    load(transaction)
    declare(transaction)
    with pytest.raises(NotUnderDeclaredLevel):
        sound(transaction, person=person, by=by)


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"declaration_id": "999"}, "no declared level|foreign key"),
        ({"ends_at": f"'{NOON + 2 * HOUR}'"}, "an order ends with|period"),
        ({"state": "'sounding'"}, "begins as ordered"),
        ({"person_id": "NULL"}, "only a named person"),
        ({"ordered_at": f"'{NOON + 2 * HOUR}'", "ends_at": f"'{NOON + 2 * HOUR + TEN}'"}, "no declared level"),
    ],
)
def test_the_database_itself_refuses_an_order_that_the_code_would_let_through(
    transaction: Connection, changed: dict[str, str], refusal: str
) -> None:
    load(transaction)
    values = {
        "actuator_id": f"'{SIREN}'",
        "declaration_id": str(declare(transaction)),
        "person_id": "1",
        "ordered_by": "'C. Funes'",
        "ordered_at": f"'{NOON}'",
        "ends_at": f"'{NOON + TEN}'",
        "state_at": f"'{NOON}'",
        **changed,
    }
    statement = f"INSERT INTO actuator_orders ({', '.join(values)}) VALUES ({', '.join(values.values())})"
    with pytest.raises(IntegrityError, match=refusal):
        transaction.execute(text(statement))


def test_a_withdrawn_level_lets_nothing_be_ordered_any_more(transaction: Connection) -> None:
    load(transaction)
    seen = declare(transaction)
    declarations.withdraw(transaction, CITY, seen=seen, reason="pasó", by="C. Funes", now=NOON)
    with pytest.raises(NotUnderDeclaredLevel):
        sound(transaction)


def test_an_order_is_sent_again_until_it_is_answered_and_never_after_its_end(transaction: Connection) -> None:
    load(transaction)
    declare(transaction)
    number = sound(transaction)
    sent = [len(due_commands(transaction, NOON + timedelta(seconds=after))) for after in (0, 1, 5, 599, 600)]
    assert sent == [1, 0, 1, 1, 0]
    assert end_unanswered(transaction, NOON + TEN) == 1
    assert state(transaction, number) == "no_answer"
    late = Answer(SIREN, order=number, state=State.SOUNDING)
    assert not take_answer(transaction, late, NOON + TEN)
    with pytest.raises(IntegrityError, match="is over"):
        transaction.execute(text("UPDATE actuator_orders SET state = 'ordered'"))


def test_only_the_device_itself_answers_and_no_answer_goes_back(transaction: Connection) -> None:
    load(transaction)
    declare(transaction)
    number = sound(transaction)
    assert not take_answer(transaction, Answer(SIGN, order=number, state=State.DONE), NOON)
    assert take_answer(transaction, Answer(SIREN, order=number, state=State.SOUNDING), NOON)
    assert not take_answer(transaction, Answer(SIREN, order=number, state=State.ACCEPTED), NOON)
    assert take_answer(transaction, Answer(SIREN, order=number, state=State.DONE), NOON)
    assert next_state(State.DONE, State.REFUSED) is State.DONE


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("vigia/actuators/v1/azul/siren/x/state", b"{"),
        ("vigia/actuators/v1/azul/siren/x/state", b'{"order": true, "state": "done"}'),
        ("vigia/actuators/v1/azul/siren/x/state", b'{"order": 1, "state": "ordered"}'),
        ("vigia/actuators/v1/azul/siren/x/state", b"[" * 100_000),
        ("vigia/actuators/v1/azul/oven/x/state", b'{"order": 1, "state": "done"}'),
    ],
)
def test_what_is_no_answer_is_none(topic: str, payload: bytes) -> None:
    assert read_answer(topic, payload) is None


def test_a_simulated_siren_on_a_broker_sounds_is_done_and_tests_itself_in_silence(
    database: Engine, mqtt_url: str
) -> None:
    with database.begin() as transaction:
        load(transaction)
        declare(transaction)
        number = sound(transaction)
        test = ask_self_test(transaction, SIREN, by="C. Funes", now=NOON)
    address, subscribed = BrokerAddress.parse(mqtt_url), Event()
    siren = new_client(address, SIREN, Tls())

    def obey(client: Client, _data: object, message: Any) -> None:
        topic = message.topic.replace("/command", "/state")
        for answer in answers(message.payload, NOON):
            client.publish(topic, answer, qos=1)

    siren.on_message = obey
    siren.on_connect = lambda client, *_: client.subscribe(f"vigia/actuators/v1/azul/siren/{SIREN}/command", 1)
    siren.on_subscribe = lambda *_: subscribed.set()
    siren.connect(address.host, address.port)
    siren.loop_start()
    exchange = Exchange(database, lambda: NOON, mqtt_url, Tls())
    try:
        assert subscribed.wait(10)

        def is_done() -> bool:
            exchange.run_due(Event())
            with database.connect() as connection:
                passed = connection.execute(text("SELECT passed FROM actuator_tests WHERE id = :id"), {"id": test})
                return state(connection, number) == "done" and passed.scalar_one() == "yes"

        wait_until(is_done)
    finally:
        exchange.close()
        siren.loop_stop()
        siren.disconnect()
    with database.connect() as connection:
        recorded = connection.execute(
            text("SELECT what FROM log_entries WHERE what LIKE 'siren.%' ORDER BY id")
        ).scalars()
        assert list(recorded) == [
            *("siren.ordered", "siren.test_asked", "siren.accepted", "siren.sounding", "siren.done"),
        ]
    assert json.loads(next(answers(b'{"order": 1, "ends_at": "2020-01-01T00:00:00Z"}', NOON)))["state"] == "refused"
    assert STATES.endswith("/state")
