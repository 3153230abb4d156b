"""Privileges of the database roles on each table. Applied by the migration where it runs as `vigia_owner`.

A table that is not named for a role is closed to it. No role may update or delete transitions, actions, erasures, the
record or the version of the schema; the functions in FUNCTIONS do what retention and redaction need, and leave a
record. Everything works on one plain role too: then nothing is granted here.

INSERT and UPDATE are granted for every column but those that the database numbers itself: a role that could choose an
id could take the next ones, and keep others from writing. Without the privilege for the whole table, a role cannot lock
it either.
"""

import re
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, text

from models.kinds import KINDS
from models.migrations.readings import ROLLUPS
from models.migrations.retention_refusal import SIGNATURE as RETENTION_REFUSAL
from models.tables import METADATA

OWNER = "vigia_owner"
API = "vigia_api"
PIPELINE = "vigia_pipeline"
NOTIFIER = "vigia_notifier"
UPKEEP = "vigia_upkeep"
ROLES = (API, PIPELINE, NOTIFIER, UPKEEP)

READ = "SELECT"
ADD = "SELECT, INSERT"
WRITE = "SELECT, INSERT, UPDATE"
KEEP = "SELECT, INSERT, UPDATE, DELETE"
VERSION_TABLE = "alembic_version"

_READINGS = [f"{kind.name}_readings" for kind in KINDS]
_KEPT_HOURS = [f"{kind.name}_hourly_kept" for kind in KINDS]
_ROLLUPS = [f"{kind.name}_{rollup.name}" for kind in KINDS for rollup in ROLLUPS]
_TIMETABLES = [name for name in METADATA.tables if name.startswith("timetable_")]
_CITY = [
    *("configuration", "municipalities", "basins", "barrios", "stations"),
    *("rules", "forecast_models", "learning_outcomes"),
]
_FOLLOWED = ["vehicle_outlooks", "expected_journeys", "stop_visits", "link_history", "transit_trust", "estimate_scores"]
_JUDGED = ["subject_states", "attention"]
_PEOPLE = ["people", "sessions", "api_keys", "login_attempts", "second_person_requests", "oidc_sign_ins"]
_RECEIVED = ["device_memories", "sequence_gaps"]
_RECORD = "INSERT (at, what, about, actor, details)"
_ROTA = ["shifts", "escalation_steps"]


def _all(tables: list[str], privileges: str) -> dict[str, str]:
    return dict.fromkeys(tables, privileges)


