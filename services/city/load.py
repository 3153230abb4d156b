"""Load a seed into the tables. Changed rules get a new version; nothing is deleted."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection

from alerts import area_levels, rulebook
from alerts.life.limits import ACKNOWLEDGEMENT_KEY
from alerts.record import Entry, record
from alerts.rulebook import judgement_row
from models.json_text import json_text
from models.place import City, Device, Station, Street
from models.rows import driver
from models.rule import Rule
from services.city.seed import Seed


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """How many stations, devices and rules of a seed are in the tables, and how many rules changed."""

    stations: int
    devices: int
    rules: int
    rules_changed: int
    rules_retired: int


def load(transaction: Connection, seed: Seed, now: datetime) -> LoadCounts:
    """Store a seed in the caller's transaction. Loading the same seed again changes nothing.

    Stations that the seed no longer has keep their readings, but they and their rules become inactive. A device that
    the seed no longer has at an active station becomes unregistered: it was removed or replaced.
    """
    city = seed.city
    _store_areas(transaction, city, now)
    for station in city.stations:
        _store_station(transaction, station, now)
    for device in city.devices:
        _store_device(transaction, device, now)
    changed = sum(_store_rule(transaction, rule, now) for rule in seed.rules)
    retired = _retire_missing(transaction, seed)
    _raise_configuration_version(transaction, city)
    area_levels.recheck_area_levels(transaction, rulebook.read(transaction), now)
    counts = LoadCounts(len(city.stations), len(city.devices), len(seed.rules), changed, retired)
    record(transaction, Entry("city.loaded", f"city:{city.name}", details=asdict(counts)), now)
    return counts


def _json(value: object) -> str | None:
    return None if value is None else json_text(value)


def _store_areas(transaction: Connection, city: City, now: datetime) -> None:
    with driver(transaction).cursor() as cursor:
        for municipality in city.municipalities:
            cursor.execute(
                "INSERT INTO municipalities (id, name, latitude, longitude) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (id) DO UPDATE SET name = excluded.name, latitude = excluded.latitude,"
                " longitude = excluded.longitude",
                [municipality.id, municipality.name, municipality.latitude, municipality.longitude],
            )
        for basin in city.basins:
            geometry = {"type": "MultiPolygon", "coordinates": [[ring] for ring in basin.outlines]}
            cursor.execute(
                "INSERT INTO basins (id, municipality_id, name, geometry, note) VALUES (%s, %s, %s, %s::jsonb, %s)"
                " ON CONFLICT (id) DO UPDATE SET municipality_id = excluded.municipality_id, name = excluded.name,"
                " geometry = excluded.geometry, note = excluded.note",
                [basin.id, basin.municipality, basin.name, _json(geometry), basin.note],
            )
        for barrio in city.barrios:
            cursor.execute(
                "INSERT INTO barrios (id, municipality_id, basin_id, name) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (id) DO UPDATE SET municipality_id = excluded.municipality_id,"
                " basin_id = excluded.basin_id, name = excluded.name",
                [barrio.id, barrio.municipality, barrio.basin, barrio.name],
            )
        in_use = [one.id for one in city.actuators]
        cursor.execute("UPDATE actuators SET retired_at = %s WHERE id <> ALL(%s)", [now, in_use])
        for one in city.actuators:
            cursor.execute(
                "INSERT INTO actuators (id, municipality_id, kind, area, name) VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT (id) DO UPDATE SET municipality_id = excluded.municipality_id, kind = excluded.kind,"
                " area = excluded.area, name = excluded.name, retired_at = NULL",
                [one.id, one.municipality, one.kind, one.area, one.name],
            )


def _store_station(transaction: Connection, station: Station, now: datetime) -> None:
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO stations (id, municipality_id, basin_id, kind, name, latitude, longitude, street,"
            " speed_limits, site_limits, note, active)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s, true)"
            " ON CONFLICT (id) DO UPDATE SET municipality_id = excluded.municipality_id, basin_id = excluded.basin_id,"
            " kind = excluded.kind, name = excluded.name, latitude = excluded.latitude,"
            " longitude = excluded.longitude, street = excluded.street, speed_limits = excluded.speed_limits,"
            " site_limits = excluded.site_limits, note = excluded.note, active = true",
            [
                station.id,
                station.municipality,
                station.basin,
                station.kind,
                station.name,
                station.latitude,
                station.longitude,
                station.street.name if station.street else None,
                _json(speed_limits_row(station.street)),
                _json(station.site_limits),
                station.note,
            ],
        )
        # The time of loading counts as judged, so that a station that never sends is noticed as silent too.
        cursor.execute(
            "INSERT INTO subject_states (subject, version, states, colours, judged_at) VALUES (%s, 0, '{}', '{}', %s)"
            " ON CONFLICT (subject) DO NOTHING",
            [station.id, now],
        )


def speed_limits_row(street: Street | None) -> dict[str, object] | None:
    """The limits of a street as stored: the default limit, and windows of ISO weekdays and local hours."""
    if street is None:
        return None
    windows = [
        {
            "days": list(window.days),
            "start": window.start.isoformat(timespec="minutes"),
            "end": window.end.isoformat(timespec="minutes"),
            "limit_kmh": window.limit_kmh,
        }
        for window in street.windows
    ]
    return {"limit_kmh": street.limit_kmh, "windows": windows}


def _store_device(transaction: Connection, device: Device, now: datetime) -> None:
    """Register a device. One that was unregistered keeps its readings and gets its station."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO devices (municipality, kind, code, station_id, first_seen_at, registered_at)"
            " VALUES (%s, %s, %s, %s, NULL, %s) ON CONFLICT (municipality, kind, code) DO UPDATE SET"
            " station_id = excluded.station_id,"
            " registered_at = coalesce(devices.registered_at, excluded.registered_at)",
            [device.municipality, device.kind, device.code, device.station, now],
        )


