"""Incidents: each open alert belongs to one, with the reason why it does."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_PLACED = """
WITH placed AS (SELECT a.id, a.opened_at,
  CASE WHEN a.kind = 'system' THEN 'system'
       WHEN a.judgement IN ('stage', 'rainfall') OR (a.judgement = 'silence' AND a.nar >= 3) THEN 'flood'
       WHEN a.judgement IN ('extreme_speed', 'speed_trend') THEN 'speed'
       ELSE 'equipment' END AS hazard,
  CASE WHEN a.kind = 'system' THEN 'system'
       WHEN s.basin_id IS NOT NULL
         AND (a.judgement IN ('stage', 'rainfall') OR (a.judgement = 'silence' AND a.nar >= 3))
         THEN 'basin:' || s.basin_id
       ELSE coalesce('municipality:' || s.municipality_id, a.subject) END AS area,
  CASE WHEN a.judgement = 'stage' THEN 'stream'
       WHEN a.judgement = 'rainfall' THEN 'rain'
       WHEN a.kind = 'system' THEN 'itself'
       WHEN a.judgement = 'silence' AND a.nar >= 3 THEN 'lost_gauge'
       WHEN a.judgement IN ('extreme_speed', 'speed_trend') THEN 'same_street'
       WHEN a.judgement = 'outage' THEN 'same_network'
       ELSE 'same_equipment' END AS membership,
  CASE WHEN a.kind = 'system' OR a.judgement IN ('stage', 'rainfall') OR (a.judgement = 'silence' AND a.nar >= 3)
       THEN '' ELSE a.kind END AS kind
FROM alerts a LEFT JOIN stations s ON s.id = a.subject WHERE a.state <> 'closed')
"""


def upgrade() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("origin", sa.Text(), server_default="rule", nullable=False, comment="rule, or person for a report"),
        sa.Column(
            "hazard", sa.Text(), nullable=False, comment="flood, speed, equipment or system; the category of a report"
        ),
        sa.Column("area", sa.Text(), nullable=False, comment="basin:ID, municipality:ID or system"),
        sa.Column(
            "kind",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="The kind of sensor, where it is about equipment",
        ),
        sa.Column(
            "state", sa.Text(), server_default="open", nullable=False, comment="open, over (accepts no alert) or closed"
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'over', 'closed')", name=op.f("incidents_state_check")),
        sa.CheckConstraint("origin IN ('rule', 'person')", name=op.f("incidents_origin_check")),
        sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name=op.f("incidents_closed_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("incidents_pkey")),
    )
    op.create_index(
        "incidents_one_open",
        "incidents",
        ["hazard", "area", "kind"],
        unique=True,
        postgresql_where=sa.text("state = 'open' AND origin = 'rule'"),
    )
    op.create_index(op.f("incidents_opened_at"), "incidents", ["opened_at"])
    op.add_column("alerts", sa.Column("incident_id", sa.BigInteger(), nullable=True))
    op.add_column(
        "alerts",
        sa.Column(
            "membership",
            sa.Text(),
            nullable=True,
            comment="Why it belongs to its incident: stream, rain, lost_gauge, ...",
        ),
    )
    op.execute(
        _PLACED + "INSERT INTO incidents (hazard, area, kind, opened_at)"
        " SELECT hazard, area, kind, min(opened_at) FROM placed GROUP BY hazard, area, kind"
    )
    op.execute(
        _PLACED + "UPDATE alerts a SET incident_id = i.id, membership = p.membership FROM placed p JOIN incidents i"
        " ON (i.hazard, i.area, i.kind) = (p.hazard, p.area, p.kind) WHERE a.id = p.id"
    )
    op.create_foreign_key(op.f("alerts_incident_id_fkey"), "alerts", "incidents", ["incident_id"], ["id"])
    op.create_index(op.f("alerts_incident_id"), "alerts", ["incident_id"])
    op.create_check_constraint(op.f("alerts_incident_check"), "alerts", "state = 'closed' OR incident_id IS NOT NULL")
    op.create_check_constraint(
        op.f("alerts_membership_check"), "alerts", "(incident_id IS NULL) = (membership IS NULL)"
    )
