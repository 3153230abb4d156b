"""People with roles and sessions. Tokens of operators become API keys with the same rights and go on working."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ROLES = "'viewer', 'operator', 'supervisor', 'device_admin', 'auditor', 'privacy_officer'"
KINDS = "'civil_defence', 'monitoring', 'transit', 'lighting', 'bus_company', 'other'"


def upgrade() -> None:
    _people()
    _proofs()
    _operators_become_api_keys()
    op.create_table(
        "second_person_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("approved", sa.Boolean(), nullable=True),
        sa.CheckConstraint(
            "num_nulls(decided_at, decided_by, approved) IN (0, 3)", name=op.f("second_person_requests_decided_check")
        ),
        sa.CheckConstraint(
            "NOT approved OR lower(decided_by) <> lower(requested_by)",
            name=op.f("second_person_requests_another_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("second_person_requests_pkey")),
    )
    op.create_index(
        "second_person_requests_one_open",
        "second_person_requests",
        ["action", "about"],
        unique=True,
        postgresql_where=sa.text("decided_at IS NULL"),
    )


def _people() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("organisations_kind_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("organisations_pkey")),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("login", sa.Text(), nullable=False, comment="What the person types to sign in; lower case"),
        sa.Column("name", sa.Text(), nullable=False, comment="As it stands beside what the person does; no two alike"),
        sa.Column("organisation_id", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), server_default="es", nullable=False, comment="es or en"),
        sa.Column(
            "password_hash", sa.Text(), nullable=True, comment="argon2id; null until the person has set a password"
        ),
        sa.Column("totp_secret", sa.Text(), nullable=True, comment="Base 32"),
        sa.Column("totp_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "totp_last_counter",
            sa.BigInteger(),
            nullable=True,
            comment="A code of this time step or before is used up",
        ),
        sa.Column("oidc_issuer", sa.Text(), nullable=True),
        sa.Column("oidc_subject", sa.Text(), nullable=True),
        sa.Column(
            "setup_code_sha256",
            sa.LargeBinary(),
            nullable=True,
            comment="Of a one-time code with which to set a password",
        ),
        sa.Column("setup_code_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "login = lower(login) AND char_length(login) BETWEEN 1 AND 60", name=op.f("people_login_check")
        ),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 60", name=op.f("people_name_check")),
        sa.CheckConstraint("language IN ('es', 'en')", name=op.f("people_language_check")),
        sa.CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", name=op.f("people_oidc_check")),
        sa.CheckConstraint(
            "(setup_code_sha256 IS NULL) = (setup_code_expires_at IS NULL)", name=op.f("people_setup_code_check")
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("people_organisation_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("people_pkey")),
        sa.UniqueConstraint("login", name=op.f("people_login_key")),
        sa.UniqueConstraint("oidc_issuer", "oidc_subject", name=op.f("people_oidc_key")),
    )
    op.create_index("people_one_name", "people", [sa.text("lower(name)")], unique=True)
    op.create_table(
        "person_roles",
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.CheckConstraint(f"role IN ({ROLES})", name=op.f("person_roles_role_check")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("person_roles_person_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "role", name=op.f("person_roles_pkey")),
    )


def _proofs() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False, comment="Of a 256-bit random token"),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("method", sa.Text(), nullable=False, comment="password, password+totp, setup or oidc"),
        sa.Column("agent", sa.Text(), nullable=False, comment="Browser and system, such as Firefox on Linux"),
        sa.Column("address", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("sessions_person_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("sessions_pkey")),
        sa.UniqueConstraint("token_sha256", name=op.f("sessions_token_sha256_key")),
    )
    op.create_index(op.f("sessions_person_id"), "sessions", ["person_id"])
    op.create_table(
        "login_attempts",
        sa.Column("subject", sa.Text(), nullable=False, comment="account:LOGIN or address:ADDRESS"),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("login_attempts_pkey")),
    )


def _operators_become_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False, comment="Of a 256-bit random token, shown once"),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), server_default="console", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"roles <@ ARRAY[{ROLES}] AND cardinality(roles) > 0", name=op.f("api_keys_roles_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("api_keys_pkey")),
        sa.UniqueConstraint("name", name=op.f("api_keys_name_key")),
        sa.UniqueConstraint("token_sha256", name=op.f("api_keys_token_sha256_key")),
    )
    op.execute(
        "INSERT INTO api_keys (name, token_sha256, roles, created_at, revoked_at)"
        " SELECT name, token_sha256, '{operator}', created_at, revoked_at FROM operators ORDER BY id"
    )
    op.drop_table("operators")
