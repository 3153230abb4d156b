"""Store births and last wills in the device rows: which devices are online, and since when."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from ingest.registry import Device, DeviceKey, device_key
from models.reading import Presence
from models.rows import driver


def store_presences(
    transaction: Connection, devices: Mapping[DeviceKey, Device], presences: Iterable[Presence]
) -> list[Presence]:
    """Store the newest presence of each device. Returns those that changed a row; older ones change nothing."""
    changed = []
    with driver(transaction).cursor() as cursor:
        for presence in presences:
            device = devices[device_key(presence)]
            cursor.execute(
                "UPDATE devices SET online = %s, online_since = %s WHERE id = %s AND online IS DISTINCT FROM %s"
                " AND (online_since IS NULL OR online_since <= %s)",
                [presence.online, presence.observed_at, device.id, presence.online, presence.observed_at],
            )
            if cursor.rowcount:
                changed.append(presence)
    return changed
