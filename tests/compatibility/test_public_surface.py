"""The public interface is as listed: URLs, fields, commands, settings, tables, metrics, topics."""

from tests.compatibility import lists
from tests.compatibility.public_surface import (
    LIST,
    REWRITE_COMMAND,
    Surface,
    code_surface,
    database_surface,
    running_surface,
)

CODE = code_surface().keys()
SCHEMA = frozenset({"columns", "constraints"})
RUNNING = frozenset({"csv", "live_events", "metrics"})
ADVICE = (
    f"If the change is intended: edit surface.toml, or rewrite it with `{REWRITE_COMMAND}`, and change CHANGELOG.md."
)


def assert_as_listed(found: Surface) -> None:
    """Fail with the differences if the sections in `found` differ from the stored list."""
    listed = lists.read(LIST)
    changed = lists.differences({section: listed.get(section, []) for section in found}, found)
    assert not changed, "\n".join((*changed, ADVICE))


def test_urls_fields_commands_settings_seed_and_topics_are_as_listed() -> None:
    assert_as_listed(code_surface())


def test_tables_columns_and_constraints_are_as_listed(database_url: str) -> None:
    assert_as_listed(database_surface(database_url))


def test_metrics_live_events_and_csv_of_running_processes_are_as_listed(database_url: str, mqtt_url: str) -> None:
    assert_as_listed(running_surface(database_url, mqtt_url))


def test_every_section_of_the_list_is_compared() -> None:
    assert lists.read(LIST).keys() == CODE | SCHEMA | RUNNING


def test_a_difference_is_reported_as_removed_and_added_items() -> None:
    before, after = {"routes": ["GET /a", "GET /b"]}, {"routes": ["GET /b", "GET /c"], "csv": ["time"]}
    assert lists.differences(before, after) == ["added csv: time", "removed routes: GET /a", "added routes: GET /c"]
    assert lists.differences(before, before) == []
