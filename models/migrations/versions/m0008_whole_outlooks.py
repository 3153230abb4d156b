"""Outlooks as they are: they live for seconds, and pressing their bytes together cost more than writing them."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A row of up to a page is neither compressed nor kept apart; a longer one, of many journeys, still is.
    op.execute("ALTER TABLE vehicle_outlooks SET (toast_tuple_target = 8160)")
