"""The recorded database: rows that an earlier version wrote, as text files, and how to load them into a database.

The files were written at schema revision 0008, by running `simulated_morning` with the software of that time:

    git checkout COMMIT && python -m tests.compatibility.recorded_database

Do not repeat this: the files stand for databases in use. A later migration that changes stored data leaves the files as
they are; they test the migration.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text
from sqlalchemy.schema import CreateTable

import models.migrations
from models.kinds import KINDS
from models.migrations.readings import kept_hours_table
from models.rows import driver
from models.tables.metadata import METADATA
from models.tables.readings import READINGS
from services.embedded.postgres import embedded_postgres
from services.runtime.database import open_database
from tests.compatibility import simulated_morning

REVISION = "0008"
FOLDER = Path(__file__).with_name(f"revision_{REVISION}")
TABLES = "tables.txt"
"""Names of the tables, in an order that satisfies their foreign keys."""
READINGS_TABLES = "readings.sql"
"""Definitions of the tables of readings, which no numbered migration creates."""

_COLUMNS = text(
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped"
    " AND format_type(atttypid, atttypmod) <> 'xid8' ORDER BY attnum"
)
_IDENTITY_COLUMNS = text(
    "SELECT a.attname FROM pg_attribute a WHERE a.attrelid = to_regclass(:name) AND a.attidentity <> ''"
)


def restore(database: Engine) -> None:
    """Create the schema of that revision in an empty database and load the rows."""
    with database.begin() as transaction:
        config = Config()
        config.set_main_option("script_location", str(Path(models.migrations.__file__).parent))
        config.attributes["connection"] = transaction
        command.upgrade(config, REVISION)
        transaction.exec_driver_sql((FOLDER / READINGS_TABLES).read_text(encoding="utf-8"))
        for name in (FOLDER / TABLES).read_text(encoding="utf-8").split():
            _load_rows(transaction, name)


def _load_rows(transaction: Connection, name: str) -> None:
    content = (FOLDER / f"{name}.tsv").read_bytes()
    columns = content.partition(b"\n")[0].decode().replace("\t", ", ")
    with driver(transaction).cursor() as cursor:
        with cursor.copy(f"COPY {name} ({columns}) FROM STDIN (FORMAT text, HEADER)".encode()) as copy:
            copy.write(content)
        for (column,) in transaction.execute(_IDENTITY_COLUMNS, {"name": name}).all():
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{name}', '{column}'), max({column})) FROM {name}")


def write(database: Engine) -> None:
    """Write a file for each table that has rows."""
    FOLDER.mkdir(exist_ok=True)
    kept_hours = {f"{kind.name}_hourly_kept": kept_hours_table(kind) for kind in KINDS}
    definitions = (CreateTable(table).compile(database) for table in (*READINGS.values(), *kept_hours.values()))
    statements = (
        "".join(f"{str(definition).strip()};\n" for definition in definitions)
        .replace("\t", "    ")
        .replace(" \n", "\n")
    )
    (FOLDER / READINGS_TABLES).write_text(statements, encoding="utf-8")
    written = []
    with database.connect() as connection:
        for name in (*(table.name for table in METADATA.sorted_tables), *kept_hours):
            if connection.execute(text(f"SELECT 1 FROM {name} LIMIT 1")).first() is not None:
                (FOLDER / f"{name}.tsv").write_bytes(_rows(connection, name))
                written.append(name)
    (FOLDER / TABLES).write_text("".join(f"{name}\n" for name in written), encoding="utf-8")


def _rows(connection: Connection, name: str) -> bytes:
    columns = ", ".join(connection.execute(_COLUMNS, {"name": name}).scalars())
    query = f"COPY (SELECT {columns} FROM {name} ORDER BY 1, 2, 3) TO STDOUT (FORMAT text, HEADER)"
    with driver(connection).cursor() as cursor, cursor.copy(query.encode()) as copy:
        return b"".join(map(bytes, copy))


def main() -> None:
    """Run the simulated morning on an embedded PostgreSQL and write its rows."""
    with TemporaryDirectory(prefix="vigia-") as folder, embedded_postgres(Path(folder)) as server:
        database = open_database(server.url, name="recording")
        with database.begin() as transaction:
            models.migrations.upgrade(transaction)
            assert models.migrations.current(transaction) == REVISION, f"the files are of revision {REVISION}"
        simulated_morning.fill(database)
        with database.begin() as transaction:
            simulated_morning.remove_repetitions(transaction)
        write(database)
        database.dispose()


if __name__ == "__main__":
    main()
