"""The rota, the escalation of incidents and the phone tree; notices to persons, about an incident."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _escalation()
    _rota()
    _phone()
    _notices()


def _escalation() -> None:
    op.create_table(
        "escalation_steps",
        sa.Column("municipality_id", sa.Text(), nullable=False),
        sa.Column("nar", sa.SmallInteger(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False, comment="From 0"),
        sa.Column("after_s", sa.Integer(), nullable=False, comment="Since the escalation began"),
        sa.Column("position", sa.Text(), nullable=False, comment="operator, second, chief or everybody"),
        sa.Column(
            "all_answer", sa.Boolean(), nullable=False, comment="Every person called must answer, not the first alone"
        ),
        sa.CheckConstraint(
            "position IN ('operator', 'second', 'chief', 'everybody')", name=op.f("escalation_steps_position_check")
        ),
        sa.CheckConstraint("after_s BETWEEN 0 AND 86400", name=op.f("escalation_steps_after_check")),
        sa.CheckConstraint("nar BETWEEN 1 AND 3", name=op.f("escalation_steps_nar_check")),
        sa.CheckConstraint("step BETWEEN 0 AND 15", name=op.f("escalation_steps_step_check")),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("escalation_steps_municipality_id_fkey")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "nar", "step", name=op.f("escalation_steps_pkey")),
    )
    op.create_table(
        "escalations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "run", sa.Integer(), nullable=False, comment="From 1: an incident that asks again is escalated again"
        ),
        sa.Column("nar", sa.SmallInteger(), nullable=False, comment="The colour that asks to be acknowledged"),
        sa.Column("reason", sa.Text(), nullable=False, comment="asks, graver or again"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True, comment="answered, over or graver"),
        sa.CheckConstraint("reason IN ('asks', 'graver', 'again')", name=op.f("escalations_reason_check")),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name=op.f("escalations_ended_check")),
        sa.CheckConstraint("nar BETWEEN 1 AND 3", name=op.f("escalations_nar_check")),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("escalations_incident_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("escalations_pkey")),
        sa.UniqueConstraint("incident_id", "run", name=op.f("escalations_incident_id_run_key")),
    )
    op.create_index(
        "escalations_one_running",
        "escalations",
        ["incident_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "escalation_calls",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("escalation_id", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False, comment="Grows on where the last step is repeated"),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True, comment="Null: nobody has the position"),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("unreached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unreached_why", sa.Text(), nullable=True, comment="nobody, no_channel or failed"),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(unreached_at IS NULL) = (unreached_why IS NULL)", name=op.f("escalation_calls_unreached_check")
        ),
        sa.ForeignKeyConstraint(
            ["escalation_id"], ["escalations.id"], name=op.f("escalation_calls_escalation_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("escalation_calls_person_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("escalation_calls_pkey")),
        sa.UniqueConstraint(
            "escalation_id", "step", "person_id", name=op.f("escalation_calls_escalation_id_step_person_id_key")
        ),
    )
    op.create_index(
        "escalation_calls_one_nobody",
        "escalation_calls",
        ["escalation_id", "step"],
        unique=True,
        postgresql_where=sa.text("person_id IS NULL"),
    )
    op.create_index(op.f("escalation_calls_person_id"), "escalation_calls", ["person_id"])


def _rota() -> None:
    op.create_table(
        "handovers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_by", sa.Text(), nullable=False),
        sa.Column(
            "summary", postgresql.JSONB(), nullable=False, comment="What was open when the watch was handed over"
        ),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name=op.f("handovers_acknowledged_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("handovers_pkey")),
    )
    op.create_index(op.f("handovers_given_at"), "handovers", ["given_at"])
    op.create_table(
        "shift_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="cover (asked of another), override (ordered) or take (the watch, now)",
        ),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False, comment="Who is on duty instead"),
        sa.Column("instead_of", sa.BigInteger(), nullable=True, comment="Null: instead of whoever is on duty"),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Text(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("kind IN ('cover', 'override', 'take')", name=op.f("shift_changes_kind_check")),
        sa.CheckConstraint("position IN ('operator', 'second', 'chief')", name=op.f("shift_changes_position_check")),
        sa.CheckConstraint("(accepted_at IS NULL) = (accepted_by IS NULL)", name=op.f("shift_changes_accepted_check")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("shift_changes_period_check")),
        sa.ForeignKeyConstraint(
            ["instead_of"], ["people.id"], name=op.f("shift_changes_instead_of_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("shift_changes_person_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("shift_changes_pkey")),
    )
    op.create_index(op.f("shift_changes_ends_at"), "shift_changes", ["ends_at"])
    op.create_index(op.f("shift_changes_person_id"), "shift_changes", ["person_id"])
    op.create_table(
        "shifts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False, comment="municipality:ID or basin:ID"),
        sa.Column("position", sa.Text(), nullable=False, comment="operator, second or chief: the place in the chain"),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False, comment="Day 0 of the cycle"),
        sa.Column("last_day", sa.Date(), nullable=True, comment="The last day on which a turn may begin"),
        sa.Column("cycle_days", sa.SmallInteger(), nullable=False, comment="7 for a weekly pattern"),
        sa.Column(
            "days",
            postgresql.ARRAY(sa.SmallInteger()),
            nullable=False,
            comment="Days of the cycle on which a turn begins, from 0",
        ),
        sa.Column("from_time", sa.Time(), nullable=False, comment="In the city's time zone"),
        sa.Column("to_time", sa.Time(), nullable=False, comment="Of the next day where it is not after from_time"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.CheckConstraint("position IN ('operator', 'second', 'chief')", name=op.f("shifts_position_check")),
        sa.CheckConstraint("cardinality(days) BETWEEN 1 AND 366", name=op.f("shifts_days_check")),
        sa.CheckConstraint("cycle_days BETWEEN 1 AND 366", name=op.f("shifts_cycle_check")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("shifts_person_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("shifts_pkey")),
    )
    op.create_index(op.f("shifts_person_id"), "shifts", ["person_id"])


def _phone() -> None:
    op.create_table(
        "phone_tree",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("municipality_id", sa.Text(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False, comment="The order in which they are called"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("function", sa.Text(), server_default="", nullable=False, comment="What they are called for"),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("phone_tree_municipality_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("phone_tree_pkey")),
    )
    op.create_index(op.f("phone_tree_municipality_id"), "phone_tree", ["municipality_id"])
    op.create_table(
        "phone_tree_calls",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False, comment="answered or no_answer"),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("answer IN ('answered', 'no_answer')", name=op.f("phone_tree_calls_answer_check")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["phone_tree.id"], name=op.f("phone_tree_calls_entry_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("phone_tree_calls_incident_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("phone_tree_calls_pkey")),
    )
    op.create_index(op.f("phone_tree_calls_entry_id"), "phone_tree_calls", ["entry_id"])
    op.create_index(op.f("phone_tree_calls_incident_id"), "phone_tree_calls", ["incident_id"])


def _notices() -> None:
    op.add_column(
        "notices",
        sa.Column(
            "person_id",
            sa.BigInteger(),
            nullable=True,
            comment="Null: the console, a contact, or a person whose account was deleted",
        ),
    )
    op.add_column("notices", sa.Column("incident_id", sa.BigInteger(), nullable=True))
    op.add_column("notices", sa.Column("escalation_id", sa.BigInteger(), nullable=True))
    op.add_column("notices", sa.Column("step", sa.SmallInteger(), nullable=True, comment="Of the escalation"))
    op.add_column(
        "notices", sa.Column("exercise", sa.Text(), nullable=True, comment="drill or training; null where it is real")
    )
    op.alter_column("notices", "alert_id", existing_type=sa.BIGINT(), nullable=True)
    op.alter_column("notices", "transition_id", existing_type=sa.BIGINT(), nullable=True)
    op.create_index(op.f("notices_escalation_id"), "notices", ["escalation_id"])
    op.create_index(op.f("notices_incident_id"), "notices", ["incident_id"])
    op.create_index(op.f("notices_person_id"), "notices", ["person_id"])
    op.create_foreign_key(op.f("notices_incident_id_fkey"), "notices", "incidents", ["incident_id"], ["id"])
    op.create_foreign_key(op.f("notices_escalation_id_fkey"), "notices", "escalations", ["escalation_id"], ["id"])
    op.create_foreign_key(
        op.f("notices_person_id_fkey"), "notices", "people", ["person_id"], ["id"], ondelete="SET NULL"
    )
    op.create_check_constraint(
        op.f("notices_about_check"),
        "notices",
        "alert_id IS NOT NULL OR incident_id IS NOT NULL OR channel <> 'console'",
    )
    op.create_check_constraint(
        op.f("notices_transition_check"), "notices", "transition_id IS NULL OR alert_id IS NOT NULL"
    )
    op.create_check_constraint(op.f("notices_step_check"), "notices", "(escalation_id IS NULL) = (step IS NULL)")
    op.create_check_constraint(
        op.f("notices_escalation_check"), "notices", "escalation_id IS NULL OR incident_id IS NOT NULL"
    )
    op.create_check_constraint(op.f("notices_exercise_check"), "notices", "exercise IN ('drill', 'training')")
