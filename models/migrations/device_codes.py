"""The unique index on the ids of registered devices: one id is one device, whatever its kind and municipality.

A broker's user is called by the device's id alone, so an id that two kinds share would let either device speak as both.
"""

import logging

from sqlalchemy import Connection, text

INDEX = "devices_one_registered_code"

log = logging.getLogger(__name__)


def ensure_unique_codes(connection: Connection) -> None:
    """Create the index. Where a database of an earlier version has an id twice, warn and leave both devices working.

    The seed check names the same ids; the migration after they were renamed creates the index.
    """
    if connection.execute(text("SELECT to_regclass(:index)"), {"index": INDEX}).scalar_one() is not None:
        return
    owns = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'devices'::regclass"
    if not connection.execute(text(owns)).scalar_one():
        return
    shared = connection.execute(
        text("SELECT code FROM devices WHERE registered_at IS NOT NULL GROUP BY code HAVING count(*) > 1 ORDER BY code")
    ).scalars()
    if codes := shared.all():
        log.warning("devices share an id: rename all but one", extra={"action": "migrate", "devices": codes})
        return
    connection.execute(text(f"CREATE UNIQUE INDEX {INDEX} ON devices (code) WHERE registered_at IS NOT NULL"))
