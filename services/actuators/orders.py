"""Orders to sirens and signs in the tables: which to send now, what was answered, and which ended without an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from alerts.delivery.live_events import announce
from alerts.record import SYSTEM, Entry, record
from models.rows import driver
from services.actuators.messages import Answer, State, command_topic, next_state, order_payload, test_payload

RESEND = timedelta(seconds=5)
"""How often an order that nobody answered is sent again, until its end."""
ANSWER_WITHIN = timedelta(seconds=60)
"""How long after its end an order waits for `done`, and a self-test for its result."""
MAX_SENT = 200
ACTUATOR = "actuator"
"""Live event, for staff, of an order or a self-test that changed."""
_DUE = (
    "SELECT o.id, o.shows, o.ends_at, a.municipality_id, a.kind, a.id FROM actuator_orders o"
    " JOIN actuators a ON a.id = o.actuator_id WHERE o.state = 'ordered' AND o.ends_at > %(now)s"
    " AND (o.sent_at IS NULL OR o.sent_at <= %(again)s) ORDER BY o.id LIMIT %(most)s FOR UPDATE OF o"
)
_TESTS = (
    "SELECT t.id, t.asked_at, a.municipality_id, a.kind, a.id FROM actuator_tests t"
    " JOIN actuators a ON a.id = t.actuator_id WHERE t.passed IS NULL AND t.asked_at > %(old)s"
    " AND (t.sent_at IS NULL OR t.sent_at <= %(again)s) ORDER BY t.id LIMIT %(most)s FOR UPDATE OF t"
)


@dataclass(frozen=True, slots=True)
class Command:
    """A message to one device."""

    topic: str
    payload: bytes
    lasts_s: int
    """Until its end; the broker must not keep it longer."""


def due_commands(transaction: Connection, now: datetime) -> Sequence[Command]:
    """The commands to send now, noted as sent. None of an order that ended."""
    values = {"now": now, "again": now - RESEND, "old": now - ANSWER_WITHIN, "most": MAX_SENT}
    with driver(transaction).cursor() as cursor:
        orders = cursor.execute(_DUE, values).fetchall()
        tests = cursor.execute(_TESTS, values).fetchall()
        cursor.execute("UPDATE actuator_orders SET sent_at = %s WHERE id = ANY(%s)", [now, [one[0] for one in orders]])
        cursor.execute("UPDATE actuator_tests SET sent_at = %s WHERE id = ANY(%s)", [now, [one[0] for one in tests]])
    return [
        *(_command(device, order_payload(number, shows, ends), ends, now) for number, shows, ends, *device in orders),
        *(
            _command(device, test_payload(number, at + ANSWER_WITHIN), at + ANSWER_WITHIN, now)
            for number, at, *device in tests
        ),
    ]


def _command(device: Sequence[str], payload: bytes, ends_at: datetime, now: datetime) -> Command:
    municipality, kind, name = device
    lasts_s = max(1, int((ends_at - now).total_seconds()))
    return Command(command_topic(municipality, kind, name), payload, lasts_s)


def take_answer(transaction: Connection, answer: Answer, now: datetime) -> bool:
    """Store what a device said of its own order or self-test. False for another's, and where nothing changes."""
    if answer.test is not None:
        return _take_result(transaction, answer, now)
    with driver(transaction).cursor() as cursor:
        row = cursor.execute(
            "SELECT state FROM actuator_orders WHERE id = %s AND actuator_id = %s FOR UPDATE",
            [answer.order, answer.device],
        ).fetchone()
    if row is None or answer.state is None or answer.order is None:
        return False
    before, after = State(row[0]), next_state(State(row[0]), answer.state)
    if after is not before:
        _change(transaction, answer.order, answer.device, after, answer.detail, now)
    return after is not before


def end_unanswered(transaction: Connection, now: datetime) -> int:
    """End the orders whose time is over and whose device has not said that it is done; returns how many."""
    with driver(transaction).cursor() as cursor:
        rows = cursor.execute(
            "SELECT id, actuator_id FROM actuator_orders WHERE state = 'ordered' AND ends_at <= %(now)s"
            " OR state IN ('accepted', 'sounding') AND ends_at <= %(old)s ORDER BY id FOR UPDATE",
            {"now": now, "old": now - ANSWER_WITHIN},
        ).fetchall()
    for number, device in rows:
        _change(transaction, number, device, State.NO_ANSWER, "", now)
    return len(rows)


def _change(transaction: Connection, order: int, device: str, state: State, detail: str, now: datetime) -> None:
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "UPDATE actuator_orders SET state = %s, state_at = %s, detail = %s WHERE id = %s",
            [state, now, detail or None, order],
        )
    announce(transaction, ACTUATOR, {"device": device, "order": order, "state": state, "at": now}, now)
    record(transaction, Entry(f"siren.{state}", f"actuator:{device}", SYSTEM, {"order": order, "detail": detail}), now)


def _take_result(transaction: Connection, answer: Answer, now: datetime) -> bool:
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "UPDATE actuator_tests SET answered_at = %s, passed = %s, detail = %s"
            " WHERE id = %s AND actuator_id = %s AND passed IS NULL",
            [now, "yes" if answer.passed else "no", answer.detail or None, answer.test, answer.device],
        )
        changed = cursor.rowcount == 1
    if changed:
        announce(transaction, ACTUATOR, {"device": answer.device, "test": answer.test, "passed": answer.passed}, now)
    return changed
