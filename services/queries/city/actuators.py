"""Sirens and signs with their last order and their last self-test."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, true

from models.tables.declared.actuators import actuator_orders, actuator_tests, actuators

TEST_EVERY = timedelta(days=31)
"""A self-test is stale after so long: nobody knows whether the device would obey."""
MAX_ACTUATORS = 500


@dataclass(frozen=True, slots=True)
class ActuatorNow:
    """A siren or sign. `test`: the last self-test that was answered; None where there was none."""

    device: Row[Any]
    order: Row[Any] | None
    test: Row[Any] | None
    asked: Row[Any] | None
    """The last self-test that was asked for."""

    @property
    def is_open(self) -> bool:
        """Whether an order is under way."""
        return self.order is not None and self.order.state in {"ordered", "accepted", "sounding"}

    def is_doubtful(self, now: datetime) -> bool:
        """Whether it failed its last self-test, or passed none for TEST_EVERY."""
        return self.test is None or self.test.passed != "yes" or now - self.test.answered_at > TEST_EVERY


def current_actuators(connection: Connection) -> Sequence[ActuatorNow]:
    """All sirens and signs in use, by name."""
    devices = connection.execute(
        select(actuators).where(actuators.c.retired_at.is_(None)).order_by(actuators.c.name).limit(MAX_ACTUATORS)
    ).all()
    orders = _newest(connection, actuator_orders)
    asked = _newest(connection, actuator_tests)
    answered = _newest(connection, actuator_tests, actuator_tests.c.passed.is_not(None))
    return [ActuatorNow(one, orders.get(one.id), answered.get(one.id), asked.get(one.id)) for one in devices]


def _newest(connection: Connection, table: Any, condition: Any = None) -> dict[str, Row[Any]]:
    """The newest row of each device."""
    newest = (
        select(func.max(table.c.id)).where(true() if condition is None else condition).group_by(table.c.actuator_id)
    )
    return {row.actuator_id: row for row in connection.execute(select(table).where(table.c.id.in_(newest)))}
