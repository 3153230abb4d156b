"""Tables of people, what proves who they are, and where they are told: accounts, sessions, API keys, channels."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from models.alert import CHANNELS, MAX_ADDRESS_CHARS
from models.tables.metadata import METADATA, timestamp_column

ROLES = ("viewer", "operator", "supervisor", "device_admin", "auditor", "privacy_officer")
"""Roles that are granted. `public` is everybody's."""
ORGANISATION_KINDS = ("civil_defence", "monitoring", "transit", "lighting", "bus_company", "other")
MAX_LOGIN_CHARS = 60
MAX_NAME_CHARS = 60
_ROLES_SQL = ", ".join(f"'{role}'" for role in ROLES)
_KINDS_SQL = ", ".join(f"'{kind}'" for kind in ORGANISATION_KINDS)

organisations = Table(
    "organisations",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    timestamp_column("ended_at", nullable=True),
    CheckConstraint(f"kind IN ({_KINDS_SQL})", name="kind"),
)

people = Table(
    "people",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("login", Text, nullable=False, unique=True, comment="What the person types to sign in; lower case"),
    Column("name", Text, nullable=False, comment="As it stands beside what the person does; no two alike"),
    Column("organisation_id", ForeignKey("organisations.id"), nullable=True),
    Column("language", Text, nullable=False, server_default="es", comment="es or en"),
    Column("password_hash", Text, nullable=True, comment="argon2id; null until the person has set a password"),
    Column("totp_secret", Text, nullable=True, comment="Base 32"),
    timestamp_column("totp_since", nullable=True),
    Column("totp_last_counter", BigInteger, nullable=True, comment="A code of this time step or before is used up"),
    Column("oidc_issuer", Text, nullable=True),
    Column("oidc_subject", Text, nullable=True),
    Column("setup_code_sha256", LargeBinary, nullable=True, comment="Of a one-time code with which to set a password"),
    timestamp_column("setup_code_expires_at", nullable=True),
    timestamp_column("created_at"),
    Column("created_by", Text, nullable=False),
    timestamp_column("disabled_at", nullable=True),
    CheckConstraint(f"login = lower(login) AND char_length(login) BETWEEN 1 AND {MAX_LOGIN_CHARS}", name="login"),
    CheckConstraint(f"char_length(name) BETWEEN 1 AND {MAX_NAME_CHARS}", name="name"),
    CheckConstraint("language IN ('es', 'en')", name="language"),
    CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", name="oidc"),
    CheckConstraint("(setup_code_sha256 IS NULL) = (setup_code_expires_at IS NULL)", name="setup_code"),
    UniqueConstraint("oidc_issuer", "oidc_subject", name="people_oidc_key"),
)
Index("people_one_name", func.lower(people.c.name), unique=True)

person_roles = Table(
    "person_roles",
    METADATA,
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("role", Text, primary_key=True),
    timestamp_column("granted_at"),
    Column("granted_by", Text, nullable=False),
    CheckConstraint(f"role IN ({_ROLES_SQL})", name="role"),
)

sessions = Table(
    "sessions",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("token_sha256", LargeBinary, nullable=False, unique=True, comment="Of a 256-bit random token"),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    timestamp_column("opened_at"),
    timestamp_column("last_seen_at"),
    timestamp_column("expires_at"),
    timestamp_column("revoked_at", nullable=True),
    Column("method", Text, nullable=False, comment="password, password+totp, setup or oidc"),
    Column("agent", Text, nullable=False, comment="Browser and system, such as Firefox on Linux"),
    Column("address", Text, nullable=False),
    Index(None, "person_id"),
)

api_keys = Table(
    "api_keys",
    METADATA,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("token_sha256", LargeBinary, nullable=False, unique=True, comment="Of a 256-bit random token, shown once"),
    Column("roles", ARRAY(Text), nullable=False),
    timestamp_column("created_at"),
    Column("created_by", Text, nullable=False, server_default="console"),
    timestamp_column("expires_at", nullable=True),
    timestamp_column("last_used_at", nullable=True),
    timestamp_column("revoked_at", nullable=True),
    CheckConstraint(f"roles <@ ARRAY[{_ROLES_SQL}] AND cardinality(roles) > 0", name="roles"),
)

login_attempts = Table(
    "login_attempts",
    METADATA,
    Column("subject", Text, primary_key=True, comment="account:LOGIN or address:ADDRESS"),
    Column("failures", Integer, nullable=False),
    timestamp_column("last_at"),
)

second_person_requests = Table(
    "second_person_requests",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("action", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    timestamp_column("requested_at"),
    Column("requested_by", Text, nullable=False),
    timestamp_column("expires_at"),
    timestamp_column("decided_at", nullable=True),
    Column("decided_by", Text, nullable=True),
    Column("approved", Boolean, nullable=True),
    CheckConstraint("num_nulls(decided_at, decided_by, approved) IN (0, 3)", name="decided"),
    CheckConstraint("NOT approved OR lower(decided_by) <> lower(requested_by)", name="another"),
    Index(
        "second_person_requests_one_open",
        "action",
        "about",
        unique=True,
        postgresql_where=text("decided_at IS NULL"),
    ),
)

_CHANNELS_SQL = ", ".join(f"'{name}'" for name in CHANNELS)

person_channels = Table(
    "person_channels",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("channel", Text, nullable=False, comment="console, apprise, webhook, webpush or sms"),
    Column(
        "address", Text, nullable=False, comment="May hold a secret: shown to the person and who administers people"
    ),
    Column("position", SmallInteger, nullable=False, comment="The lowest is tried first"),
    Column("told_of_exercises", Boolean, nullable=False, comment="Whether drills and training may come here"),
    timestamp_column("created_at"),
    timestamp_column("tested_at", nullable=True),
    Column("test_code_sha256", Text, nullable=True),
    timestamp_column("test_ends_at", nullable=True),
    Column("test_tries", SmallInteger, nullable=False, server_default=text("0"), comment="Wrong codes entered"),
    timestamp_column("ended_at", nullable=True),
    CheckConstraint(f"channel IN ({_CHANNELS_SQL})", name="channel"),
    CheckConstraint(f"char_length(address) BETWEEN 1 AND {MAX_ADDRESS_CHARS}", name="address"),
    CheckConstraint("(test_code_sha256 IS NULL) = (test_ends_at IS NULL)", name="test"),
    Index(
        "person_channels_in_use",
        "person_id",
        "channel",
        text("md5(address)"),
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
)

oidc_sign_ins = Table(
    "oidc_sign_ins",
    METADATA,
    Column("cookie_sha256", LargeBinary, primary_key=True, comment="Of a random cookie: binds it to one browser"),
    Column("state", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("code_verifier", Text, nullable=False, comment="PKCE; the provider knows its hash"),
    Column("alert_id", BigInteger, nullable=True, comment="The alert that is shown afterwards"),
    timestamp_column("expires_at"),
    Index(None, "expires_at"),
)
