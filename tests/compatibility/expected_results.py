"""Results that the version which wrote the recorded database computed from it: `expected.json`, and today's results.

`python -m tests.compatibility.expected_results` rewrites the file from the present code. Do so only for an intended
change, and review the diff: any other difference is a fault.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine

from models.migrations import upgrade
from services.embedded.postgres import embedded_postgres
from services.runtime.database import open_database
from tests.compatibility.continued_run import continued_run
from tests.compatibility.http_responses import http_responses
from tests.compatibility.reader_results import reader_results
from tests.compatibility.recorded_database import FOLDER, restore
from tests.databases import plain_database

EXPECTED = FOLDER / "expected.json"
MAX_INLINE = 4
"""An inner list of at most this many values stands on the line of the outer list."""


@contextmanager
def earlier_database(server_url: str) -> Iterator[Engine]:
    """The recorded database, migrated to the present schema."""
    with plain_database(server_url) as url:
        database = open_database(url, name="test")
        try:
            restore(database)
            with database.begin() as transaction:
                upgrade(transaction)
            yield database
        finally:
            database.dispose()


def present_results(database: Engine) -> dict[str, dict[str, Any]]:
    """All results that are compared. The continued run comes last, because it changes the rows."""
    with database.connect() as connection:
        readers = reader_results(connection)
    results = {"readers": readers, "answers": http_responses(database), "goes on": continued_run(database)}
    decoded: dict[str, dict[str, Any]] = json.loads(json.dumps(results))
    return decoded


def main() -> None:
    """Rewrite the expected results, with an embedded PostgreSQL."""
    with (
        TemporaryDirectory(prefix="vigia-") as folder,
        embedded_postgres(Path(folder)) as server,
        earlier_database(server.url) as database,
    ):
        results = present_results(database)
    EXPECTED.write_text(formatted_json(results) + "\n", encoding="utf-8")


def formatted_json(value: Any, indent: str = "") -> str:
    """JSON with one field a line, and short or flat lists on one line."""
    deeper = f"{indent} "
    match value:
        case dict() if value:
            parts = [
                f"{json.dumps(name, ensure_ascii=False)}: {formatted_json(value[name], deeper)}"
                for name in sorted(value)
            ]
            return "{\n" + ",\n".join(deeper + part for part in parts) + f"\n{indent}}}"
        case list() if any(
            isinstance(inner, dict) or (isinstance(inner, list) and len(inner) > MAX_INLINE) for inner in value
        ):
            return "[\n" + ",\n".join(deeper + formatted_json(inner, deeper) for inner in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    main()
