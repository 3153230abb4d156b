"""Every table. The readings' tables are derived from KINDS, so that a payload's field is its column."""

import types
import typing

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.type_api import TypeEngine
from sqlalchemy.types import UserDefinedType

from models.kind import SensorKind
from models.kinds import KINDS

METADATA = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64-bit transaction identifier, which never wraps."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in SQL."""
        return "xid8"


def _moment(name: str, *, nullable: bool = False) -> Column[typing.Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


configuration = Table(
    "configuration",
    METADATA,
    Column("id", SmallInteger, primary_key=True, server_default=text("1")),
    Column("version", BigInteger, nullable=False, comment="Rises with every load, so that processes look again"),
    Column("city", JSONB, nullable=False, comment="The city's name and time zone"),
    CheckConstraint("id = 1", name="single"),
)

municipalities = Table(
    "municipalities",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
)

basins = Table(
    "basins",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("municipality_id", ForeignKey("municipalities.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("geometry", JSONB, nullable=True, comment="GeoJSON geometry, WGS 84"),
    Column("note", Text, nullable=False, server_default=""),
)

stations = Table(
    "stations",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("municipality_id", ForeignKey("municipalities.id"), nullable=False, index=True),
    Column("basin_id", ForeignKey("basins.id"), nullable=True, index=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
    Column("street", Text, nullable=True, comment="For radars: the street whose speeds are counted"),
    Column("speed_limits", JSONB, nullable=True, comment="For radars: limits in km/h by hour, see docs/seed.md"),
    Column("site_limits", JSONB, nullable=True, comment="Lowest and highest value ever thought possible here"),
    Column("note", Text, nullable=False, server_default=""),
    Column("active", Boolean, nullable=False, server_default=text("true")),
)

devices = Table(
    "devices",
    METADATA,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column(
        "municipality", Text, nullable=False, comment="As in the topic; an unregistered device may name an unknown one"
    ),
    Column("kind", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("station_id", ForeignKey("stations.id"), nullable=True, index=True),
    _moment("first_seen_at", nullable=True),
    _moment("registered_at", nullable=True),
    Column("online", Boolean, nullable=True, comment="By birth and last will; null until either came"),
    _moment("online_since", nullable=True),
    UniqueConstraint("municipality", "kind", "code"),
)

device_memories = Table(
    "device_memories",
    METADATA,
    Column("device_id", ForeignKey("devices.id"), primary_key=True),
    Column("version", BigInteger, nullable=False, comment="Rises with every change"),
    # Text, not JSON: the server need not read what only its writer reads.
    Column("memory", Text, nullable=False, comment="What the quality checks and gap counting remember, JSON"),
    _moment("observed_at"),
    _moment("received_at"),
    Column("latest", JSONB, nullable=False, comment="The newest reading's columns, raw"),
    Column("flags", Integer, nullable=False),
    postgresql_with={"fillfactor": 50},
)

sequence_gaps = Table(
    "sequence_gaps",
    METADATA,
    Column("device_id", ForeignKey("devices.id"), nullable=False),
    Column("boot", Text, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("filled", BigInteger, nullable=False, server_default=text("0"), comment="Came later, out of order"),
    _moment("seen_at"),
    PrimaryKeyConstraint("device_id", "boot", "first_seq"),
)

rejected_messages = Table(
    "rejected_messages",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _moment("received_at"),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    _moment("reingested_at", nullable=True),
    Index(None, "received_at"),
    Index(None, "reason", "id"),
    Index(
        "rejected_messages_said",
        text("hashtextextended((topic || '#') || encode(payload, 'hex'), 0)"),
        "received_at",
    ),
)

rules = Table(
    "rules",
    METADATA,
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", ForeignKey("stations.id"), nullable=False),
    Column("judgement", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    _moment("changed_at"),
    PrimaryKeyConstraint("id", "version"),
    Index("rules_one_active_version", "id", unique=True, postgresql_where=text("active")),
)

subject_states = Table(
    "subject_states",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("version", BigInteger, nullable=False, comment="Rises with every change"),
    Column("states", Text, nullable=False, comment="What each rule remembers of this subject, JSON by rule"),
    Column("colours", JSONB, nullable=False, comment="The colour each rule holds, by rule"),
    # No index on it: it changes with every batch, and an update of an unindexed column stays within its page.
    _moment("judged_at"),
    postgresql_with={"fillfactor": 50},
)

alerts = Table(
    "alerts",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("rule_id", Text, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("subject", Text, nullable=False, index=True, comment="A station, or municipality:ID for an outage"),
    Column("kind", Text, nullable=False),
    Column("judgement", Text, nullable=False, comment="Which sort of rule: stage, rainfall, silence, ..."),
    Column("state", Text, nullable=False, comment="firing, cleared or closed"),
    Column("nar", SmallInteger, nullable=False),
    Column("highest_nar", SmallInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    _moment("observed_at"),
    _moment("opened_at"),
    _moment("changed_at"),
    _moment("cleared_at", nullable=True),
    _moment("acknowledged_at", nullable=True),
    Column("acknowledged_by", Text, nullable=True),
    _moment("closed_at", nullable=True),
    Column("closed_by", Text, nullable=True),
    Column("evidence", JSONB, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    CheckConstraint("state IN ('firing', 'cleared', 'closed')", name="state"),
    CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed"),
    Index("alerts_one_open", "rule_id", "subject", unique=True, postgresql_where=text("state <> 'closed'")),
    Index(None, "opened_at"),
)

alert_actions = Table(
    "alert_actions",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False, index=True),
    _moment("at"),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    CheckConstraint("action IN ('acknowledge', 'comment', 'close')", name="action"),
)

transitions = Table(
    "transitions",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=True, index=True),
    Column("rule_id", Text, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", SmallInteger, nullable=False),
    Column("after", SmallInteger, nullable=False),
    Column("change", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    _moment("observed_at"),
    _moment("decided_at"),
    Column("evidence", JSONB, nullable=False),
    Index(None, "subject", "id"),
    Index(None, "decided_at"),
)

attention = Table(
    "attention",
    METADATA,
    Column("subject", Text, primary_key=True, comment="basin:ID, municipality:ID or outage:ID:KIND"),
    Column("nar", SmallInteger, nullable=False),
    _moment("since"),
    Column("evidence", JSONB, nullable=False),
)

contacts = Table(
    "contacts",
    METADATA,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("least_nar", SmallInteger, nullable=False),
    UniqueConstraint("channel", "address"),
)

notices = Table(
    "notices",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False, index=True),
    Column("transition_id", ForeignKey("transitions.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("dedup_key", Text, nullable=False, unique=True),
    Column("body", JSONB, nullable=False),
    _moment("not_before"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _moment("leased_until", nullable=True),
    _moment("sent_at", nullable=True),
    Column("refused", Text, nullable=True, comment="The channel's final no"),
    Column("trouble", Text, nullable=True, comment="What the last attempt met"),
    Index("notices_due", "not_before", postgresql_where=text("sent_at IS NULL AND refused IS NULL")),
)

events = Table(
    "events",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    _moment("at"),
    Column("event", Text, nullable=False, comment="readings, transition, alert, device or attention"),
    Column("data", JSON, nullable=False),
    Index(None, "xid", "id"),
    Index(None, "at"),
)

heartbeats = Table(
    "heartbeats",
    METADATA,
    Column("process", Text, primary_key=True),
    _moment("at"),
    _moment("started_at"),
    Column("status", JSONB, nullable=False),
)

forecast_models = Table(
    "forecast_models",
    METADATA,
    Column("station_id", ForeignKey("stations.id"), primary_key=True),
    Column("model", JSONB, nullable=False),
    _moment("fitted_at"),
)

operators = Table(
    "operators",
    METADATA,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("token_sha256", LargeBinary, nullable=False, unique=True, comment="Of a 256-bit random token, shown once"),
    _moment("created_at"),
)


def _column_type(annotation: object) -> TypeEngine[typing.Any]:
    """The SQL type of a payload field; optional fields are nullable columns of their inner type."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        inner = [part for part in typing.get_args(annotation) if part is not type(None)]
        return _column_type(inner[0])
    match typing.get_origin(annotation) or annotation:
        case builtin if builtin is float:
            return Double()
        case builtin if builtin is int:
            return Integer()
        case builtin if builtin is bool:
            return Boolean()
        case builtin if builtin is str or builtin is typing.Literal:
            return Text()
        case builtin if builtin is tuple:
            return ARRAY(Integer)
    raise TypeError(f"no column type for a payload field of type {annotation!r}: add it to models.tables")


def _readings_table(kind: SensorKind) -> Table:
    fields = kind.payload.model_fields
    return Table(
        f"{kind.name}_readings",
        METADATA,
        Column("device_id", Integer, nullable=False),
        _moment("observed_at"),
        Column("seq", BigInteger, nullable=False),
        _moment("received_at"),
        *(Column(name, _column_type(fields[name].annotation), nullable=True) for name in kind.columns),
        Column("flags", Integer, nullable=False),
        PrimaryKeyConstraint("device_id", "observed_at", "seq"),
        info={"kind": kind},
    )


READINGS: dict[str, Table] = {kind.name: _readings_table(kind) for kind in KINDS}