PRIVILEGES: Mapping[str, Mapping[str, str]] = {
    API: {
        **_all([*_CITY, "devices", *_TIMETABLES, *_FOLLOWED, *_JUDGED, *_RECEIVED], READ),
        **_all([*_READINGS, *_KEPT_HOURS, *_ROLLUPS], READ),
        "alerts": "SELECT, UPDATE (state, nar, held_nar, acknowledged_at, acknowledged_by, acknowledged_until,"
        " waiting_since, waiting_because, shelved_until, shelved_by, shelved_nar, flapping_since, closed_at, closed_by,"
        " version)",
        "incidents": "SELECT, UPDATE (state, closed_at)",
        "declarations": ADD,
        "declaration_warnings": READ,
        "actuators": READ,
        **_all(["actuator_orders", "actuator_tests"], ADD),
        "exercises": "SELECT, INSERT, UPDATE (ended_at, ended_by)",
        "exercise_steps": ADD,
        "transitions": READ,
        "alert_actions": ADD,
        "redactions": "SELECT, INSERT (action_id, requested_at, requested_by, reason)",
        "notices": "SELECT (id, alert_id, transition_id, person_id, incident_id, escalation_id, step, exercise,"
        " channel, not_before, sent_at, refused, person_channel_id, body, attempts, dedup_key),"
        " INSERT (person_id, incident_id, escalation_id, step, exercise, person_channel_id, channel, recipient,"
        " priority, dedup_key, body, not_before)",
        **_all([*_ROTA, "escalations", "phone_tree"], READ),
        "shift_changes": "SELECT, INSERT, UPDATE (accepted_at, accepted_by, withdrawn_at, withdrawn_by)",
        "handovers": "SELECT, INSERT, UPDATE (acknowledged_at, acknowledged_by)",
        "escalation_calls": "SELECT, UPDATE (answered_at)",
        "phone_tree_calls": ADD,
        "service_alerts": "SELECT, INSERT, UPDATE (state, version, published_at, published_by, ended_at, ended_by)",
        "rider_reports": "SELECT (id, at, code, route_id), INSERT",
        **_all(["rejected_messages", "rejection_counts"], READ),
        "organisations": READ,
        "people": WRITE,
        "person_roles": "SELECT, INSERT, DELETE",
        "sessions": WRITE,
        "api_keys": "SELECT, UPDATE (last_used_at)",
        "login_attempts": KEEP,
        "second_person_requests": WRITE,
        "person_channels": WRITE,
        "notice_deliveries": READ,
        "sms_codes": "SELECT, UPDATE (used_at)",
        "oidc_sign_ins": KEEP,
        "heartbeats": WRITE,
        "last_backup": READ,
        "events": ADD,
        "log_entries": f"SELECT, {_RECORD}",
        "log_chain": READ,
    },
    PIPELINE: {
        **_all([*_CITY, *_TIMETABLES], READ),
        "devices": "SELECT, INSERT (municipality, kind, code, first_seen_at),"
        " UPDATE (online, online_since, first_seen_at)",
        **_all([*_READINGS, *_FOLLOWED, *_JUDGED, *_RECEIVED], WRITE),
        **_all([*_KEPT_HOURS, *_ROLLUPS], READ),
        "alerts": WRITE,
        "incidents": WRITE,
        "transitions": ADD,
        "declarations": READ,
        "alert_actions": "SELECT (id), INSERT",
        "contacts": "SELECT (channel, address, least_nar, ended_at)",
        "notices": "SELECT (id, dedup_key), INSERT",
        "rejected_messages": "SELECT, INSERT, UPDATE (reingested_at)",
        "rejection_counts": WRITE,
        "postponed_messages": "SELECT, INSERT, DELETE",
        "canaries": WRITE,
        "heartbeats": WRITE,
        "events": ADD,
        "log_entries": _RECORD,
    },
    NOTIFIER: {
        "configuration": READ,
        "people": "SELECT (id, name, organisation_id, language, disabled_at)",
        "person_roles": READ,
        "alerts": WRITE,
        "incidents": WRITE,
        "transitions": ADD,
        "declarations": ADD,
        "declaration_warnings": ADD,
        "municipalities": READ,
        "basins": READ,
        "barrios": READ,
        "stations": READ,
        "attention": READ,
        "exercises": READ,
        "exercise_steps": "SELECT, UPDATE (done_at)",
        "actuators": READ,
        "actuator_orders": "SELECT, UPDATE (state, state_at, sent_at, detail)",
        "actuator_tests": "SELECT, UPDATE (sent_at, answered_at, passed, detail)",
        "contacts": WRITE,
        **_all([*_ROTA, "shift_changes", "municipalities", "basins"], READ),
        "alert_actions": "SELECT (id, alert_id, incident_id, at, actor, action), INSERT",
        **_all(["escalations", "escalation_calls"], WRITE),
        "notices": "SELECT, INSERT, UPDATE (leased_until, attempts, not_before, sent_at, refused, trouble)",
        "person_channels": READ,
        "notice_deliveries": WRITE,
        "sms_codes": ADD,
        "heartbeats": WRITE,
        "events": ADD,
        "log_entries": f"SELECT, {_RECORD}",
        "log_pending": "SELECT, DELETE",
        "log_chain": ADD,
    },
    UPKEEP: {
        **_all([*_READINGS, *_KEPT_HOURS, *_TIMETABLES, *_FOLLOWED, *_JUDGED], KEEP),
        **_all([*_CITY, "devices"], WRITE),
        **_all([*_ROLLUPS, *_RECEIVED], READ),
        **_all(["contacts", "service_alerts", "rider_reports", "rejected_messages", "rejection_counts"], KEEP),
        **_all([*_PEOPLE, "organisations", "person_roles"], KEEP),
        **_all(["heartbeats", "events"], KEEP),
        **_all(["person_channels", "sms_codes"], KEEP),
        "notice_deliveries": READ,
        "alerts": WRITE,
        "incidents": WRITE,
        "transitions": ADD,
        "alert_actions": ADD,
        "declarations": READ,
        **_all(["exercises", "exercise_steps", "actuators", "actuator_orders", "actuator_tests"], KEEP),
        "notices": ADD,
        **_all([*_ROTA, "shift_changes", "handovers", "escalation_calls", "phone_tree", "phone_tree_calls"], KEEP),
        "escalations": READ,
        "redactions": "SELECT, INSERT (action_id, requested_at, requested_by, reason)",
        "erasures": READ,
        **_all(["canaries", "last_backup"], READ),
        "log_entries": f"SELECT, {_RECORD}",
        **_all(["log_pending", "log_chain"], READ),
    },
}
"""Privileges by role and table. Every role also reads the version of the schema."""

FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    UPKEEP: (
        "redact_note(bigint)",
        "expire_alert_actions(timestamptz, integer)",
        "expire_alert_names(timestamptz, integer)",
        "expire_declaration_names(timestamptz, integer)",
        "expire_notices(timestamptz, integer)",
        "erase_log_content(bigint)",
        "expire_log_content(timestamptz, integer)",
        RETENTION_REFUSAL,
    ),
    NOTIFIER: (RETENTION_REFUSAL,),
    API: (RETENTION_REFUSAL,),
}
"""Functions that a role may execute. They run as the owner. Those that erase write to `erasures`."""


def ensure_privileges(connection: Connection) -> None:
    """Set the privileges of each role as PRIVILEGES says. Does nothing where the session's role is not the owner."""
    if connection.execute(text("SELECT current_user")).scalar_one() != OWNER:
        return
    present = connection.execute(text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:roles)"), {"roles": [*ROLES]})
    owned = connection.execute(text(_OWNED)).scalars().all()
    for role in present.scalars().all():
        for statement in _statements(role, ", ".join(owned)):
            connection.exec_driver_sql(statement)


_OWNED = (
    "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " AND relkind IN ('r', 'p', 'v', 'm') AND pg_get_userbyid(relowner) = current_user ORDER BY 1"
)


def _statements(role: str, owned: str) -> Iterator[str]:
    yield f"REVOKE ALL ON {owned} FROM {role}"
    for function in {name for functions in FUNCTIONS.values() for name in functions}:
        yield f"REVOKE ALL ON FUNCTION {function} FROM {role}"
    yield f"GRANT SELECT ON {VERSION_TABLE} TO {role}"
    for table, privileges in PRIVILEGES[role].items():
        yield f"GRANT {_by_column(table, privileges)} ON {table} TO {role}"
    for function in FUNCTIONS.get(role, ()):
        yield f"GRANT EXECUTE ON FUNCTION {function} TO {role}"


def _by_column(table: str, privileges: str) -> str:
    """The privileges with INSERT and UPDATE on the whole table written as columns. Readings tables stay as they are."""
    if table not in METADATA.tables or table in _READINGS:
        return privileges
    columns = [one.name for one in METADATA.tables[table].columns if one.identity is None and one.computed is None]
    return re.sub(r"\b(INSERT|UPDATE)\b(?! \()", rf"\1 ({', '.join(columns)})", privileges)