def _store_rule(transaction: Connection, rule: Rule, now: datetime) -> bool:
    """Put a rule in force; whether it changed. Older versions stay, since transitions refer to them."""
    judgement = _json(judgement_row(rule.judgement))
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "SELECT version, active AND judgement = %s::jsonb AND subject = %s FROM rules WHERE id = %s"
            " ORDER BY version DESC LIMIT 1",
            [judgement, rule.subject, rule.id],
        )
        newest_version, is_same = cursor.fetchone() or (0, False)
        if is_same:
            return False
        cursor.execute("UPDATE rules SET active = false WHERE id = %s", [rule.id])
        cursor.execute(
            "INSERT INTO rules (id, version, kind, subject, judgement, active, changed_at)"
            " VALUES (%s, %s, %s, %s, %s::jsonb, true, %s)",
            [rule.id, newest_version + 1, rule.kind, rule.subject, judgement, now],
        )
    return True


def _retire_missing(transaction: Connection, seed: Seed) -> int:
    """Deactivate rules and stations, and unregister devices, that the seed no longer has. Returns how many rules."""
    municipalities = [one.id for one in seed.city.municipalities]
    stations = [one.id for one in seed.city.stations]
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "UPDATE stations SET active = false WHERE municipality_id = ANY(%s) AND active AND id <> ALL(%s)",
            [municipalities, stations],
        )
        cursor.execute(
            "UPDATE rules SET active = false WHERE active AND id <> ALL(%s) AND subject IN"
            " (SELECT id FROM stations WHERE municipality_id = ANY(%s))",
            [[rule.id for rule in seed.rules], municipalities],
        )
        retired = cursor.rowcount
        devices = seed.city.devices
        cursor.execute(
            "UPDATE devices d SET station_id = NULL, registered_at = NULL FROM stations s"
            " WHERE s.id = d.station_id AND s.active AND s.municipality_id = ANY(%s) AND NOT EXISTS"
            " (SELECT FROM unnest(%s::text[], %s::text[], %s::text[]) AS named (municipality, kind, code)"
            " WHERE (named.municipality, named.kind, named.code) = (d.municipality, d.kind, d.code))",
            [municipalities, [d.municipality for d in devices], [d.kind for d in devices], [d.code for d in devices]],
        )
        return retired


def _raise_configuration_version(transaction: Connection, city: City) -> None:
    """Increase the configuration's version, so that each process reads the configuration again."""
    with driver(transaction).cursor() as cursor:
        cursor.execute(
            "INSERT INTO configuration (version, city, plan) VALUES (1, %s::jsonb, %s::jsonb) ON CONFLICT (id)"
            " DO UPDATE SET version = configuration.version + 1, city = excluded.city, plan = excluded.plan",
            [_json(_city_row(city)), _json(_plan_rows(city)) if city.plan else None],
        )


def _plan_rows(city: City) -> list[dict[str, object]]:
    return [{"kind": one.kind.value, "name": one.name, "parts": one.parts} for one in city.plan]


def _city_row(city: City) -> dict[str, object]:
    """What every process must know of the city: its name, its time zone, and what it has of the rest."""
    landmarks = [{"name": one.name, "latitude": one.latitude, "longitude": one.longitude} for one in city.landmarks]
    named = {"id": city.id, "name": city.name, "zone": city.zone.key}
    optional = {
        "landmarks": landmarks,
        "advice": dict(city.advice),
        "authority": city.authority,
        ACKNOWLEDGEMENT_KEY: dict(city.acknowledgement_min),
    }
    return named | {key: value for key, value in optional.items() if value}
