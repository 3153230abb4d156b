"""The foundation: places, devices, rules, alerts, notices and events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from models.tables import Xid8

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="A station, or municipality:ID for an outage"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("judgement", sa.Text(), nullable=False, comment="Which sort of rule: stage, rainfall, silence, ..."),
        sa.Column("state", sa.Text(), nullable=False, comment="firing, cleared or closed"),
        sa.Column("nar", sa.SmallInteger(), nullable=False),
        sa.Column("highest_nar", sa.SmallInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name=op.f("alerts_closed_check")),
        sa.CheckConstraint("state IN ('firing', 'cleared', 'closed')", name=op.f("alerts_state_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("alerts_pkey")),
    )
    op.create_index(
        "alerts_one_open", "alerts", ["rule_id", "subject"], unique=True, postgresql_where=sa.text("state <> 'closed'")
    )
    op.create_index(op.f("alerts_opened_at"), "alerts", ["opened_at"], unique=False)
    op.create_index(op.f("alerts_subject"), "alerts", ["subject"], unique=False)
    op.create_table(
        "attention",
        sa.Column("subject", sa.Text(), nullable=False, comment="basin:ID, municipality:ID or outage:ID:KIND"),
        sa.Column("nar", sa.SmallInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("attention_pkey")),
    )
    op.create_table(
        "configuration",
        sa.Column("id", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "version", sa.BigInteger(), nullable=False, comment="Rises with every load, so that processes look again"
        ),
        sa.Column(
            "city", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="The city's name and time zone"
        ),
        sa.CheckConstraint("id = 1", name=op.f("configuration_single_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("configuration_pkey")),
    )
    op.create_table(
        "contacts",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("least_nar", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("contacts_pkey")),
        sa.UniqueConstraint("channel", "address", name=op.f("contacts_channel_address_key")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.Text(), nullable=False, comment="readings, transition, alert, device or attention"),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("events_pkey")),
    )
    op.create_index(op.f("events_at"), "events", ["at"], unique=False)
    op.create_index(op.f("events_xid_id"), "events", ["xid", "id"], unique=False)
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("heartbeats_pkey")),
    )
    op.create_table(
        "municipalities",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("municipalities_pkey")),
    )
    op.create_table(
        "operators",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False, comment="Of a 256-bit random token, shown once"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("operators_pkey")),
        sa.UniqueConstraint("name", name=op.f("operators_name_key")),
        sa.UniqueConstraint("token_sha256", name=op.f("operators_token_sha256_key")),
    )
    op.create_table(
        "rejected_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("reingested_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("rejected_messages_pkey")),
    )
    op.create_index(op.f("rejected_messages_reason_id"), "rejected_messages", ["reason", "id"], unique=False)
    op.create_index(op.f("rejected_messages_received_at"), "rejected_messages", ["received_at"], unique=False)
    op.create_index(
        "rejected_messages_said",
        "rejected_messages",
        [sa.literal_column("hashtextextended((topic || '#') || encode(payload, 'hex'), 0)"), "received_at"],
        unique=False,
    )
    op.create_table(
        "subject_states",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="Rises with every change"),
        sa.Column(
            "states", sa.Text(), nullable=False, comment="What each rule remembers of this subject, JSON by rule"
        ),
        sa.Column(
            "colours",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="The colour each rule holds, by rule",
        ),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("subject_states_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "alert_actions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("action IN ('acknowledge', 'comment', 'close')", name=op.f("alert_actions_action_check")),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("alert_actions_alert_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("alert_actions_pkey")),
    )
    op.create_index(op.f("alert_actions_alert_id"), "alert_actions", ["alert_id"], unique=False)
    op.create_table(
        "basins",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("municipality_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "geometry", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="GeoJSON geometry, WGS 84"
        ),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("basins_municipality_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("basins_pkey")),
    )
    op.create_index(op.f("basins_municipality_id"), "basins", ["municipality_id"], unique=False)
    op.create_table(
        "transitions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=True),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", sa.SmallInteger(), nullable=False),
        sa.Column("after", sa.SmallInteger(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("transitions_alert_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("transitions_pkey")),
    )
    op.create_index(op.f("transitions_alert_id"), "transitions", ["alert_id"], unique=False)
    op.create_index(op.f("transitions_decided_at"), "transitions", ["decided_at"], unique=False)
    op.create_index(op.f("transitions_subject_id"), "transitions", ["subject", "id"], unique=False)
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("transition_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("dedup_key", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused", sa.Text(), nullable=True, comment="The channel's final no"),
        sa.Column("trouble", sa.Text(), nullable=True, comment="What the last attempt met"),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("notices_alert_id_fkey")),
        sa.ForeignKeyConstraint(["transition_id"], ["transitions.id"], name=op.f("notices_transition_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("notices_pkey")),
        sa.UniqueConstraint("dedup_key", name=op.f("notices_dedup_key_key")),
    )
    op.create_index(op.f("notices_alert_id"), "notices", ["alert_id"], unique=False)
    op.create_index(
        "notices_due",
        "notices",
        ["not_before"],
        unique=False,
        postgresql_where=sa.text("sent_at IS NULL AND refused IS NULL"),
    )
    op.create_table(
        "stations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("municipality_id", sa.Text(), nullable=False),
        sa.Column("basin_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("street", sa.Text(), nullable=True, comment="For radars: the street whose speeds are counted"),
        sa.Column(
            "speed_limits",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="For radars: limits in km/h by hour, see docs/seed.md",
        ),
        sa.Column(
            "site_limits",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="Lowest and highest value ever thought possible here",
        ),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.ForeignKeyConstraint(["basin_id"], ["basins.id"], name=op.f("stations_basin_id_fkey")),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("stations_municipality_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("stations_pkey")),
    )
    op.create_index(op.f("stations_basin_id"), "stations", ["basin_id"], unique=False)
    op.create_index(op.f("stations_municipality_id"), "stations", ["municipality_id"], unique=False)
    op.create_table(
        "devices",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "municipality",
            sa.Text(),
            nullable=False,
            comment="As in the topic; an unregistered device may name an unknown one",
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("online", sa.Boolean(), nullable=True, comment="By birth and last will; null until either came"),
        sa.Column("online_since", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("devices_station_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("devices_pkey")),
        sa.UniqueConstraint("municipality", "kind", "code", name=op.f("devices_municipality_kind_code_key")),
    )
    op.create_index(op.f("devices_station_id"), "devices", ["station_id"], unique=False)
    op.create_table(
        "forecast_models",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("model", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("forecast_models_station_id_fkey")),
        sa.PrimaryKeyConstraint("station_id", name=op.f("forecast_models_pkey")),
    )
    op.create_table(
        "rules",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("judgement", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["subject"], ["stations.id"], name=op.f("rules_subject_fkey")),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("rules_pkey")),
    )
    op.create_index("rules_one_active_version", "rules", ["id"], unique=True, postgresql_where=sa.text("active"))
    op.create_table(
        "device_memories",
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="Rises with every change"),
        sa.Column(
            "memory", sa.Text(), nullable=False, comment="What the quality checks and gap counting remember, JSON"
        ),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "latest",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="The newest reading's columns, raw",
        ),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("device_memories_device_id_fkey")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("device_memories_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "sequence_gaps",
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column(
            "filled", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="Came later, out of order"
        ),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("sequence_gaps_device_id_fkey")),
        sa.PrimaryKeyConstraint("device_id", "boot", "first_seq", name=op.f("sequence_gaps_pkey")),
    )
