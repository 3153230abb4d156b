"""The settings of a database connection."""

from sqlalchemy import text

from services.runtime.database import open_database


def test_each_connection_commits_to_disk_in_utc_and_with_a_statement_timeout(database_url: str) -> None:
    engine = open_database(database_url, name="test", statement_timeout_s=3, pool_size=1)
    expected = {"timezone": "UTC", "synchronous_commit": "on", "statement_timeout": "3s", "application_name": "test"}
    with engine.connect() as connection:
        found = {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in expected}
    engine.dispose()
    assert found == expected
