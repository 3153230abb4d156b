"""Redactions, the record of erasures, and the only functions that may erase what people did and were told.

The functions run as the owner of the tables (SECURITY DEFINER) and look up nothing in a schema that a caller controls.
Each writes a row to `erasures`. None erases what is younger than two years, whatever its caller asks for.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

YOUNGEST = "INTERVAL '2 years'"
MOST_ROWS = 10_000

REDACT = """
CREATE FUNCTION {schema}.redact_note(redaction bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    redacted bigint;
BEGIN
    UPDATE {schema}.redactions SET done_at = now() WHERE id = redaction AND done_at IS NULL
        RETURNING action_id INTO redacted;
    IF redacted IS NULL THEN
        RETURN false;
    END IF;
    UPDATE {schema}.alert_actions SET note = '' WHERE id = redacted;
    INSERT INTO {schema}.erasures (at, database_role, erased, row_count, redaction_id)
        VALUES (now(), session_user, 'alert_actions.note', 1, redaction);
    RETURN true;
END
$function$
"""
EXPIRE = """
CREATE FUNCTION {schema}.{function}(expired_before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    oldest_kept timestamptz := least(expired_before, now() - {youngest});
    erased_rows integer;
BEGIN
    WITH expired AS (
        SELECT id FROM {schema}.{table} WHERE {condition} LIMIT least(most, {most}) FOR UPDATE SKIP LOCKED
    ), erased AS ({statement} WHERE id IN (SELECT id FROM expired) RETURNING 1)
    SELECT count(*) INTO erased_rows FROM erased;
    IF erased_rows > 0 THEN
        INSERT INTO {schema}.erasures (at, database_role, erased, row_count, before)
            VALUES (now(), session_user, '{erased}', erased_rows, oldest_kept);
    END IF;
    RETURN erased_rows;
END
$function$
"""
EXPIRING = (
    {
        "function": "expire_alert_actions",
        "table": "alert_actions",
        "erased": "alert_actions",
        "condition": "at < oldest_kept AND alert_id IN (SELECT a.id FROM {schema}.alerts a WHERE a.state = 'closed')",
        "statement": "DELETE FROM {schema}.alert_actions",
    },
    {
        "function": "expire_alert_names",
        "table": "alerts",
        "erased": "alerts.acknowledged_by, closed_by",
        "condition": "closed_at < oldest_kept AND (acknowledged_by <> 'operator'"
        " OR closed_by NOT IN ('operator', 'rule'))",
        "statement": "UPDATE {schema}.alerts SET"
        " acknowledged_by = CASE WHEN acknowledged_by IS NOT NULL THEN 'operator' END,"
        " closed_by = CASE WHEN closed_by = 'rule' THEN 'rule' WHEN closed_by IS NOT NULL THEN 'operator' END",
    },
    {
        "function": "expire_notices",
        "table": "notices",
        "erased": "notices",
        "condition": "coalesce(sent_at, not_before) < oldest_kept AND (sent_at IS NOT NULL OR refused IS NOT NULL)",
        "statement": "DELETE FROM {schema}.notices",
    },
)


def upgrade() -> None:
    op.add_column("operators", sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("contacts", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "redactions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("action_id", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False, comment="Operator's name"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("char_length(reason) BETWEEN 1 AND 200", name=op.f("redactions_reason_check")),
        sa.ForeignKeyConstraint(
            ["action_id"], ["alert_actions.id"], name=op.f("redactions_action_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("redactions_pkey")),
        sa.UniqueConstraint("action_id", name=op.f("redactions_action_id_key")),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("database_role", sa.Text(), nullable=False, comment="Which database role called the function"),
        sa.Column("erased", sa.Text(), nullable=False, comment="The table, or table and column"),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("redaction_id", sa.BigInteger(), nullable=True, comment="The redaction, where it was one"),
        sa.PrimaryKeyConstraint("id", name=op.f("erasures_pkey")),
    )
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(REDACT.format(schema=schema))
    op.execute(f"REVOKE ALL ON FUNCTION {schema}.redact_note(bigint) FROM PUBLIC")
    for expiring in EXPIRING:
        parts = {name: part.format(schema=schema) for name, part in expiring.items()}
        op.execute(EXPIRE.format(schema=schema, youngest=YOUNGEST, most=MOST_ROWS, **parts))
        op.execute(f"REVOKE ALL ON FUNCTION {schema}.{expiring['function']}(timestamptz, integer) FROM PUBLIC")
    # Live events of before hold the name of the operator who acted; the public reads them.
    op.execute(
        "UPDATE events SET data = jsonb_set(data::jsonb, '{by}', '\"operator\"')::json"
        " WHERE event = 'alert' AND data ->> 'by' IS NOT NULL"
    )
