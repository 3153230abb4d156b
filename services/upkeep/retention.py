"""Delete rows past their retention period. Hourly aggregates, alerts and transitions are kept, without names.

On TimescaleDB a job in the database deletes raw readings (`models.migrations.timescale`); all other rows are deleted
here. What people did and were told is erased by functions of the database only, each of which leaves a record.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, Engine, text

from alerts.record import Entry, record
from models.kind import SensorKind
from models.kinds import KINDS
from models.migrations.readings import delete_readings_keep_hours
from models.migrations.timescale import hypertables

EVENTS_KEPT = timedelta(hours=24)
"""A client of the live stream may resume within this period."""
REINGESTED_KEPT = timedelta(days=90)
REJECTED_KEPT = timedelta(days=365)
RIDER_REPORTS_KEPT = timedelta(days=365)
"""Limited, since a comment may contain whatever its writer entered."""
TIMETABLES_KEPT = timedelta(days=8)
"""After a newer version replaced them. A journey ends at most a week after its service date (`ingest.gtfs.fields`)."""
HEARTBEATS_KEPT = timedelta(days=30)
"""Heartbeats of processes that no longer run. A running process overwrites its own."""
PREDICTIONS_KEPT = timedelta(days=2)
"""Predictions of vehicles not heard since, and of journeys that are over."""
STOP_PASSAGES_KEPT = timedelta(days=30)
"""As long as the positions from which they were computed."""
TRAVEL_TIMES_KEPT = timedelta(days=730)
"""Travel times of links that no bus has passed since, and the length of the public record of accuracy."""
ACTIONS_KEPT = timedelta(days=1826)
"""What operators did and who was told: 5 years, for the review of a flood and as long as a claim may come.

The database refuses to erase what is younger than two years.
"""
ACCESS_KEPT = timedelta(days=365)
"""API keys and contacts after their end, so that a year's actions can be traced to who had access."""
SESSIONS_KEPT = timedelta(days=90)
"""After they ended, so that the misuse of an account can be traced."""
ATTEMPTS_KEPT = timedelta(days=1)
"""Wrong attempts to sign in, after the last of an account or address."""
SMS_CODES_KEPT = timedelta(days=30)
"""Codes to answer by text message, after they ended. What was acknowledged by one stands among the actions."""
MAX_ROWS_PER_TRANSACTION = 10_000
MAX_TRANSACTIONS_PER_RUN = 1000
"""Limit for each table; the next run deletes the rest."""

DeleteBatch = Callable[[Connection], int]


@dataclass(frozen=True, slots=True)
class _Expiry:
    """Expired rows of a table. `condition`: SQL on bounds by name; `key`: identifies a row; `kept`: period by bound."""

    table: str
    key: str
    condition: str
    kept: dict[str, timedelta]


