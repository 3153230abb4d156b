"""Exercises with their steps, and what the database refuses: a notice of one to a contact, or to somebody not told.

A notice takes the mark of its incident or alert, and its body names it. A live event about an exercise is stored under
the name `exercise`, which the public stream never sends, whatever name it was announced by.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

MARK_NOTICE = """
CREATE FUNCTION {schema}.mark_notice_as_its_incident() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    mark text;
BEGIN
    SELECT exercise INTO mark FROM {schema}.incidents WHERE id = NEW.incident_id;
    IF NOT FOUND THEN
        SELECT exercise INTO mark FROM {schema}.alerts WHERE id = NEW.alert_id;
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.exercise := coalesce(NEW.exercise, mark);
    END IF;
    IF NEW.exercise IS DISTINCT FROM mark THEN
        RAISE EXCEPTION 'a notice of % cannot be about %', coalesce(NEW.exercise, 'a real event'),
            coalesce(mark, 'a real event') USING ERRCODE = 'check_violation';
    END IF;
    IF mark IS NOT NULL AND TG_OP = 'INSERT' AND NEW.channel <> 'console' AND NEW.person_id IS NULL THEN
        RAISE EXCEPTION 'a notice of an exercise goes to a person or the console, not to contact % by %',
            NEW.recipient, NEW.channel USING ERRCODE = 'check_violation';
    END IF;
    IF mark IS NOT NULL AND TG_OP = 'INSERT' AND NEW.person_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM {schema}.person_channels c WHERE c.person_id = NEW.person_id AND c.ended_at IS NULL
            AND c.told_of_exercises AND (NEW.person_channel_id IS NULL OR c.id = NEW.person_channel_id)
    ) THEN
        NEW.refused := 'no channel of this person is told of exercises';
    END IF;
    IF mark IS NOT NULL AND TG_OP = 'UPDATE'
        AND (NEW.channel, NEW.recipient) IS DISTINCT FROM (OLD.channel, OLD.recipient) THEN
        RAISE EXCEPTION 'notice % of an exercise keeps its recipient', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF mark IS NOT NULL THEN
        NEW.body := NEW.body || jsonb_build_object('exercise', mark);
    END IF;
    RETURN NEW;
END
$function$
"""
MARK_EVENT = """
CREATE FUNCTION {schema}.mark_event_of_exercise() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    mark text;
BEGIN
    SELECT exercise INTO mark FROM {schema}.incidents WHERE id =
        (NEW.data ->> CASE WHEN NEW.event = 'incident' THEN 'id' ELSE 'incident_id' END)::bigint;
    IF mark IS NULL THEN
        SELECT exercise INTO mark FROM {schema}.alerts WHERE id =
            (NEW.data ->> CASE WHEN NEW.event = 'alert' THEN 'id' ELSE 'alert_id' END)::bigint;
    END IF;
    IF mark IS NOT NULL THEN
        NEW.data := (jsonb_build_object('what', NEW.event, 'exercise', mark) || NEW.data::jsonb)::json;
        NEW.event := 'exercise';
    END IF;
    RETURN NEW;
END
$function$
"""


def upgrade() -> None:
    op.create_table(
        "exercises",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="drill or training"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('drill', 'training')", name=op.f("exercises_kind_check")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100", name=op.f("exercises_name_check")),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name=op.f("exercises_ended_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("exercises_pkey")),
    )
    op.create_index(
        "exercises_one_running",
        "exercises",
        [sa.text("(true)")],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "exercise_steps",
        sa.Column("exercise_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("judgement", sa.Text(), nullable=False, comment="stage or rainfall"),
        sa.Column("nar", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("nar BETWEEN 1 AND 3", name=op.f("exercise_steps_nar_check")),
        sa.CheckConstraint("judgement IN ('stage', 'rainfall')", name=op.f("exercise_steps_judgement_check")),
        sa.ForeignKeyConstraint(["exercise_id"], ["exercises.id"], name=op.f("exercise_steps_exercise_id_fkey")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("exercise_steps_station_id_fkey")),
        sa.PrimaryKeyConstraint("exercise_id", "place", name=op.f("exercise_steps_pkey")),
    )
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(MARK_NOTICE.format(schema=schema))
    op.execute(
        "CREATE TRIGGER notices_marked_as_incident BEFORE INSERT OR UPDATE OF exercise, alert_id, incident_id, channel,"
        f" recipient, body ON notices FOR EACH ROW EXECUTE FUNCTION {schema}.mark_notice_as_its_incident()"
    )
    op.execute(MARK_EVENT.format(schema=schema))
    op.execute(
        "CREATE TRIGGER events_of_exercises BEFORE INSERT OR UPDATE ON events FOR EACH ROW"
        " WHEN (NEW.event IN ('transition', 'alert', 'incident', 'notice'))"
        f" EXECUTE FUNCTION {schema}.mark_event_of_exercise()"
    )
