"""The record: append-only entries, the chain over them, and the only function that may erase an entry's content.

Transitions are recorded by a trigger, whoever writes them. The functions run as the owner
of the tables (SECURITY DEFINER) and look up nothing in a schema that a caller controls.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_DEFINER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$"

APPEND_ONLY = """
CREATE FUNCTION {schema}.refuse_change_of_record() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'log_entries' THEN
        IF NEW.salt IS NULL AND (NEW.id, NEW.at, NEW.what, NEW.content_hash)
                = (OLD.id, OLD.at, OLD.what, OLD.content_hash) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$function$
"""
CONTENT_HASH = """
CREATE FUNCTION {schema}.hash_content() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    NEW.content_hash := sha256(NEW.salt || convert_to(jsonb_build_object(
        'about', NEW.about, 'actor', NEW.actor, 'details', NEW.details)::text, 'UTF8'));
    RETURN NEW;
END
$function$
"""
PENDING = """
CREATE FUNCTION {schema}.await_chaining() RETURNS trigger {definer}
BEGIN
    INSERT INTO {schema}.log_pending (entry_id) VALUES (NEW.id);
    RETURN NULL;
END
$function$
"""
RECORD_TRANSITION = """
CREATE FUNCTION {schema}.record_transition() RETURNS trigger {definer}
BEGIN
    INSERT INTO {schema}.log_entries (at, what, about, actor, details) VALUES (
        NEW.decided_at,
        'alert.' || CASE WHEN NEW.change ~ '^[a-z_]{{1,40}}$' THEN NEW.change ELSE 'changed' END,
        coalesce('alert:' || NEW.alert_id, NEW.subject), 'rule',
        jsonb_build_object('transition', NEW.id, 'rule', NEW.rule_id, 'version', NEW.rule_version,
            'subject', NEW.subject, 'before', NEW.before, 'after', NEW.after, 'cause', NEW.cause,
            'confirmed', NEW.confirmed, 'observed_at', to_char(NEW.observed_at AT TIME ZONE 'UTC',
                'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')));
    RETURN NULL;
END
$function$
"""
ERASE = """
CREATE FUNCTION {schema}.erase_log_content(entry bigint) RETURNS boolean {definer}
DECLARE
    erased bigint;
BEGIN
    UPDATE {schema}.log_entries e SET about = NULL, actor = NULL, details = NULL, salt = NULL
        WHERE e.id = entry AND e.salt IS NOT NULL RETURNING e.id INTO erased;
    IF erased IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO {schema}.erasures (at, database_role, erased, row_count)
        VALUES (now(), session_user, 'log_entries: content', 1);
    RETURN true;
END
$function$
"""
EXPIRE = """
CREATE FUNCTION {schema}.expire_log_content(expired_before timestamptz, most integer) RETURNS integer {definer}
DECLARE
    oldest_kept timestamptz := least(expired_before, now() - INTERVAL '2 years');
    erased_rows integer;
BEGIN
    WITH expired AS (
        SELECT id FROM {schema}.log_entries WHERE at < oldest_kept AND actor <> 'rule'
            LIMIT least(most, 10000) FOR UPDATE SKIP LOCKED
    ), erased AS (
        UPDATE {schema}.log_entries SET about = NULL, actor = NULL, details = NULL, salt = NULL
            WHERE id IN (SELECT id FROM expired) RETURNING 1)
    SELECT count(*) INTO erased_rows FROM erased;
    IF erased_rows > 0 THEN
        INSERT INTO {schema}.erasures (at, database_role, erased, row_count, before)
            VALUES (now(), session_user, 'log_entries: content', erased_rows, oldest_kept);
    END IF;
    RETURN erased_rows;
END
$function$
"""
REDACT = """
CREATE OR REPLACE FUNCTION {schema}.redact_note(redaction bigint) RETURNS boolean {definer}
DECLARE
    redacted bigint;
