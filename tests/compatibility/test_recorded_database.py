"""A database written by an earlier version gives the same results in this version, and loses no stored field."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from models.tables.metadata import METADATA
from tests.compatibility import expected_results, lists, rewritten_documents, stored_documents
from tests.compatibility.recorded_database import FOLDER, TABLES

EXPECTED: dict[str, dict[str, Any]] = json.loads(expected_results.EXPECTED.read_text(encoding="utf-8"))
LISTED = lists.read(stored_documents.LIST)
LATER_TABLES = frozenset(
    {
        "actuator_orders",
        "actuator_tests",
        "actuators",
        "api_keys",
        "barrios",
        "canaries",
        "declaration_warnings",
        "declarations",
        "erasures",
        "exercise_steps",
        "exercises",
        "escalation_calls",
        "escalation_steps",
        "escalations",
        "handovers",
        "incidents",
        "last_backup",
        "learning_outcomes",
        "login_attempts",
        "notice_deliveries",
        "oidc_sign_ins",
        "organisations",
        "people",
        "person_channels",
        "person_roles",
        "log_chain",
        "log_entries",
        "log_pending",
        "phone_tree",
        "phone_tree_calls",
        "postponed_messages",
        "redactions",
        "rejection_counts",
        "second_person_requests",
        "sessions",
        "shift_changes",
        "shifts",
        "sms_codes",
    }
)
"""Tables that were added after the recorded database was written."""


@pytest.fixture(scope="module")
def earlier(database_url: str) -> Iterator[Engine]:
    """The recorded database, migrated to the present schema."""
    with expected_results.earlier_database(database_url) as database:
        yield database


@pytest.fixture(scope="module")
def results(database_url: str) -> Iterator[dict[str, dict[str, Any]]]:
    """Results of this version on another copy of it."""
    with expected_results.earlier_database(database_url) as database:
        yield expected_results.present_results(database)


@pytest.mark.parametrize(("part", "topic"), [(part, topic) for part, topics in EXPECTED.items() for topic in topics])
def test_a_result_is_that_of_the_earlier_version(results: dict[str, dict[str, Any]], part: str, topic: str) -> None:
    assert results[part][topic] == EXPECTED[part][topic]


def test_all_results_are_compared(results: dict[str, dict[str, Any]]) -> None:
    assert {part: sorted(topics) for part, topics in results.items()} == {
        part: sorted(topics) for part, topics in EXPECTED.items()
    }


@pytest.mark.parametrize("name", sorted(rewritten_documents.REWRITERS))
def test_a_document_read_and_written_again_loses_nothing(earlier: Engine, name: str) -> None:
    with earlier.connect() as connection:
        before, after = rewritten_documents.stored_and_rewritten(connection, name)
        connection.rollback()
    kept = {key: document for key, document in before.items() if key not in rewritten_documents.UNREAD_KEYS}
    assert kept
    assert stored_documents.lost(kept, dict(after)) == []


def test_no_stored_field_is_unknown_to_this_version(earlier: Engine) -> None:
    with earlier.connect() as connection:
        stored = stored_documents.fields(connection)
    unread = {f"{name} {item}" for name, items in stored.items() for item in set(items) - set(LISTED[name])}
    assert unread == set(LISTED[stored_documents.NO_LONGER_WRITTEN])


def test_the_fields_that_this_version_writes_are_as_listed(database_url: str) -> None:
    written = stored_documents.fields_written_now(database_url)
    changed = lists.differences({name: LISTED[name] for name in written}, written)
    advice = (
        "If the change is intended: keep stored data readable, then `python -m tests.compatibility.stored_documents`."
    )
    assert not changed, "\n".join((*changed, advice))


def test_every_table_of_the_earlier_version_has_rows() -> None:
    filled = set((FOLDER / TABLES).read_text(encoding="utf-8").split())
    assert filled >= METADATA.tables.keys() - LATER_TABLES


def test_a_lost_field_and_a_changed_value_are_reported() -> None:
    kept = {"place": {"at": 1.0, "phase": "layover"}, "marks": [[1.0, 2.0]]}
    assert stored_documents.lost(kept, kept | {"newer": 1}) == []
    assert stored_documents.lost(kept, {"place": {"at": 1.0, "doing": "layover"}, "marks": [[1.0, 2.5]]}) == [
        ".place.phase is missing",
        ".marks[0][1]: 2.0 became 2.5",
    ]
