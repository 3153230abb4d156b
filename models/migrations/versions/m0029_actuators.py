"""Sirens and signs: ordered by a named person under a declared level, never by a rule; and their self-tests."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

REQUIRE_DECLARATION = """
CREATE FUNCTION {schema}.require_declared_level() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    declared record;
BEGIN
    IF NEW.state <> 'ordered' THEN
        RAISE EXCEPTION 'an order begins as ordered' USING ERRCODE = 'check_violation';
    END IF;
    SELECT d.* INTO declared FROM {schema}.declarations d WHERE d.id = NEW.declaration_id;
    IF declared.nar IS NULL OR declared.nar = 0 OR declared.until <= NEW.ordered_at OR declared.at > NEW.ordered_at
        OR EXISTS (SELECT 1 FROM {schema}.declarations later WHERE later.replaces = declared.id) THEN
        RAISE EXCEPTION 'no declared level is in force under which this could be ordered'
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.ends_at > declared.until THEN
        RAISE EXCEPTION 'an order ends with the declared level, at %', declared.until USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM {schema}.actuators a WHERE a.id = NEW.actuator_id AND a.retired_at IS NULL
            AND declared.area IN (a.area, 'municipality:' || a.municipality_id)
    ) THEN
        RAISE EXCEPTION 'the declared level of % is not of what % warns', declared.area, NEW.actuator_id
            USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM {schema}.people p JOIN {schema}.person_roles r ON r.person_id = p.id
            WHERE p.id = NEW.person_id AND p.name = NEW.ordered_by AND p.disabled_at IS NULL AND r.role = 'supervisor'
    ) THEN
        RAISE EXCEPTION 'only a named person with the role of supervisor orders a siren or a sign'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$function$
"""
KEEP_ORDER = """
CREATE FUNCTION {schema}.keep_order() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF OLD.state IN ('done', 'refused', 'no_answer') THEN
        RAISE EXCEPTION 'order % is over', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$function$
"""


def upgrade() -> None:
    op.create_table(
        "actuators",
        sa.Column("id", sa.Text(), nullable=False, comment="As in its topics"),
        sa.Column("municipality_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="siren or sign"),
        sa.Column("area", sa.Text(), nullable=False, comment="Whom it warns: municipality:ID, basin:ID or barrio:ID"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('siren', 'sign')", name=op.f("actuators_kind_check")),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("actuators_municipality_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("actuators_pkey")),
    )
    op.create_index(op.f("actuators_municipality_id"), "actuators", ["municipality_id"])
    _orders()
    op.create_table(
        "actuator_tests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("actuator_id", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("passed", sa.Text(), nullable=True, comment="yes or no; null while it has not answered"),
        sa.Column("detail", sa.Text(), nullable=True, comment="What the device said"),
        sa.CheckConstraint("passed IN ('yes', 'no')", name=op.f("actuator_tests_passed_check")),
        sa.CheckConstraint("(passed IS NULL) = (answered_at IS NULL)", name=op.f("actuator_tests_answered_check")),
        sa.ForeignKeyConstraint(["actuator_id"], ["actuators.id"], name=op.f("actuator_tests_actuator_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("actuator_tests_pkey")),
    )
    op.create_index(op.f("actuator_tests_actuator_id"), "actuator_tests", ["actuator_id"])
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(REQUIRE_DECLARATION.format(schema=schema))
    op.execute(
        "CREATE TRIGGER actuator_orders_declared BEFORE INSERT OR UPDATE OF actuator_id, declaration_id, ordered_at,"
        f" ends_at, shows ON actuator_orders FOR EACH ROW EXECUTE FUNCTION {schema}.require_declared_level()"
    )
    op.execute(KEEP_ORDER.format(schema=schema))
    op.execute(
        "CREATE TRIGGER actuator_orders_kept BEFORE UPDATE OF state ON actuator_orders"
        f" FOR EACH ROW EXECUTE FUNCTION {schema}.keep_order()"
    )


def _orders() -> None:
    op.create_table(
        "actuator_orders",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("actuator_id", sa.Text(), nullable=False),
        sa.Column("declaration_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("ordered_by", sa.Text(), nullable=False, comment="The person's name; later only `operator`"),
        sa.Column("shows", sa.Text(), server_default="", nullable=False, comment="Of a sign: its text"),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="ordered", nullable=False),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True, comment="What the device said"),
        sa.CheckConstraint(
            "state IN ('ordered', 'accepted', 'sounding', 'done', 'refused', 'no_answer')",
            name=op.f("actuator_orders_state_check"),
        ),
        sa.CheckConstraint(
            "ends_at > ordered_at AND ends_at <= ordered_at + INTERVAL '60 minutes'",
            name=op.f("actuator_orders_period_check"),
        ),
        sa.CheckConstraint("char_length(shows) <= 80", name=op.f("actuator_orders_shows_check")),
        sa.ForeignKeyConstraint(["actuator_id"], ["actuators.id"], name=op.f("actuator_orders_actuator_id_fkey")),
        sa.ForeignKeyConstraint(
            ["declaration_id"], ["declarations.id"], name=op.f("actuator_orders_declaration_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("actuator_orders_person_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("actuator_orders_pkey")),
    )
    op.create_index(op.f("actuator_orders_declaration_id"), "actuator_orders", ["declaration_id"])
    op.create_index(op.f("actuator_orders_person_id"), "actuator_orders", ["person_id"])
    op.create_index(
        "actuator_orders_one_open",
        "actuator_orders",
        ["actuator_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('ordered', 'accepted', 'sounding')"),
    )