BEGIN
    UPDATE {schema}.redactions SET done_at = now() WHERE id = redaction AND done_at IS NULL
        RETURNING action_id INTO redacted;
    IF redacted IS NULL THEN
        RETURN false;
    END IF;
    UPDATE {schema}.alert_actions SET note = '' WHERE id = redacted;
    PERFORM {schema}.erase_log_content(e.id) FROM {schema}.log_entries e
        JOIN {schema}.alert_actions a ON e.about = 'alert:' || a.alert_id
        WHERE a.id = redacted AND e.details ->> 'action' = redacted::text AND e.details ? 'note';
    INSERT INTO {schema}.erasures (at, database_role, erased, row_count, redaction_id)
        VALUES (now(), session_user, 'alert_actions.note', 1, redaction);
    RETURN true;
END
$function$
"""


def upgrade() -> None:
    _create_tables()
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    for function in (APPEND_ONLY, CONTENT_HASH, PENDING, RECORD_TRANSITION, ERASE, EXPIRE, REDACT):
        op.execute(function.format(schema=schema, definer=_DEFINER))
    for signature in (
        "refuse_change_of_record()",
        "hash_content()",
        "await_chaining()",
        "record_transition()",
        "erase_log_content(bigint)",
        "expire_log_content(timestamptz, integer)",
    ):
        op.execute(f"REVOKE ALL ON FUNCTION {schema}.{signature} FROM PUBLIC")
    for table in ("log_entries", "log_chain"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {schema}.{table}"
            f" FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change_of_record()"
        )
        op.execute(
            f"CREATE TRIGGER never_emptied BEFORE TRUNCATE ON {schema}.{table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change_of_record()"
        )
    op.execute(
        f"CREATE TRIGGER hashed BEFORE INSERT ON {schema}.log_entries"
        f" FOR EACH ROW EXECUTE FUNCTION {schema}.hash_content()"
    )
    op.execute(
        f"CREATE TRIGGER pending AFTER INSERT ON {schema}.log_entries"
        f" FOR EACH ROW EXECUTE FUNCTION {schema}.await_chaining()"
    )
    op.execute(
        f"CREATE TRIGGER recorded AFTER INSERT ON {schema}.transitions"
        f" FOR EACH ROW EXECUTE FUNCTION {schema}.record_transition()"
    )


def _create_tables() -> None:
    op.create_table(
        "log_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.Text(), nullable=False, comment="A short dotted name, such as alert.acknowledged"),
        sa.Column("about", sa.Text(), nullable=True, comment="NOUN:ID, such as alert:12; null once erased"),
        sa.Column("actor", sa.Text(), nullable=True, comment="A person's or key's name, or rule; null once erased"),
        sa.Column("details", postgresql.JSONB(), nullable=True, comment="Null once erased"),
        sa.Column(
            "salt",
            sa.LargeBinary(),
            server_default=sa.text("uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())"),
            nullable=True,
            comment="Null once erased",
        ),
        sa.Column(
            "content_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="By a trigger: SHA-256 of the salt and the content",
        ),
        sa.CheckConstraint(
            "(salt IS NULL) = (about IS NULL) AND (salt IS NULL) = (actor IS NULL)"
            " AND (salt IS NULL) = (details IS NULL)",
            name=op.f("log_entries_erased_whole_check"),
        ),
        sa.CheckConstraint("what ~ '^[a-z_]{1,40}\\.[a-z_]{1,40}$'", name=op.f("log_entries_what_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("log_entries_pkey")),
    )
    op.create_index(op.f("log_entries_at"), "log_entries", ["at"])
    op.create_index(op.f("log_entries_about"), "log_entries", ["about"])
    op.create_table(
        "log_pending",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("log_pending_pkey")),
    )
    op.create_table(
        "log_chain",
        sa.Column(
            "number", sa.BigInteger(), autoincrement=False, nullable=False, comment="1, 2, 3, ... without a hole"
        ),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "hash",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 over number, hash before, time, what, content hash",
        ),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("log_chain_sha256_check")),
        sa.ForeignKeyConstraint(["entry_id"], ["log_entries.id"], name=op.f("log_chain_entry_id_fkey")),
        sa.PrimaryKeyConstraint("number", name=op.f("log_chain_pkey")),
        sa.UniqueConstraint("entry_id", name=op.f("log_chain_entry_id_key")),
    )
