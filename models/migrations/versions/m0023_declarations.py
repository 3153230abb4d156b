"""Declared levels, and barrios, for which a level can be declared too."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

EXPIRE_NAMES = """
CREATE FUNCTION {schema}.expire_declaration_names(expired_before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
    oldest_kept timestamptz := least(expired_before, now() - INTERVAL '2 years');
    erased_rows integer;
BEGIN
    WITH expired AS (
        SELECT id FROM {schema}.declarations
        WHERE coalesce(until, at) < oldest_kept AND actor NOT IN ('operator', 'rule')
        LIMIT least(most, 10000) FOR UPDATE SKIP LOCKED
    ), erased AS (
        UPDATE {schema}.declarations SET actor = 'operator' WHERE id IN (SELECT id FROM expired) RETURNING 1
    )
    SELECT count(*) INTO erased_rows FROM erased;
    IF erased_rows > 0 THEN
        INSERT INTO {schema}.erasures (at, database_role, erased, row_count, before)
            VALUES (now(), session_user, 'declarations.actor', erased_rows, oldest_kept);
    END IF;
    RETURN erased_rows;
END
$function$
"""


def upgrade() -> None:
    op.create_table(
        "barrios",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("municipality_id", sa.Text(), nullable=False),
        sa.Column("basin_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("barrios_municipality_id_fkey")),
        sa.ForeignKeyConstraint(["basin_id"], ["basins.id"], name=op.f("barrios_basin_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("barrios_pkey")),
    )
    op.create_index(op.f("barrios_municipality_id"), "barrios", ["municipality_id"])
    op.create_table(
        "declarations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("area", sa.Text(), nullable=False, comment="municipality:ID, basin:ID or barrio:ID"),
        sa.Column("act", sa.Text(), nullable=False, comment="declared, extended, withdrawn or expired"),
        sa.Column("nar", sa.SmallInteger(), nullable=True, comment="The declared level; null where the act ends it"),
        sa.Column("proposed", sa.SmallInteger(), nullable=False, comment="The level that Vigía proposed then"),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="A person's name, or rule where the time ran out"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "replaces", sa.BigInteger(), nullable=True, comment="The act before it in this area; null for the first"
        ),
        sa.CheckConstraint(
            "act IN ('declared', 'extended', 'withdrawn', 'expired')", name=op.f("declarations_act_check")
        ),
        sa.CheckConstraint("nar BETWEEN 0 AND 3", name=op.f("declarations_nar_check")),
        sa.CheckConstraint(
            "(act IN ('declared', 'extended')) = (nar IS NOT NULL)"
            " AND (nar IS NOT NULL) = (until IS NOT NULL) AND (nar IS NOT NULL) = (since IS NOT NULL)",
            name=op.f("declarations_level_check"),
        ),
        sa.CheckConstraint("until > at AND until <= at + INTERVAL '7 days'", name=op.f("declarations_until_check")),
        sa.CheckConstraint("act = 'declared' OR replaces IS NOT NULL", name=op.f("declarations_replaces_check")),
        sa.CheckConstraint("(act = 'expired') = (actor = 'rule')", name=op.f("declarations_actor_check")),
        sa.CheckConstraint("char_length(reason) <= 500", name=op.f("declarations_reason_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("declarations_pkey")),
        sa.UniqueConstraint("id", "area", name=op.f("declarations_id_area_key")),
        sa.UniqueConstraint("replaces", name=op.f("declarations_replaces_key")),
        sa.ForeignKeyConstraint(
            ["replaces", "area"],
            ["declarations.id", "declarations.area"],
            name=op.f("declarations_replaces_area_fkey"),
        ),
    )
    op.create_index(
        "declarations_one_first", "declarations", ["area"], unique=True, postgresql_where=sa.text("replaces IS NULL")
    )
    op.create_table(
        "declaration_warnings",
        sa.Column("declaration_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["declaration_id"], ["declarations.id"], name=op.f("declaration_warnings_declaration_id_fkey")
        ),
        sa.PrimaryKeyConstraint("declaration_id", name=op.f("declaration_warnings_pkey")),
    )
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(EXPIRE_NAMES.format(schema=schema))
    op.execute(f"REVOKE ALL ON FUNCTION {schema}.expire_declaration_names(timestamptz, integer) FROM PUBLIC")
