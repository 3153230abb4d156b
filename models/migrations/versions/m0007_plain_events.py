"""Live events as they are: they live for hours, and pressing their bytes together cost more than writing them."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE events ALTER COLUMN data SET STORAGE EXTERNAL")
