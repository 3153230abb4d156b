"""A redacted note of an action on an incident is erased from the record too, as that of an action on an alert is."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

REDACT = """
CREATE OR REPLACE FUNCTION {schema}.redact_note(redaction bigint) RETURNS boolean
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
    PERFORM {schema}.erase_log_content(e.id) FROM {schema}.log_entries e JOIN {schema}.alert_actions a
        ON e.about = coalesce('alert:' || a.alert_id, 'incident:' || a.incident_id)
        WHERE a.id = redacted AND e.details ->> 'action' = redacted::text AND e.details ? 'note';
    INSERT INTO {schema}.erasures (at, database_role, erased, row_count, redaction_id)
        VALUES (now(), session_user, 'alert_actions.note', 1, redaction);
    RETURN true;
END
$function$
"""


def upgrade() -> None:
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(REDACT.format(schema=schema))
