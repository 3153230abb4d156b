"""Drills and training: incidents and alerts that are no real event, which no change of a row can make real.

An exercise has its own open incident beside the real one of the same hazard and area. Its alerts come from rules whose
id begins with `exercise/`, so that no statement about a real rule's alert meets one. The database refuses an alert
whose mark is not that of its incident, and any later change of the mark.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

MARK_IS_KEPT = """
CREATE FUNCTION {schema}.refuse_changed_exercise() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF NEW.exercise IS DISTINCT FROM OLD.exercise THEN
        RAISE EXCEPTION 'row % of % stays %: an exercise never becomes real, nor the reverse',
            OLD.id, TG_TABLE_NAME, coalesce(OLD.exercise, 'real') USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$function$
"""
MARK_OF_INCIDENT = """
CREATE FUNCTION {schema}.mark_alert_as_its_incident() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    mark text;
BEGIN
    IF NEW.incident_id IS NULL THEN
        RETURN NEW;
    END IF;
    SELECT exercise INTO mark FROM {schema}.incidents WHERE id = NEW.incident_id;
    IF TG_OP = 'INSERT' THEN
        NEW.exercise := coalesce(NEW.exercise, mark);
    END IF;
    IF NEW.exercise IS DISTINCT FROM mark THEN
        RAISE EXCEPTION 'an alert of % cannot belong to incident % (%)', coalesce(NEW.exercise, 'a real event'),
            NEW.incident_id, coalesce(mark, 'real') USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$function$
"""


def upgrade() -> None:
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    for table in ("incidents", "alerts"):
        op.add_column(
            table, sa.Column("exercise", sa.Text(), nullable=True, comment="drill or training; null where it is real")
        )
        op.create_check_constraint(op.f(f"{table}_exercise_check"), table, "exercise IN ('drill', 'training')")
    op.create_check_constraint(
        op.f("alerts_exercise_rule_check"), "alerts", "(exercise IS NULL) = (rule_id NOT LIKE 'exercise/%')"
    )
    op.drop_index("incidents_one_open", "incidents")
    op.create_index(
        "incidents_one_open",
        "incidents",
        ["hazard", "area", "kind", "exercise"],
        unique=True,
        postgresql_where=sa.text("state = 'open' AND origin = 'rule'"),
        postgresql_nulls_not_distinct=True,
    )
    op.execute(MARK_IS_KEPT.format(schema=schema))
    op.execute(MARK_OF_INCIDENT.format(schema=schema))
    for table in ("incidents", "alerts"):
        op.execute(
            f"CREATE TRIGGER {table}_exercise_kept BEFORE UPDATE OF exercise ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_changed_exercise()"
        )
    op.execute(
        "CREATE TRIGGER alerts_marked_as_incident BEFORE INSERT OR UPDATE OF incident_id ON alerts"
        f" FOR EACH ROW EXECUTE FUNCTION {schema}.mark_alert_as_its_incident()"
    )
