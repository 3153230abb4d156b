"""Alarm life: held colours, acknowledgements that end, shelves, flapping; actions on incidents as on alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_ACTIONS = (
    "action IN ('acknowledge', 'acknowledgement_expired', 'answer', 'calm', 'close', 'comment', 'escalate',"
    " 'flapping', 'lower', 'shelf_broken', 'shelf_ended', 'shelve', 'unshelve', 'withdraw')"
)
_EXPIRE_ACTIONS = """
CREATE OR REPLACE FUNCTION {schema}.expire_alert_actions(expired_before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    oldest_kept timestamptz := least(expired_before, now() - INTERVAL '2 years');
    erased_rows integer;
BEGIN
    WITH expired AS (
        SELECT id FROM {schema}.alert_actions WHERE at < oldest_kept
          AND (alert_id IN (SELECT a.id FROM {schema}.alerts a WHERE a.state = 'closed')
               OR incident_id IN (SELECT i.id FROM {schema}.incidents i WHERE i.state = 'closed'))
          LIMIT least(most, 10000) FOR UPDATE SKIP LOCKED
    ), erased AS (DELETE FROM {schema}.alert_actions WHERE id IN (SELECT id FROM expired) RETURNING 1)
    SELECT count(*) INTO erased_rows FROM erased;
    IF erased_rows > 0 THEN
        INSERT INTO {schema}.erasures (at, database_role, erased, row_count, before)
            VALUES (now(), session_user, 'alert_actions', erased_rows, oldest_kept);
    END IF;
    RETURN erased_rows;
END
$function$
"""


def upgrade() -> None:
    _add_to_alerts()
    op.alter_column("alert_actions", "alert_id", existing_type=sa.BigInteger(), nullable=True)
    op.alter_column(
        "alert_actions",
        "actor",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="A person's name, or `rule` where time or a rule did it",
    )
    op.add_column("alert_actions", sa.Column("incident_id", sa.BigInteger(), nullable=True))
    op.add_column(
        "alert_actions",
        sa.Column(
            "nar",
            sa.SmallInteger(),
            nullable=True,
            comment="The colour shown after it, of the alert or the incident",
        ),
    )
    op.create_foreign_key(op.f("alert_actions_incident_id_fkey"), "alert_actions", "incidents", ["incident_id"], ["id"])
    op.create_index(op.f("alert_actions_incident_id"), "alert_actions", ["incident_id"])
    op.drop_constraint(op.f("alert_actions_action_check"), "alert_actions", type_="check")
    op.create_check_constraint(op.f("alert_actions_action_check"), "alert_actions", _ACTIONS)
    op.create_check_constraint(
        op.f("alert_actions_about_check"), "alert_actions", "num_nonnulls(alert_id, incident_id) = 1"
    )
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(_EXPIRE_ACTIONS.format(schema=schema))


def _add_to_alerts() -> None:
    op.alter_column(
        "alerts",
        "nar",
        existing_type=sa.SmallInteger(),
        existing_nullable=False,
        comment="The colour shown: the higher of rule_nar and held_nar",
    )
    for column in (
        sa.Column("rule_nar", sa.SmallInteger(), nullable=True, comment="The colour that the rule holds now"),
        sa.Column(
            "held_nar",
            sa.SmallInteger(),
            nullable=False,
            server_default=sa.text("0"),
            comment="The colour below which nothing shows until a person confirms, or a flapping alert is calm",
        ),
        sa.Column("acknowledged_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "waiting_because",
            sa.Text(),
            nullable=True,
            comment="Why it asks to be acknowledged: opened, graver, fired_again, expired, withdrawn or unshelved",
        ),
        sa.Column("shelved_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shelved_by", sa.Text(), nullable=True),
        sa.Column("shelved_nar", sa.SmallInteger(), nullable=True, comment="The colour shown when it was shelved"),
        sa.Column("flapping_since", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("alerts", column)
    op.execute(
        "UPDATE alerts SET rule_nar = nar,"
        " held_nar = CASE WHEN state = 'firing' AND nar >= 2 AND (judgement = 'rainfall'"
        " OR judgement = 'stage' AND confirmed) THEN nar ELSE 0 END,"
        " waiting_since = CASE WHEN state <> 'closed' AND acknowledged_at IS NULL THEN opened_at END,"
        " waiting_because = CASE WHEN state <> 'closed' AND acknowledged_at IS NULL THEN 'opened' END"
    )
    op.alter_column("alerts", "rule_nar", existing_type=sa.SmallInteger(), nullable=False)
    for name, condition in (
        ("shown", "nar >= rule_nar"),
        ("acknowledged", "acknowledged_until IS NULL OR acknowledged_at IS NOT NULL"),
        ("shelved", "num_nulls(shelved_until, shelved_by, shelved_nar) IN (0, 3)"),
        ("ended", "state <> 'closed' OR num_nonnulls(shelved_until, flapping_since) = 0"),
    ):
        op.create_check_constraint(op.f(f"alerts_{name}_check"), "alerts", condition)
