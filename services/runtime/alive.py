"""A file whose time of change says that this process works: what the health check of its container looks at.

A check that starts a program and asks the database would cost more than many a process it checks.
"""

from functools import cache
from pathlib import Path

from services.runtime.settings import Settings


def mark_alive() -> None:
    """Touch the file that VIGIA_ALIVE_FILE names, if it does. Called where a round of work is done."""
    if (file := _alive_file()) is not None:
        file.touch()


@cache
def _alive_file() -> Path | None:
    return Settings().alive_file
