"""The data register covers every table, and what it says of retention is what the retention job does."""

from collections import Counter
from datetime import timedelta

from models.kinds import KINDS
from models.migrations.privileges import VERSION_TABLE
from models.tables import METADATA
from services.upkeep.data_register import ENTRIES
from services.upkeep.retention import EXPIRING_TABLES

PERSONAL = {
    "actuator_orders",
    "actuator_tests",
    "alert_actions",
    "alerts",
    "api_keys",
    "contacts",
    "declarations",
    "escalation_calls",
    "exercises",
    "handovers",
    "log_chain",
    "log_entries",
    "log_pending",
    "login_attempts",
    "notice_deliveries",
    "notices",
    "people",
    "person_channels",
    "person_roles",
    "phone_tree",
    "phone_tree_calls",
    "postponed_messages",
    "redactions",
    "rejected_messages",
    "rider_reports",
    "second_person_requests",
    "service_alerts",
    "sessions",
    "shift_changes",
    "shifts",
    "sms_codes",
}


def test_every_table_stands_in_the_register_once() -> None:
    readings = {f"{kind.name}_readings" for kind in KINDS}
    tables = (set(METADATA.tables) - readings) | {VERSION_TABLE}
    assert Counter(name for entry in ENTRIES for name in entry.tables) == Counter(tables)


def test_every_entry_has_a_purpose_a_basis_and_a_period() -> None:
    for entry in ENTRIES:
        assert all((entry.purpose.es, entry.purpose.en, entry.legal_basis, entry.kept)), entry.tables


def test_what_holds_personal_data_says_so_and_says_which_columns() -> None:
    personal = {name for entry in ENTRIES if entry.personal.en != "none" for name in entry.tables}
    assert personal == PERSONAL
    assert [entry.tables for entry in ENTRIES if entry.personal.en != "none" and not entry.fields] == []


def test_what_has_a_period_is_deleted_by_the_retention_job() -> None:
    limited = {name for entry in ENTRIES if isinstance(entry.kept, timedelta) for name in entry.tables}
    by_cascade, until_processed = {"redactions", "person_roles", "notice_deliveries"}, {"postponed_messages"}
    hashes_only = {"log_chain", "log_pending"}
    assert limited | PERSONAL <= EXPIRING_TABLES | by_cascade | until_processed | hashes_only
