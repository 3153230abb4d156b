"""What a database holds, as values that can be written down and compared: rows, keys, grants, jobs, versions."""

from collections.abc import Mapping

import psycopg
from psycopg.sql import SQL, Identifier

Contents = Mapping[str, Mapping[str, str]]
"""Section, name, value. Sections: versions, rows, keys, sequences, grants, jobs."""

_TABLES = (
    "SELECT relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    " AND NOT relispartition AND NOT EXISTS"
    " (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1"
)
_SECTIONS = {
    "keys": "SELECT conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND contype <> 'n'",  # from 18 on, NOT NULL is one
    "grants": "SELECT c.relname || ' ' || r.rolname || ' ' || a.privilege_type, r.rolname"
    " FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee"
    " WHERE c.relnamespace = 'public'::regnamespace UNION ALL"
    " SELECT c.relname || '.' || t.attname || ' ' || r.rolname || ' ' || a.privilege_type, r.rolname"
    " FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a"
    " JOIN pg_roles r ON r.oid = a.grantee WHERE c.relnamespace = 'public'::regnamespace UNION ALL"
    " SELECT c.relname || ' owner', r.rolname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
    " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')",
}
_SEQUENCES = (
    "SELECT s.relname, t.relname, a.attname FROM pg_class s JOIN pg_depend d ON d.objid = s.oid"
    " AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')"
    " JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid"
    " WHERE s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace ORDER BY 1"
)
OF_NEWER_SERVERS = " MAINTAIN"
"""A privilege that owners have from PostgreSQL 17 on, also where the backup is of an older server."""
AHEAD = "ahead of every row"
"""Of a sequence. Its number itself belongs to no transaction: beside writers it is another one at each look."""
_JOBS = (
    "SELECT job_id || ' ' || proc_name, concat_ws(' ', hypertable_name, schedule_interval, scheduled, config)"
    " FROM timescaledb_information.jobs WHERE job_id >= 1000"
)


def read_contents(connection: psycopg.Connection) -> dict[str, dict[str, str]]:
    """Everything that a restore is checked against, in the caller's transaction. Reads every row."""
    versions = read_versions(connection)
    contents = {"versions": versions, "rows": {name: _rows(connection, name) for name in table_names(connection)}}
    queries = _SECTIONS | ({"jobs": _JOBS} if versions["timescaledb"] else {})
    for section, query in queries.items():
        contents[section] = {str(name): str(value) for name, value in connection.execute(query.encode())}
    contents["sequences"] = {
        name: _sequence(connection, name, table, column)
        for name, table, column in connection.execute(_SEQUENCES).fetchall()
    }
    return contents


def read_versions(connection: psycopg.Connection) -> dict[str, str]:
    """Of PostgreSQL, of the extension (empty: none) and of the schema (empty: never migrated)."""
    extension = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    schema = None
    if "alembic_version" in table_names(connection):
        schema = connection.execute("SELECT version_num FROM public.alembic_version").fetchone()
    return {
        "postgresql": str(connection.info.server_version // 10_000),
        "timescaledb": extension[0] if extension else "",
        "schema": schema[0] if schema else "",
    }


def table_names(connection: psycopg.Connection) -> list[str]:
    """The city's own tables, without partitions, chunks and those of extensions."""
    return [name for (name,) in connection.execute(_TABLES)]


def differences(before: Contents, after: Contents, ignored: frozenset[str]) -> list[str]:
    """One line for each value that is lost, new or changed, outside the ignored sections."""
    lines = []
    for section in sorted((before.keys() | after.keys()) - ignored):
        old, new = before.get(section, {}), after.get(section, {})
        names = old.keys() | {name for name in new if not name.endswith(OF_NEWER_SERVERS)}
        changed = sorted(name for name in names if not _is_same(old.get(name), new.get(name)))
        lines += [f"{section}: {name}: {old.get(name, 'none')} -> {new.get(name, 'none')}" for name in changed]
    return lines


def _is_same(old: str | None, new: str | None) -> bool:
    """Whether a value came back. Backups of earlier versions wrote down the number of a sequence."""
    return old == new or (old is not None and old.isdigit() and new == AHEAD)


def _sequence(connection: psycopg.Connection, name: str, table: str, column: str) -> str:
    query = SQL(
        "SELECT coalesce((SELECT max({column}) FROM public.{table}), 0),"
        " (SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM public.{name})"
    ).format(column=Identifier(column), table=Identifier(table), name=Identifier(name))
    highest, last = connection.execute(query).fetchone() or (0, 0)
    return AHEAD if last >= highest else f"at {last}, behind {highest}"


def _rows(connection: psycopg.Connection, table: str) -> str:
    """Number of rows, and the sum of a 64-bit hash of each, which does not depend on their order."""
    query = SQL("SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM public.{} t")
    number, total = connection.execute(query.format(Identifier(table))).fetchone() or (0, 0)
    return f"{number} rows, hash {total}"
