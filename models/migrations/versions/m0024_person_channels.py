"""People's channels, what was tried to tell a person of a notice, and codes to answer by text message."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_person_channels()
    op.create_table(
        "notice_deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("notice_id", sa.BigInteger(), nullable=False),
        sa.Column("person_channel_id", sa.BigInteger(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False, comment="Stays when the person's channel is deleted"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, comment="Attempts that did not succeed for sure"),
        sa.Column(
            "outcome", sa.Text(), nullable=False, comment="Of the last attempt: sent, failed, unknown or refused"
        ),
        sa.Column("trouble", sa.Text(), nullable=True, comment="What the last attempt met, without the address"),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('sent', 'failed', 'unknown', 'refused')", name=op.f("notice_deliveries_outcome_check")
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name=op.f("notice_deliveries_notice_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_channel_id"],
            ["person_channels.id"],
            name=op.f("notice_deliveries_person_channel_id_fkey"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("notice_deliveries_pkey")),
        sa.UniqueConstraint(
            "notice_id", "person_channel_id", name=op.f("notice_deliveries_notice_id_person_channel_id_key")
        ),
    )
    op.create_index(op.f("notice_deliveries_person_channel_id"), "notice_deliveries", ["person_channel_id"])
    op.create_index(op.f("notice_deliveries_last_at"), "notice_deliveries", ["last_at"])
    op.create_table(
        "sms_codes",
        sa.Column("notice_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False, comment="Four digits; valid only from a number of the person"),
        sa.Column(
            "seen",
            postgresql.JSONB(),
            nullable=False,
            comment="The alerts and colours that the message stood for",
        ),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name=op.f("sms_codes_notice_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("sms_codes_person_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("sms_codes_incident_id_fkey")),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("sms_codes_pkey")),
    )
    op.create_index("sms_codes_of_person", "sms_codes", ["person_id", "code"])
    _change_notices()


def _create_person_channels() -> None:
    op.create_table(
        "person_channels",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False, comment="console, apprise, webhook, webpush or sms"),
        sa.Column(
            "address",
            sa.Text(),
            nullable=False,
            comment="May hold a secret: shown to the person and who administers people",
        ),
        sa.Column("position", sa.SmallInteger(), nullable=False, comment="The lowest is tried first"),
        sa.Column(
            "told_of_exercises", sa.Boolean(), nullable=False, comment="Whether drills and training may come here"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("test_code_sha256", sa.Text(), nullable=True),
        sa.Column("test_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("test_tries", sa.SmallInteger(), server_default="0", nullable=False, comment="Wrong codes entered"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "channel IN ('console', 'apprise', 'webhook', 'webpush', 'sms')", name=op.f("person_channels_channel_check")
        ),
        sa.CheckConstraint("char_length(address) BETWEEN 1 AND 2000", name=op.f("person_channels_address_check")),
        sa.CheckConstraint(
            "(test_code_sha256 IS NULL) = (test_ends_at IS NULL)", name=op.f("person_channels_test_check")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("person_channels_person_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("person_channels_pkey")),
    )
    op.create_index(op.f("person_channels_person_id"), "person_channels", ["person_id"])
    op.create_index(
        "person_channels_in_use",
        "person_channels",
        ["person_id", "channel", sa.text("md5(address)")],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _change_notices() -> None:
    op.add_column(
        "notices",
        sa.Column(
            "person_channel_id",
            sa.BigInteger(),
            nullable=True,
            comment="The only channel that may carry it, as in its test",
        ),
    )
    op.create_foreign_key(
        op.f("notices_person_channel_id_fkey"),
        "notices",
        "person_channels",
        ["person_channel_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_index(
        "notices_of_lane",
        "notices",
        ["channel", "recipient", "priority", "id"],
        postgresql_where=sa.text("sent_at IS NULL AND refused IS NULL"),
    )