_EXPIRIES = (
    _Expiry("events", "id", "at < :events", {"events": EVENTS_KEPT}),
    _Expiry(
        "rejected_messages",
        "id",
        "received_at < :rejected OR reingested_at < :reingested",
        {"rejected": REJECTED_KEPT, "reingested": REINGESTED_KEPT},
    ),
    _Expiry("rejection_counts", "ctid", "hour < :rejected", {"rejected": REJECTED_KEPT}),
    _Expiry("rider_reports", "id", "at < :reports", {"reports": RIDER_REPORTS_KEPT}),
    _Expiry("vehicle_outlooks", "ctid", "observed_at < :outlooks", {"outlooks": PREDICTIONS_KEPT}),
    _Expiry("expected_journeys", "ctid", "until < :outlooks", {"outlooks": PREDICTIONS_KEPT}),
    _Expiry("stop_visits", "ctid", "arrived_at < :visits", {"visits": STOP_PASSAGES_KEPT}),
    _Expiry("link_history", "ctid", "changed_at < :learnt", {"learnt": TRAVEL_TIMES_KEPT}),
    _Expiry("estimate_scores", "ctid", "day < :learnt", {"learnt": TRAVEL_TIMES_KEPT}),
    _Expiry("timetable_versions", "id", "superseded_at < :timetables", {"timetables": TIMETABLES_KEPT}),
    _Expiry("heartbeats", "process", "at < :heartbeats", {"heartbeats": HEARTBEATS_KEPT}),
    _Expiry("api_keys", "id", "revoked_at < :access OR expires_at < :access", {"access": ACCESS_KEPT}),
    _Expiry("people", "id", "disabled_at < :actions", {"actions": ACTIONS_KEPT}),
    _Expiry("sessions", "id", "expires_at < :sessions", {"sessions": SESSIONS_KEPT}),
    _Expiry("login_attempts", "subject", "last_at < :attempts", {"attempts": ATTEMPTS_KEPT}),
    _Expiry("oidc_sign_ins", "cookie_sha256", "expires_at < :attempts", {"attempts": ATTEMPTS_KEPT}),
    _Expiry("second_person_requests", "id", "requested_at < :actions", {"actions": ACTIONS_KEPT}),
    _Expiry("actuator_orders", "id", "ordered_at < :actions", {"actions": ACTIONS_KEPT}),
    _Expiry("actuator_tests", "id", "asked_at < :actions", {"actions": ACTIONS_KEPT}),
    _Expiry(
        "exercise_steps",
        "ctid",
        "exercise_id IN (SELECT id FROM exercises WHERE ended_at < :actions)",
        {"actions": ACTIONS_KEPT},
    ),
    _Expiry(
        "exercises",
        "id",
        "ended_at < :actions AND NOT EXISTS (SELECT FROM exercise_steps WHERE exercise_id = exercises.id)",
        {"actions": ACTIONS_KEPT},
    ),
    _Expiry("contacts", "id", "ended_at < :access", {"access": ACCESS_KEPT}),
    _Expiry("shifts", "id", "ended_at < :actions", {"actions": ACTIONS_KEPT}),
    _Expiry("shift_changes", "id", "ends_at < :actions", {"actions": ACTIONS_KEPT}),
    _Expiry("handovers", "id", "given_at < :actions", {"actions": ACTIONS_KEPT}),
    _Expiry("escalation_calls", "id", "called_at < :actions", {"actions": ACTIONS_KEPT}),
    _Expiry("phone_tree_calls", "id", "at < :actions", {"actions": ACTIONS_KEPT}),
    _Expiry("phone_tree", "id", "ended_at < :access", {"access": ACCESS_KEPT}),
    _Expiry("person_channels", "id", "ended_at < :access", {"access": ACCESS_KEPT}),
    _Expiry("sms_codes", "notice_id", "ends_at < :codes", {"codes": SMS_CODES_KEPT}),
    _Expiry(
        "service_alerts",
        "id",
        "ended_at < :actions OR (state = 'draft' AND created_at < :actions)",
        {"actions": ACTIONS_KEPT},
    ),
)
_ERASING_FUNCTIONS = {
    "alert_actions": "expire_alert_actions",
    "alerts": "expire_alert_names",
    "declarations": "expire_declaration_names",
    "notices": "expire_notices",
    "log_entries": "expire_log_content",
}
"""By table: what erases its expired rows, or the names or content in them, after ACTIONS_KEPT."""
EXPIRING_TABLES = frozenset({*(expiry.table for expiry in _EXPIRIES), *_ERASING_FUNCTIONS})
"""Tables other than readings whose rows, or names in them, do not outlive a period."""


def delete_expired(database: Engine, now: datetime, *, transactions: int = MAX_TRANSACTIONS_PER_RUN) -> dict[str, int]:
    """Delete expired rows in short transactions, at most `transactions` a table. Returns the rows deleted, by table.

    Several processes may run it at once. A killed run leaves no partial work.
    """
    with database.begin() as transaction:
        managed_by_timescale = hypertables(transaction)
    steps: dict[str, DeleteBatch] = {
        f"{kind.name}_readings": partial(_expire_readings, kind=kind, now=now)
        for kind in KINDS
        if f"{kind.name}_readings" not in managed_by_timescale
    }
    steps |= {expiry.table: partial(_expire_rows, expiry=expiry, now=now) for expiry in _EXPIRIES}
    steps |= {table: partial(_erase, function=function, now=now) for table, function in _ERASING_FUNCTIONS.items()}
    deleted = {table: _repeat_until_done(database, step, transactions) for table, step in steps.items()}
    with database.begin() as transaction:
        rows = {table: count for table, count in deleted.items() if count}
        record(transaction, Entry("retention.ran", details={"deleted": rows}), now)
    return deleted


def _repeat_until_done(database: Engine, step: DeleteBatch, transactions: int) -> int:
    total = 0
    for _ in range(transactions):
        with database.begin() as transaction:
            deleted = step(transaction)
        total += deleted
        if deleted < MAX_ROWS_PER_TRANSACTION:
            break
    return total


def _expire_readings(transaction: Connection, kind: SensorKind, now: datetime) -> int:
    before = now - timedelta(days=kind.retention.raw_days)
    return delete_readings_keep_hours(transaction, kind, before=before, most=MAX_ROWS_PER_TRANSACTION)


def _expire_rows(transaction: Connection, expiry: _Expiry, now: datetime) -> int:
    statement = (
        f"DELETE FROM {expiry.table} WHERE {expiry.key} IN"
        f" (SELECT {expiry.key} FROM {expiry.table} WHERE {expiry.condition} LIMIT :most FOR UPDATE SKIP LOCKED)"
    )
    bounds = {name: now - kept for name, kept in expiry.kept.items()}
    return transaction.execute(text(statement), {**bounds, "most": MAX_ROWS_PER_TRANSACTION}).rowcount


def _erase(transaction: Connection, function: str, now: datetime) -> int:
    statement = text(f"SELECT {function}(:before, :most)")
    bounds = {"before": now - ACTIONS_KEPT, "most": MAX_ROWS_PER_TRANSACTION}
    return int(transaction.execute(statement, bounds).scalar_one())
