"""Device registry: find the device row of a reading or presence, its station and the limits that apply there."""

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
"""Limit of unregistered devices, so that a sender that invents names cannot fill the table."""


device_key: Callable[[Reading | Presence], DeviceKey] = attrgetter("municipality", "kind", "device")
"""The key of the device that sent a reading or presence."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device. `station` is None until it is registered: its readings are stored, but no rule judges them."""

    id: int
    station: str | None
    limits: Limits


class DeviceRegistry:
    """Cache of the devices seen. It is cleared when the version of the configuration changes."""

    def __init__(self) -> None:
        """Start with an empty cache."""
        self._devices: dict[DeviceKey, Device] = {}
        self._version: int | None = None

    def clear_if_outdated(self, version: int) -> None:
        """Clear the cache if the version of the configuration differs from the cached one."""
        if version != self._version:
            self._devices.clear()
            self._version = version

    def cached(self, keys: Iterable[DeviceKey]) -> Mapping[DeviceKey, Device] | None:
        """The devices of these keys; None if one of them is not in the cache."""
        return {key: self._devices[key] for key in keys} if self._devices.keys() >= set(keys) else None

    def resolve(self, transaction: Connection, keys: Iterable[DeviceKey], now: datetime) -> Mapping[DeviceKey, Device]:
        """The devices of these keys. A key without a row gets one, as an unregistered device.

        Keys beyond MAX_UNREGISTERED are missing in the result. A new device is cached only by its next look-up, since
        this transaction may fail.
        """
        unknown = [key for key in set(keys) if key not in self._devices]
        if not unknown:
            return self._devices
        found = _look_up(transaction, unknown)
        self._devices.update(found)
        missing = [key for key in unknown if key not in found]
        if not missing:
            return self._devices
        return {**self._devices, **_insert_unregistered(transaction, missing, now)}


def registered_devices(transaction: Connection) -> dict[DeviceKey, str | None]:
    """The station of each registered device."""
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT municipality, kind, code, station_id FROM devices WHERE registered_at IS NOT NULL")
        return {(municipality, kind, code): station for municipality, kind, code, station in cursor}


def _look_up(transaction: Connection, keys: list[DeviceKey]) -> dict[DeviceKey, Device]:
    with driver(transaction).cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT d.id, d.municipality, d.kind, d.code, d.station_id, s.site_limits"
            " FROM unnest(%s::text[], %s::text[], %s::text[]) AS asked (municipality, kind, code)"
            " JOIN devices d USING (municipality, kind, code) LEFT JOIN stations s ON s.id = d.station_id AND s.active",
            [list(column) for column in zip(*keys, strict=True)],
        )
        return {(row["municipality"], row["kind"], row["code"]): _device(row) for row in cursor}


def _device(row: Mapping[str, object]) -> Device:
    limits, site = KINDS_BY_NAME[str(row["kind"])].limits, row["site_limits"]
    if isinstance(site, list):
        limits = replace(limits, site=(float(site[0]), float(site[1])))
    station = row["station_id"]
    return Device(int(str(row["id"])), None if station is None else str(station), limits)


def _insert_unregistered(transaction: Connection, keys: list[DeviceKey], now: datetime) -> dict[DeviceKey, Device]:
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT count(*) FROM devices WHERE registered_at IS NULL")
        count = (cursor.fetchone() or (0,))[0]
        keys = sorted(keys)[: max(0, MAX_UNREGISTERED - count)]
        if not keys:
            return {}
        # DO NOTHING would return no row when another pipeline inserts the same name at the same time.
        cursor.execute(
            "INSERT INTO devices (municipality, kind, code, first_seen_at)"
            " SELECT m, k, c, %s FROM unnest(%s::text[], %s::text[], %s::text[]) AS new (m, k, c) ORDER BY 1, 2, 3"
            " ON CONFLICT (municipality, kind, code) DO UPDATE SET first_seen_at = devices.first_seen_at"
            " RETURNING id, municipality, kind, code",
            [now, *(list(column) for column in zip(*keys, strict=True))],
        )
        return {(row[1], row[2], row[3]): Device(row[0], None, KINDS_BY_NAME[row[2]].limits) for row in cursor}
