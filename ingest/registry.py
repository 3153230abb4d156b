"""Which device a sender on the wire is: its row, the station it stands at and what is expected of it there."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter

from psycopg.rows import dict_row
from sqlalchemy import Connection

from models.kind import Limits
from models.kinds import KINDS_BY_NAME
from models.reading import Presence, Reading
from models.rows import driver

DeviceKey = tuple[str, str, str]
"""Municipality, kind and device, as in the topic."""

MAX_UNREGISTERED = 10_000


device_key: Callable[[Reading | Presence], DeviceKey] = attrgetter("municipality", "kind", "device")
"""Who says it."""


class TooManyUnregistered(Exception):
    """More than 10,000 unregistered devices are held already: register them (vigia load) or stop who invents names."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device's row. `station` is None until somebody registers it: its readings are kept, and judged by nobody."""

    id: int
    station: str | None
    limits: Limits


class DeviceRegistry:
    """Remembers the devices seen, until the configuration's version changes."""

    def __init__(self) -> None:
        """Knows nobody yet."""
        self._devices: dict[DeviceKey, Device] = {}
        self._version: int | None = None

    def clear_if_outdated(self, version: int) -> None:
        """Look everybody up again if the configuration is newer than what is remembered."""
        if version != self._version:
            self._devices.clear()
            self._version = version

    def cached(self, senders: Iterable[DeviceKey]) -> Mapping[DeviceKey, Device] | None:
        """The devices of these senders; None where one of them must be looked up."""
        return {sender: self._devices[sender] for sender in senders} if self._devices.keys() >= set(senders) else None

    def resolve(
        self, transaction: Connection, senders: Iterable[DeviceKey], now: datetime
    ) -> Mapping[DeviceKey, Device]:
        """Each sender's device; one never seen before gets a row as unregistered.

        Raises TooManyUnregistered. A new device is remembered only from the next look-up on, since this transaction
        may yet fail.
        """
        unknown = [sender for sender in set(senders) if sender not in self._devices]
        if not unknown:
            return self._devices
        found = _look_up(transaction, unknown)
        self._devices.update(found)
        missing = [sender for sender in unknown if sender not in found]
        if not missing:
            return self._devices
        return {**self._devices, **_insert_unregistered(transaction, missing, now)}


def _look_up(transaction: Connection, senders: list[DeviceKey]) -> dict[DeviceKey, Device]:
    with driver(transaction).cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT d.id, d.municipality, d.kind, d.code, d.station_id, s.site_limits"
            " FROM unnest(%s::text[], %s::text[], %s::text[]) AS asked (municipality, kind, code)"
            " JOIN devices d USING (municipality, kind, code) LEFT JOIN stations s ON s.id = d.station_id AND s.active",
            [list(column) for column in zip(*senders, strict=True)],
        )
        return {(row["municipality"], row["kind"], row["code"]): _device(row) for row in cursor}


def _device(row: Mapping[str, object]) -> Device:
    limits, site = KINDS_BY_NAME[str(row["kind"])].limits, row["site_limits"]
    if isinstance(site, list):
        limits = replace(limits, site=(float(site[0]), float(site[1])))
    station = row["station_id"]
    return Device(int(str(row["id"])), None if station is None else str(station), limits)


def _insert_unregistered(transaction: Connection, senders: list[DeviceKey], now: datetime) -> dict[DeviceKey, Device]:
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT count(*) FROM devices WHERE registered_at IS NULL")
        held = (cursor.fetchone() or (0,))[0]
        if held + len(senders) > MAX_UNREGISTERED:
            raise TooManyUnregistered
        # DO NOTHING would return no row when another pipeline inserts the same name at this moment.
        cursor.execute(
            "INSERT INTO devices (municipality, kind, code, first_seen_at)"
            " SELECT m, k, c, %s FROM unnest(%s::text[], %s::text[], %s::text[]) AS new (m, k, c) ORDER BY 1, 2, 3"
            " ON CONFLICT (municipality, kind, code) DO UPDATE SET first_seen_at = devices.first_seen_at"
            " RETURNING id, municipality, kind, code",
            [now, *(list(column) for column in zip(*senders, strict=True))],
        )
        return {(row[1], row[2], row[3]): Device(row[0], None, KINDS_BY_NAME[row[2]].limits) for row in cursor}
