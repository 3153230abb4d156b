"""Vehicle speeds by street and hour of the day, with the limits in force, from single vehicles and from counts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection, select, text

from models.kinds.radar import RADAR
from models.place import LimitWindow, Street
from models.reading import UNTRUSTED
from models.speeds import BIN_COUNT, BIN_WIDTH_KMH, Histogram, merge_histograms, speed_statistics, vehicles_at_or_above
from models.tables.city import stations

SLOT_MIN = 15
"""Speed limits are looked up for each quarter of an hour."""
_MONDAY = datetime(2024, 1, 1)  # noqa: DTZ001 - a weekday and an hour of any week, in the city's own time
Speed = Annotated[float | None, Field(description="km/h", examples=[57.3])]
VehiclesByLimit = list[tuple[float, Histogram]]
"""Pairs of a speed limit, km/h, and the vehicles for which it held."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """Statistics of vehicle speeds. Null without vehicles. Their error is below one bin of 5 km/h."""

    vehicles: Annotated[int, Field(examples=[412])]
    mean_kmh: Speed
    p85_kmh: Speed
    p95_kmh: Speed
    limits_kmh: Annotated[tuple[float, ...], Field(description="Limits in force, km/h", examples=[[20.0, 60.0]])]
    share_over: Annotated[
        float | None, Field(description="Of the vehicles, above their limit, 0 to 1", examples=[0.18])
    ]


@dataclass(frozen=True, slots=True)
class HourSpeeds:
    """The vehicles of one hour of the day, in the city's own time, over all days of the period."""

    hour: Annotated[int, Field(ge=0, le=23, examples=[8])]
    speeds: Speeds


@dataclass(frozen=True, slots=True)
class StreetSpeeds:
    """A street's speeds over a period, whole and by hour of the day; hours without vehicles are left out."""

    station: Annotated[str, Field(examples=["av7-y-60"])]
    street: Annotated[str, Field(examples=["Av. 7"])]
    name: Annotated[str, Field(examples=["Av. 7 y 60"])]
    whole: Speeds
    hours: tuple[HourSpeeds, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RadarFilter:
    """Which radars; None does not filter. `after`: those with a greater station id."""

    municipality: str | None = None
    station: str | None = None
    after: str | None = None


ALL_RADARS = RadarFilter()


def street_speeds(
    connection: Connection, zone: str, start: datetime, end: datetime, radars: RadarFilter = ALL_RADARS, *, limit: int
) -> list[StreetSpeeds]:
    """Speeds on the street of each radar from `start` to `end`, by station id. `zone`: IANA name of the time zone."""
    query = select(stations).where(stations.c.kind == RADAR.name, stations.c.active)
    if radars.municipality is not None:
        query = query.where(stations.c.municipality_id == radars.municipality)
    if radars.station is not None:
        query = query.where(stations.c.id == radars.station)
    if radars.after is not None:
        query = query.where(stations.c.id > radars.after)
    places = connection.execute(query.order_by(stations.c.id).limit(limit)).all()
    counted = _count_vehicles(connection, [place.id for place in places], zone, start, end)
    return [_street_speeds(place, counted.get(place.id, {})) for place in places]


def _street_speeds(place: Any, slots: Mapping[tuple[int, int], Histogram]) -> StreetSpeeds:
    street = radar_street(place)
    by_hour: defaultdict[int, VehiclesByLimit] = defaultdict(list)
    for (weekday, slot), counts in slots.items():
        local = _MONDAY + timedelta(days=weekday - 1, minutes=slot * SLOT_MIN)
        by_hour[local.hour].append((street.limit_kmh_at(local), counts))
    return StreetSpeeds(
        station=place.id,
        street=street.name,
        name=place.name,
        whole=_speeds([one for limited in by_hour.values() for one in limited], street),
        hours=tuple(HourSpeeds(hour, _speeds(by_hour[hour], street)) for hour in sorted(by_hour)),
    )


def radar_street(place: Any) -> Street:
    """The street of a radar station with its limits, as `services.city.load` stores them."""
    stored = place.speed_limits or {}
    windows = tuple(
        LimitWindow(
            days=tuple(window["days"]),
            start=time.fromisoformat(window["start"]),
            end=time.fromisoformat(window["end"]),
            limit_kmh=window["limit_kmh"],
        )
        for window in stored.get("windows", ())
    )
    return Street(
        id=place.id, name=place.street or place.name, limit_kmh=stored.get("limit_kmh", 40.0), windows=windows
    )


def _speeds(limited: VehiclesByLimit, street: Street) -> Speeds:
    counts = merge_histograms(counts for _, counts in limited)
    whole = speed_statistics(counts, street.limit_kmh)
    over = sum(vehicles_at_or_above(part, limit_kmh) for limit_kmh, part in limited)
    return Speeds(
        vehicles=whole.vehicles,
        mean_kmh=whole.mean_kmh,
        p85_kmh=whole.p85_kmh,
        p95_kmh=whole.p95_kmh,
        limits_kmh=tuple(sorted({limit_kmh for limit_kmh, _ in limited})) or (street.limit_kmh,),
        share_over=over / whole.vehicles if whole.vehicles else None,
    )


def _count_vehicles(
    connection: Connection, station_ids: Sequence[str], zone: str, start: datetime, end: datetime
) -> dict[str, dict[tuple[int, int], Histogram]]:
    """Vehicles by speed bin, by station, ISO weekday and quarter of an hour in local time."""
    table = f"{RADAR.name}_readings"
    where = (
        "device_id IN (SELECT id FROM devices WHERE station_id = ANY(:stations))"
        f" AND observed_at >= :start AND observed_at < :end AND flags & {int(UNTRUSTED)} = 0"
    )
    query = text(
        "SELECT d.station_id, extract(isodow FROM c.slot)::int AS weekday,"
        f" (extract(hour FROM c.slot) * 60 + extract(minute FROM c.slot))::int / {SLOT_MIN} AS slot,"
        f" least(c.bin, {BIN_COUNT - 1}) AS bin, sum(c.n)::int AS n FROM ("
        f" SELECT device_id, date_bin('{SLOT_MIN} min', observed_at AT TIME ZONE :zone, '2000-01-01') AS slot,"
        f" floor(speed_kmh / {BIN_WIDTH_KMH})::int AS bin, count(*) AS n"
        f" FROM {table} WHERE {where} AND speed_kmh IS NOT NULL GROUP BY 1, 2, 3"
        f" UNION ALL SELECT device_id, date_bin('{SLOT_MIN} min', observed_at AT TIME ZONE :zone, '2000-01-01'),"
        f" (bins.place - 1)::int, bins.n FROM {table} CROSS JOIN unnest(counts) WITH ORDINALITY AS bins (n, place)"
        f" WHERE {where} AND speed_kmh IS NULL AND counts IS NOT NULL AND bins.n > 0"
        ") AS c JOIN devices d ON d.id = c.device_id GROUP BY 1, 2, 3, 4"
    )
    rows = connection.execute(query, {"stations": list(station_ids), "start": start, "end": end, "zone": zone})
    return _histograms(rows)


def _histograms(rows: Iterable[Any]) -> dict[str, dict[tuple[int, int], Histogram]]:
    counts: defaultdict[str, defaultdict[tuple[int, int], list[int]]] = defaultdict(
        lambda: defaultdict(lambda: [0] * BIN_COUNT)
    )
    for row in rows:
        counts[row.station_id][row.weekday, row.slot][row.bin] += row.n
    return {station: {slot: tuple(bins) for slot, bins in slots.items()} for station, slots in counts.items()}
