"""Incidents with their alerts, as the API returns them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import Connection, Row, select

from alerts.current_level.level import CurrentLevel
from alerts.incidents.summary import summarise
from models.tables.alerts import alerts
from models.tables.incidents import incidents
from services.queries.alerts.alert_history import alert_query, incident_action_rows
from services.queries.alerts.alerts import Action, AlertState
from services.queries.stations.places import Colour
from services.runtime.audience import Audience

IncidentState = Literal["open", "over", "closed"]
_QUERY = select(*(column for column in incidents.columns if column.name != "exercise")).where(
    incidents.c.exercise.is_(None)
)
"""Incidents that are real events: programs never get exercises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentMember:
    """An alert of an incident, and why it belongs there."""

    alert_id: Annotated[int, Field(examples=[7])]
    subject: Annotated[str, Field(examples=["gato-143-524"])]
    judgement: Annotated[str, Field(examples=["stage"])]
    membership: Annotated[
        str,
        Field(
            description="stream, rain, lost_gauge, same_street, same_network, same_equipment or itself",
            examples=["stream"],
        ),
    ]
    state: AlertState
    nar: Colour
    rule_nar: Annotated[Colour, Field(description="The colour that the rule holds now; below `nar` it is proposed")]
    acknowledged: bool
    shelved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """The alerts of one hazard, one area and one time, which people answer together."""

    id: Annotated[int, Field(examples=[4])]
    origin: Annotated[Literal["rule", "person"], Field(description="Who opened it")]
    hazard: Annotated[str, Field(description="flood, speed, equipment or system", examples=["flood"])]
    area: Annotated[str, Field(description="basin:ID, municipality:ID or system", examples=["basin:gato"])]
    kind: Annotated[str, Field(description="The kind of sensor, where it is about equipment; else empty")]
    state: Annotated[IncidentState, Field(description="over: accepts no further alert; people have yet to close it")]
    opened_at: datetime
    closed_at: datetime | None
    nar: Annotated[Colour, Field(description="The worst colour that its alerts show now")]
    rule_nar: Annotated[Colour, Field(description="The worst colour that a rule holds now")]
    proposed: Annotated[
        int,
        Field(
            description="For how many of its alerts a lower colour is proposed, which a person has to confirm",
            examples=[1],
        ),
    ]
    highest_nar: Annotated[Colour, Field(description="The worst colour so far")]
    driver: Annotated[int | None, Field(description="The alert that is the most dangerous now", examples=[7])]
    stations: Annotated[int, Field(description="How many stations have an open alert", examples=[3])]
    rising: Annotated[int, Field(description="How many of its streams rise", examples=[1])]
    falling: Annotated[int, Field(description="How many of its streams fall", examples=[2])]
    unanswered: Annotated[int, Field(description="How many of its open alerts nobody acknowledged", examples=[2])]
    unanswered_since: datetime | None
    shelved: Annotated[int, Field(description="How many of its alerts are put aside for a while", examples=[0])]
    changed_at: datetime
    members: Annotated[tuple[IncidentMember, ...], Field(description="Its alerts, also the closed ones, oldest first")]


def list_incidents(
    connection: Connection,
    levels: Mapping[str, CurrentLevel],
    *,
    state: IncidentState | None = None,
    after: int | None = None,
    limit: int,
) -> list[Incident]:
    """Incidents, the newest first; `after`: those older than this number. `levels`: of streams, by station."""
    query = _QUERY
    if state is not None:
        query = query.where(incidents.c.state == state)
    if after is not None:
        query = query.where(incidents.c.id < after)
    rows = connection.execute(query.order_by(incidents.c.id.desc()).limit(limit)).all()
    return _with_members(connection, rows, levels)


def one_incident(connection: Connection, incident: int, levels: Mapping[str, CurrentLevel]) -> Incident | None:
    """The incident of that number; None where there is none."""
    rows = connection.execute(_QUERY.where(incidents.c.id == incident)).all()
    return next(iter(_with_members(connection, rows, levels)), None)


def incident_actions(connection: Connection, incident: int, audience: Audience) -> list[Action]:
    """Actions on the incident and on its alerts, oldest first."""
    return [Action(**row._mapping) for row in incident_action_rows(connection, incident, audience)]


def _with_members(
    connection: Connection, rows: Sequence[Row[Any]], levels: Mapping[str, CurrentLevel]
) -> list[Incident]:
    query = alert_query(Audience.PUBLIC).where(alerts.c.incident_id.in_([row.id for row in rows]))
    members: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for alert in connection.execute(query.order_by(alerts.c.id)):
        members[alert.incident_id].append(alert)
    return [_incident(row, members[row.id], levels) for row in rows]


def _incident(row: Row[Any], members: Sequence[Row[Any]], levels: Mapping[str, CurrentLevel]) -> Incident:
    summary = summarise([one for one in members if one.state != "closed"], levels)
    return Incident(
        **row._mapping,
        nar=int(summary.nar),
        highest_nar=max((one.highest_nar for one in members), default=0),
        rule_nar=int(summary.rule_nar),
        proposed=summary.proposed,
        driver=summary.driver,
        stations=summary.stations,
        rising=summary.rising,
        falling=summary.falling,
        unanswered=summary.unanswered,
        unanswered_since=summary.unanswered_since,
        shelved=summary.shelved,
        changed_at=max((one.changed_at for one in members), default=row.opened_at),
        members=tuple(_member(one) for one in members),
    )


def _member(alert: Row[Any]) -> IncidentMember:
    return IncidentMember(
        alert_id=alert.id,
        subject=alert.subject,
        judgement=alert.judgement,
        membership=alert.membership,
        state=alert.state,
        nar=alert.nar,
        rule_nar=alert.rule_nar,
        acknowledged=alert.acknowledged_at is not None,
        shelved=alert.shelved_until is not None,
    )
