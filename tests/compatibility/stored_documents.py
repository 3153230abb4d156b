"""Documents stored as JSON in table columns: the names of their fields, and the words that code compares with.

A renamed field that has a default decodes without error, and its stored value is lost. So `documents.toml` lists the
names as they stand in the stored text, apart from the code that writes them.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, text

from models.migrations import upgrade
from services.embedded.postgres import embedded_postgres
from services.runtime.database import open_database
from tests.compatibility import lists, simulated_morning
from tests.databases import plain_database

LIST = Path(__file__).with_name("documents.toml")
HEADER = """\
# The fields of every document stored in a column, and the words that code compares with, as in the stored text.
# `python -m tests.compatibility.stored_documents` rewrites this file. A removed line makes stored data unreadable.
"""

_ALL_QUERY = "SELECT '' AS sort, {column}::text AS document FROM {table} WHERE {column} IS NOT NULL"
_EVIDENCE_QUERY = (
    "SELECT regexp_replace(rule_id, '^.*[./]', '') || ' ' || cause AS sort, evidence::text AS document FROM {table}"
)
DOCUMENTS: Mapping[str, str] = {
    **{
        name: _ALL_QUERY.format(table=name.partition(".")[0], column=name.partition(".")[2])
        for name in (
            *("configuration.city", "basins.geometry", "stations.speed_limits", "stations.site_limits"),
            *("device_memories.memory", "subject_states.states", "subject_states.colours"),
            *("heartbeats.status", "forecast_models.model"),
            *("vehicle_outlooks.outlook", "vehicle_outlooks.belief", "expected_journeys.coming"),
            *("link_history.learnt", "transit_trust.trust", "timetable_versions.feed_info"),
            *("service_alerts.header", "service_alerts.description"),
            *("service_alerts.informed", "service_alerts.periods"),
        )
    },
    "device_memories.latest": "SELECT d.kind AS sort, latest::text AS document FROM device_memories m"
    " JOIN devices d ON d.id = m.device_id",
    "rules.judgement": "SELECT judgement ->> 'judgement' AS sort, judgement::text AS document FROM rules",
    "alerts.evidence": _EVIDENCE_QUERY.format(table="alerts"),
    "transitions.evidence": _EVIDENCE_QUERY.format(table="transitions"),
    "attention.evidence": "SELECT split_part(subject, ':', 1) AS sort, evidence::text AS document FROM attention",
    "notices.body": "SELECT '' AS sort, (body - 'evidence')::text AS document FROM notices",
    "events.data": "SELECT event AS sort, (data::jsonb - 'evidence')::text AS document FROM events",
}
"""By table and column, the query of its documents, each with its sort: what distinguishes documents of one column."""

NEVER_FILLED = "never filled"
"""The section of fields that the simulated morning leaves empty."""
NO_LONGER_WRITTEN = "no longer written"
"""The section of fields that an earlier version wrote and this one does not read."""
CODE_FIELDS = frozenset({"judgement", "phase", "basis", "reason", "cause", "change", "state", "action"})
"""Fields whose values code compares with."""
_NAME = re.compile(r"[A-Za-z_]\w*")
"""A field name. Other keys are data: numbers, and ids of stations and rules."""
MAX_FIXED = 15
"""An array of always the same length, up to this, is taken as a record whose fields have no names."""


def documents(connection: Connection, name: str) -> list[tuple[str, Any]]:
    """All documents of a column, each with its sort."""
    rows = connection.execute(text(DOCUMENTS[name]))
    return [(row.sort, json.loads(row.document)) for row in rows]


def fields(connection: Connection) -> dict[str, list[str]]:
    """The fields of all documents by table and column."""
    return {name: sorted(set(_field_names(documents(connection, name)))) for name in DOCUMENTS}


def fields_written_now(server_url: str) -> dict[str, list[str]]:
    """The fields that the present code writes when it runs the simulated morning in a new database."""
    with plain_database(server_url) as url:
        database = open_database(url, name="test")
        try:
            with database.begin() as transaction:
                upgrade(transaction)
            simulated_morning.fill(database)
            with database.connect() as connection:
                return fields(connection) | {NEVER_FILLED: empty_fields(connection)}
        finally:
            database.dispose()


def empty_fields(connection: Connection) -> list[str]:
    """Fields that are null, 0, false or empty in every document: reading them back proves nothing."""
    found: dict[str, bool] = {}
    for name in DOCUMENTS:
        for sort, document in documents(connection, name):
            for path, value in _leaves(document, _root_path(name, sort)):
                found[path] = found.get(path, False) or bool(value)
    used = {path for path, is_used in found.items() if is_used}
    return sorted(
        path for path in found.keys() - used if not any(other.startswith((f"{path}.", f"{path}[")) for other in used)
    )


def lost(before: Any, after: Any, path: str = "") -> list[str]:
    """The differences of a rewritten document from the stored one. Additional fields are no difference."""
    match before, after:
        case Mapping(), Mapping():
            return [
                line
                for key, value in before.items()
                for line in (lost(value, after[key], f"{path}.{key}") if key in after else [f"{path}.{key} is missing"])
            ]
        case list(), list() if len(before) <= len(after):
            return [line for at, value in enumerate(before) for line in lost(value, after[at], f"{path}[{at}]")]
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]


def _root_path(name: str, sort: str) -> str:
    return f"{name} ({sort})" if sort else name


def _field_names(found: Sequence[tuple[str, Any]]) -> Iterator[str]:
    lengths: dict[str, set[int]] = {}
    for sort, document in found:
        for path, value in _walk(document, sort):
            if isinstance(value, list):
                lengths.setdefault(path, set()).add(len(value))
            elif not path.endswith("]") and not isinstance(value, Mapping):
                yield path.lstrip(".")
            if path.rpartition(".")[2] in CODE_FIELDS and isinstance(value, str):
                yield f"{path.lstrip('.')} = {value!r}"
    for path, several in lengths.items():
        filled, name = several - {0}, path.lstrip(".") or "itself"
        fixed = len(filled) == 1 and max(filled) <= MAX_FIXED
        yield f"{name}: {max(filled)} values" if fixed else f"{name}: any number"


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from _walk(inner, f"{path}.{_key(str(key))}")
        case list():
            for inner in value:
                yield from _walk(inner, f"{path}[]")


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value that contains no others, with its path; of a record without names, each by its index."""
    match value:
        case Mapping() if value:
            for key, inner in value.items():
                yield from _leaves(inner, f"{path}.{_key(str(key))}")
        case list() if value and len(value) <= MAX_FIXED and not isinstance(value[0], list | Mapping):
            for at, inner in enumerate(value):
                yield from _leaves(inner, f"{path}[{at}]")
        case list() if value:
            for inner in value:
                yield from _leaves(inner, f"{path}[]")
        case _:
            yield path, value


def _key(key: str) -> str:
    """A field name as it is; of a key that is data, only its type, as in `gato-520.stage:stage`."""
    if _NAME.fullmatch(key):
        return key
    _, separator, sort = key.rpartition(":")
    return f"*:{sort}" if separator else "*"


def main() -> None:
    """Rewrite the list, with an embedded PostgreSQL."""
    with TemporaryDirectory(prefix="vigia-") as folder, embedded_postgres(Path(folder)) as server:
        found = fields_written_now(server.url)
    listed = lists.read(LIST)
    for line in lists.differences(listed, found | {NO_LONGER_WRITTEN: listed.get(NO_LONGER_WRITTEN, [])}):
        print(line)
    lists.write(LIST, HEADER, found | {NO_LONGER_WRITTEN: listed.get(NO_LONGER_WRITTEN, [])})


if __name__ == "__main__":
    main()
