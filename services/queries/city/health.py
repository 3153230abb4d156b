"""Newest readings by kind, and counts, for the health and metrics routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field
from sqlalchemy import BigInteger, Connection, and_, cast, func, select

from models.kinds import KINDS
from models.tables.alerts import alerts, notices
from models.tables.city import devices
from models.tables.readings import device_memories, rejected_messages, rejection_counts, sequence_gaps
from models.tables.rules import learning_outcomes

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFlow:
    """The newest reading of a kind by its time of reception; None where there was never one."""

    kind: Annotated[str, Field(examples=["river"])]
    lane: Annotated[str, Field(examples=["critical"])]
    received_at: datetime | None
    age_s: Annotated[float | None, Field(examples=[4.2])]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFigures:
    """Counts for monitoring. `rejected`: messages kept of the last day by reason; `rejections_counted`: those not kept.
    `oldest_unsent_s`: age of the oldest. `not_learnt`: streams without a newly learnt forecast, by reason.
    `shelved`: open alerts put aside; `to_confirm`: those for which a lower level is proposed.
    `retention_refused`: the database's clock is far past the newest readings.
    """

    open_alerts: Mapping[int, int]
    unacknowledged: int
    shelved: int
    to_confirm: int
    rejected: Mapping[str, int]
    rejections_counted: Mapping[str, int]
    unsent_notices: int
    oldest_unsent_s: float
    unregistered_devices: int
    lost_readings: int
    not_learnt: Mapping[str, int]
    retention_refused: bool


def kind_flows(connection: Connection, now: datetime) -> list[KindFlow]:
    """The newest reading of each kind."""
    newest = dict(
        connection.execute(
            select(devices.c.kind, func.max(device_memories.c.received_at))
            .select_from(devices.join(device_memories))
            .group_by(devices.c.kind)
        ).all()
    )
    return [
        KindFlow(
            kind=kind.name,
            lane=kind.lane.value,
            received_at=(at := newest.get(kind.name)),
            age_s=None if at is None else max((now - at).total_seconds(), 0.0),
        )
        for kind in KINDS
    ]


def health_figures(connection: Connection, now: datetime) -> HealthFigures:
    """The counts at `now`."""
    open_alerts = and_(alerts.c.state != "closed", alerts.c.exercise.is_(None))
    unacknowledged = alerts.c.acknowledged_at.is_(None) & alerts.c.shelved_until.is_(None)
    to_confirm = (alerts.c.nar > alerts.c.rule_nar) & alerts.c.flapping_since.is_(None)
    counted = connection.execute(
        select(
            func.count().filter(unacknowledged).label("unacknowledged"),
            func.count(alerts.c.shelved_until).label("shelved"),
            func.count().filter(to_confirm).label("to_confirm"),
        ).where(open_alerts)
    ).one()
    unsent = (notices.c.sent_at.is_(None), notices.c.refused.is_(None))
    count, oldest = connection.execute(select(func.count(), func.min(notices.c.not_before)).where(*unsent)).one()
    lost = func.sum(sequence_gaps.c.last_seq - sequence_gaps.c.first_seq + 1 - sequence_gaps.c.filled)
    return HealthFigures(
        open_alerts=dict(
            connection.execute(select(alerts.c.nar, func.count()).where(open_alerts).group_by(alerts.c.nar)).all()
        ),
        unacknowledged=counted.unacknowledged,
        shelved=counted.shelved,
        to_confirm=counted.to_confirm,
        rejected=dict(
            connection.execute(
                select(rejected_messages.c.reason, func.count())
                .where(rejected_messages.c.received_at >= now - DAY)
                .group_by(rejected_messages.c.reason)
            ).all()
        ),
        rejections_counted=dict(
            connection.execute(
                select(rejection_counts.c.reason, cast(func.sum(rejection_counts.c.messages), BigInteger))
                .where(rejection_counts.c.hour >= now - DAY)
                .group_by(rejection_counts.c.reason)
            ).all()
        ),
        unsent_notices=count,
        oldest_unsent_s=0.0 if oldest is None else max((now - oldest).total_seconds(), 0.0),
        unregistered_devices=connection.execute(
            select(func.count()).select_from(devices).where(devices.c.station_id.is_(None))
        ).scalar_one(),
        not_learnt=dict(
            connection.execute(
                select(learning_outcomes.c.trouble, func.count())
                .where(learning_outcomes.c.trouble.is_not(None))
                .group_by(learning_outcomes.c.trouble)
            ).all()
        ),
        lost_readings=int(connection.execute(select(func.coalesce(lost, 0))).scalar_one()),
        retention_refused=connection.execute(
            select(func.retention_refusal(func.now(), True).is_not(None))
        ).scalar_one(),
    )
