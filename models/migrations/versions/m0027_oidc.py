"""Sign-ins begun at an identity provider."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oidc_sign_ins",
        sa.Column(
            "cookie_sha256", sa.LargeBinary(), nullable=False, comment="Of a random cookie: binds it to one browser"
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("code_verifier", sa.Text(), nullable=False, comment="PKCE; the provider knows its hash"),
        sa.Column("alert_id", sa.BigInteger(), nullable=True, comment="The alert that is shown afterwards"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("cookie_sha256", name=op.f("oidc_sign_ins_pkey")),
    )
    op.create_index(op.f("oidc_sign_ins_expires_at"), "oidc_sign_ins", ["expires_at"])
