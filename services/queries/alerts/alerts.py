"""Alerts, their transitions and the actions of operators, as the API returns them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import Connection, Row, Select, select

from models.incident import EXERCISE_RULE
from models.reading import evidence_in_words
from models.tables.alerts import alert_actions, alerts, transitions
from models.tables.city import stations
from services.queries.alerts.alert_history import REAL, action_query, alert_columns
from services.queries.stations.places import Colour
from services.runtime.audience import Audience

AlertState = Literal["firing", "cleared", "closed"]
ActionName = Literal[
    "acknowledge",
    "acknowledgement_expired",
    "answer",
    "calm",
    "close",
    "comment",
    "escalate",
    "flapping",
    "lower",
    "shelf_broken",
    "shelf_ended",
    "shelve",
    "unshelve",
    "withdraw",
]
MAX_TRANSITIONS = 200
MAX_ACTIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedCrossing:
    """When the forecast reaches the next threshold: expected, and between the earliest and the latest of 80 %."""

    expected_at: datetime
    earliest_at: datetime
    latest_at: Annotated[
        datetime | None, Field(description="null: one forecast in ten does not reach it while the forecast lasts")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelNow:
    """The stream's level now, whatever raised the alert: its newest trusted value and what follows from it."""

    level_m: Annotated[float, Field(examples=[2.48])]
    observed_at: datetime
    age_s: Annotated[float, Field(examples=[34.0])]
    fresh: Annotated[bool, Field(description="False: too old to say how things are now; without rate and crossing")]
    rate_m_h: Annotated[float | None, Field(examples=[0.33])]
    reached: Annotated[Colour, Field(description="The highest colour whose threshold the level is at or above")]
    above_m: Annotated[float | None, Field(description="By how much", examples=[0.48])]
    next: Annotated[Colour | None, Field(description="The next colour; null above rojo and without thresholds")]
    missing_m: Annotated[float | None, Field(description="How much is missing to its threshold", examples=[0.12])]
    crossing: Annotated[ExpectedCrossing | None, Field(description="Of that threshold, where the forecast reaches it")]
    text_es: Annotated[str, Field(examples=["Ahora 2,48 m, de hace 1 min, +0,33 m/h; faltan 12 cm para rojo"])]
    text_en: Annotated[str, Field(examples=["Now 2.48 m, 1 min old, +0.33 m/h; 12 cm below red"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """The current state of an alert. `nar`: the level it shows; `highest_nar`: its highest level so far.

    Where `nar` is above `rule_nar`, the system proposes the lower level since `changed_at`, and a person has yet to
    confirm it, or the alert is flapping.
    """

    id: Annotated[int, Field(examples=[7])]
    rule_id: Annotated[str, Field(examples=["gato-143-524.stage"])]
    rule_version: Annotated[int, Field(examples=[1])]
    subject: Annotated[str, Field(description="A station, or municipality:ID for an outage", examples=["gato-143-524"])]
    name: Annotated[str | None, Field(description="The station's name", examples=["Arroyo del Gato, 143 y 524"])]
    municipality: Annotated[str | None, Field(examples=["laplata"])]
    kind: Annotated[str, Field(examples=["river"])]
    judgement: Annotated[str, Field(description="Type of the rule", examples=["stage"])]
    state: Annotated[
        AlertState, Field(description="cleared: the rule no longer holds it; an operator has yet to close it")
    ]
    nar: Colour
    rule_nar: Annotated[Colour, Field(description="The level that the rule holds now")]
    held_nar: Annotated[
        Colour, Field(description="The level below which nothing shows until a person confirms, or flapping ends")
    ]
    highest_nar: Colour
    cause: Annotated[str, Field(description="Evidence of the last change", examples=["level"])]
    confirmed: Annotated[bool, Field(description="False: rests on a value that nothing else has confirmed yet")]
    observed_at: datetime
    opened_at: Annotated[
        datetime, Field(description="Since when it fires; anew where it fires again after being cleared")
    ]
    changed_at: datetime
    cleared_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: Annotated[str | None, Field(description="A name for operators, a role for the public")]
    acknowledged_until: Annotated[
        datetime | None, Field(description="When the acknowledgement expires while the alert still fires")
    ]
    waiting_since: Annotated[datetime | None, Field(description="Since when it asks to be acknowledged")]
    waiting_because: Annotated[
        str | None,
        Field(
            description="Why it asks: opened, graver, fired_again, expired, withdrawn or unshelved",
            examples=["expired"],
        ),
    ]
    shelved_until: Annotated[
        datetime | None, Field(description="Put aside until then; a graver level than shelved_nar ends it at once")
    ]
    shelved_by: Annotated[
        str | None, Field(description="A name for operators, a role for the public", examples=["operator"])
    ]
    shelved_nar: Colour | None
    flapping_since: Annotated[
        datetime | None,
        Field(description="Its level changes too often: the highest is held, changes are not announced"),
    ]
    closed_at: datetime | None
    closed_by: Annotated[str | None, Field(description="The same; rule where its rule closed it")]
    evidence: Annotated[dict[str, Any], Field(examples=[{"level_m": 1.62, "thresholds_m": [1.0, 1.5, 2.0]}])]
    version: Annotated[int, Field(description="To be sent back with an action", examples=[3])]
    incident_id: Annotated[
        int | None, Field(description="The incident it belongs to; null for one closed long ago", examples=[4])
    ]
    membership: Annotated[str | None, Field(description="Why it belongs to its incident", examples=["stream"])]
    level_now: Annotated[LevelNow | None, Field(description="Of the stream of an alert that is not closed")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A transition: one change of one rule's state, with its evidence."""

    id: Annotated[int, Field(examples=[12])]
    alert_id: Annotated[int | None, Field(examples=[7])]
    rule_id: Annotated[str, Field(examples=["gato-143-524.stage"])]
    rule_version: Annotated[int, Field(examples=[1])]
    subject: Annotated[str, Field(examples=["gato-143-524"])]
    before: Colour
    after: Colour
    change: Annotated[str, Field(examples=["escalated"])]
    cause: Annotated[str, Field(examples=["level"])]
    confirmed: bool
    observed_at: datetime
    decided_at: datetime
    evidence: Annotated[dict[str, Any], Field(examples=[{"level_m": 1.62, "thresholds_m": [1.0, 1.5, 2.0]}])]
    announced: Annotated[
        str | None, Field(description="Why operators were told; null where they were not", examples=["own_rise"])
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action on an alert or an incident: by a person, or by a rule where its actor is `rule`."""

    id: Annotated[int, Field(examples=[3])]
    alert_id: Annotated[int | None, Field(description="null where it is about the whole incident", examples=[7])]
    incident_id: Annotated[int | None, Field(description="null where it is about one alert", examples=[4])]
    at: datetime
    actor: Annotated[str, Field(description="A name for operators, a role for the public", examples=["operator"])]
    action: ActionName
    nar: Annotated[Colour | None, Field(description="The level shown after it; null for an old action")]
    note: Annotated[str, Field(description="For operators; empty for the public", examples=["Cuadrilla en camino."])]
    redacted_at: Annotated[datetime | None, Field(description="Since when the note is redacted")]
    redacted_by: str | None
    redaction_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStory:
    """An alert with its newest transitions and actions, oldest first."""

    alert: Alert
    transitions: tuple[Move, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts; None does not filter. `state` "open" means not closed."""

    state: AlertState | Literal["open"] | None = None
    least_nar: int | None = None
    kind: str | None = None
    station: str | None = None
    municipality: str | None = None
    since: datetime | None = None


def list_alerts(
    connection: Connection, criteria: AlertFilter, audience: Audience, *, after: int | None, limit: int
) -> list[Alert]:
    """Alerts, the newest first; `after`: those older than this number. `since` looks at their last change."""
    query = _alert_query(audience)
    match criteria.state:
        case None:
            pass
        case "open":
            query = query.where(alerts.c.state != "closed")
        case state:
            query = query.where(alerts.c.state == state)
    if criteria.least_nar is not None:
        query = query.where(alerts.c.nar >= criteria.least_nar)
    if criteria.kind is not None:
        query = query.where(alerts.c.kind == criteria.kind)
    if criteria.station is not None:
        query = query.where(alerts.c.subject == criteria.station)
    if criteria.municipality is not None:
        outage_subject = f"municipality:{criteria.municipality}"
        query = query.where(
            (stations.c.municipality_id == criteria.municipality) | (alerts.c.subject == outage_subject)
        )
    if criteria.since is not None:
        query = query.where(alerts.c.changed_at >= criteria.since)
    if after is not None:
        query = query.where(alerts.c.id < after)
    rows = connection.execute(query.order_by(alerts.c.id.desc()).limit(limit))
    return [Alert(**_in_words(row)) for row in rows]


def one_alert(connection: Connection, alert_id: int, audience: Audience) -> AlertStory | None:
    """The alert of that number with its transitions and actions; None where there is none."""
    row = connection.execute(_alert_query(audience).where(alerts.c.id == alert_id)).one_or_none()
    if row is None:
        return None
    changes = list_transitions(connection, alert_id=alert_id, limit=MAX_TRANSITIONS)
    query = action_query(audience).where(alert_actions.c.alert_id == alert_id)
    actions = connection.execute(query.order_by(alert_actions.c.id.desc()).limit(MAX_ACTIONS)).all()
    return AlertStory(
        alert=Alert(**_in_words(row)),
        transitions=tuple(reversed(changes)),
        actions=tuple(Action(**action._mapping) for action in reversed(actions)),
    )


def list_transitions(
    connection: Connection,
    *,
    alert_id: int | None = None,
    station: str | None = None,
    since: datetime | None = None,
    after: int | None = None,
    limit: int,
) -> list[Move]:
    """Transitions, the newest first; `after`: those older than this number. `since` looks at when they were decided."""
    query = select(transitions).where(transitions.c.rule_id.not_like(f"{EXERCISE_RULE}%"))
    if alert_id is not None:
        query = query.where(transitions.c.alert_id == alert_id)
    if station is not None:
        query = query.where(transitions.c.subject == station)
    if since is not None:
        query = query.where(transitions.c.decided_at >= since)
    if after is not None:
        query = query.where(transitions.c.id < after)
    return [Move(**_in_words(row)) for row in connection.execute(query.order_by(transitions.c.id.desc()).limit(limit))]


def _alert_query(audience: Audience) -> Select[Any]:
    """Alerts of real events: programs never get those of exercises."""
    return (
        select(*alert_columns(audience), stations.c.name, stations.c.municipality_id.label("municipality"))
        .select_from(alerts.outerjoin(stations, alerts.c.subject == stations.c.id))
        .where(REAL)
    )


def _in_words(row: Row[Any]) -> dict[str, Any]:
    return {**row._mapping, "evidence": evidence_in_words(row.evidence)}
