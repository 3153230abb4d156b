"""What is improbable in a valid seed: centimetres for metres, swapped or distant positions, levels that always alarm.

A warning never refuses a seed: the city may be right.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from zoneinfo import TZPATH

from models.geo import Point, distance_m
from models.kinds import KINDS_BY_NAME
from models.kinds.river import RIVER
from models.place import Basin, City, Municipality, Station
from models.rule import Stage
from services.city.seed import Seed
from services.city.seed_files import BASINS_FILE, CITY_FILE, PLAN_FILE

FAR_M = 150_000.0
"""A station or basin this far from its municipality, or a landmark from every municipality, is improbable."""
FAR_FROM_ZONE_M = 1_500_000.0
"""A municipality so far from the place that its time zone is named after is looked at twice. Zones may be larger."""
CENTIMETRES_FROM_M = 20.0
"""A threshold of so many metres is rather one in centimetres: gauges of cities read less."""
_COLOURS = ("amarillo", "naranja", "rojo")
HIGH_AMARILLO_M = 5.0
"""An amarillo this high is improbable for a stream in a city whose seed does not say that such levels are possible.

Recorded flash floods of urban streams peak at 1 to 2 m (USGS 01581752 and 01589330, 6 and 14 km²).
"""
_ZONE_TABLE = "zone1970.tab"
_ZONE_POSITION = re.compile(r"([+-])(\d{2})(\d{2})(?:\d{2})?([+-])(\d{3})(\d{2})(?:\d{2})?$")


def warnings(seed: Seed, zone_position: Point | None = None) -> list[str]:
    """One line for each improbable entry: where it stands, what is odd, and what was probably meant.

    zone_position: of the place that the city's time zone is named after (`position_of_zone`); None where unknown.
    """
    return [*_position_warnings(seed.city, zone_position), *_level_warnings(seed), *_advice_warnings(seed.city)]


def position_of_zone(name: str) -> Point | None:
    """The position of the place that a time zone is named after, from the machine's time zone database, or None."""
    for folder in TZPATH:
        try:
            lines = (Path(folder) / _ZONE_TABLE).read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for line in lines:
            fields = line.split("\t")
            if not line.startswith("#") and len(fields) > 2 and fields[2] == name:
                return _parse_position(fields[1])
    return None


def _parse_position(text: str) -> Point | None:
    """A position in the form of ISO 6709 that the time zone database uses, such as -3436-05827."""
    found = _ZONE_POSITION.match(text)
    if found is None:
        return None
    south, lat, lat_min, west, lon, lon_min = found.groups()
    latitude, longitude = int(lat) + int(lat_min) / 60, int(lon) + int(lon_min) / 60
    return (-latitude if south == "-" else latitude, -longitude if west == "-" else longitude)


def _position_warnings(city: City, zone_position: Point | None) -> Iterator[str]:
    centres = {one.id: (one.latitude, one.longitude) for one in city.municipalities}
    if zone_position is not None:
        for one in city.municipalities:
            yield from _zone_warnings(city, one, zone_position)
    for station in city.stations:
        at, near = (station.latitude, station.longitude), centres[station.municipality]
        yield from _far(f"{CITY_FILE}: station {station.id} position", at, near, station.municipality)
    for landmark in city.landmarks:
        at = (landmark.latitude, landmark.longitude)
        name, near = min(centres.items(), key=lambda centre: distance_m(at, centre[1]))
        yield from _far(f"{CITY_FILE}: landmark {landmark.name} position", at, near, name)
    for basin in city.basins:
        yield from _far(
            f"{BASINS_FILE}: basin {basin.id}", _middle(basin), centres[basin.municipality], basin.municipality
        )

    for feature in city.plan:
        longitude, latitude = feature.parts[0][0]
        name, near = min(centres.items(), key=lambda centre: distance_m((latitude, longitude), centre[1]))
        yield from _far(f"{PLAN_FILE}: {feature.kind} {feature.name}", (latitude, longitude), near, name)


def _zone_warnings(city: City, municipality: Municipality, zone_position: Point) -> Iterator[str]:
    at = (municipality.latitude, municipality.longitude)
    away_m = distance_m(at, zone_position)
    swapped = _swapped(at)
    if away_m <= FAR_FROM_ZONE_M or swapped is None or distance_m(swapped, zone_position) > away_m / 2:
        return
    yield (
        f"{CITY_FILE}: municipality {municipality.id} position: {_degrees(at)} is {away_m / 1000:,.0f} km from the "
        f"place of its time zone {city.zone.key}; latitude and longitude look swapped: did you mean "
        f"{_degrees(swapped)}?"
    )


def _far(where: str, at: Point, near: Point, municipality: str) -> Iterator[str]:
    away_m = distance_m(at, near)
    if away_m <= FAR_M:
        return
    swapped = _swapped(at)
    hint = "is the position right, in degrees, latitude first?"
    if swapped is not None and distance_m(swapped, near) <= FAR_M:
        order = "longitude first" if where.startswith((BASINS_FILE, PLAN_FILE)) else "latitude first"
        hint = f"latitude and longitude look swapped: this file has {order}"
    yield f"{where}: {_degrees(at)} is {away_m / 1000:,.0f} km from municipality {municipality}; {hint}"


def _swapped(at: Point) -> Point | None:
    """The position with latitude and longitude swapped; None where that is none."""
    return (at[1], at[0]) if abs(at[1]) <= 90 else None


def _middle(basin: Basin) -> Point:
    points = [point for outline in basin.outlines for point in outline]
    return (sum(point[1] for point in points) / len(points), sum(point[0] for point in points) / len(points))


def _degrees(at: Point) -> str:
    return f"[{at[0]:g}, {at[1]:g}]"


def _advice_warnings(city: City) -> Iterator[str]:
    """Hazards of which the city says something at one colour and nothing at a higher one."""
    for hazard in ("stream", "rain"):
        said = [f"{hazard}.{colour}" in city.advice or colour in city.advice for colour in _COLOURS]
        silent = [colour for order, colour in enumerate(_COLOURS) if any(said[:order]) and not said[order]]
        if silent and any(f"{hazard}.{colour}" in city.advice for colour in _COLOURS):
            yield f"{CITY_FILE}: advice.{hazard}: says nothing at {' and '.join(silent)}; is that meant?"


def _level_warnings(seed: Seed) -> Iterator[str]:
    for station in seed.city.stations:
        yield from _site_limit_warnings(station)
    stations = {station.id: station for station in seed.city.stations}
    for rule in seed.rules:
        if isinstance(rule.judgement, Stage):
            yield from _threshold_warnings(rule.judgement, stations[rule.subject])


def _site_limit_warnings(station: Station) -> Iterator[str]:
    if station.site_limits is None:
        return
    kind = KINDS_BY_NAME[station.kind]
    low, high = kind.limits.sensor
    if station.site_limits[0] < low or station.site_limits[1] > high:
        yield (
            f"{CITY_FILE}: station {station.id} site_limits: [{_numbers(station.site_limits)}] goes beyond what a "
            f"{station.kind} sensor measures, {low:g} to {high:g} {kind.unit}; are they in {kind.unit}?"
        )


def _threshold_warnings(stage: Stage, station: Station) -> Iterator[str]:
    """Improbable thresholds of a stream. The first fault found explains the others."""
    at = f"{CITY_FILE}: station {station.id} rules.stage.thresholds_m: [{_numbers(stage.thresholds_m)}]"
    low, high = station.site_limits or RIVER.limits.sensor
    if stage.thresholds_m[0] >= CENTIMETRES_FROM_M:
        in_m = _numbers(level / 100 for level in stage.thresholds_m)
        yield f"{at} look like centimetres; thresholds are in metres: did you mean [{in_m}]?"
    elif stage.thresholds_m[0] <= max(low, RIVER.limits.sensor[0]):
        yield (
            f"{at}: every level the station may have, from {low:g} m, is at or above amarillo, so that every reading "
            "alarms; thresholds and readings count from the same zero, that of the station's gauge"
        )
    elif stage.thresholds_m[0] <= 0.0 and station.site_limits is None:
        yield (
            f"{at}: a level of 0 m is at or above amarillo already; if the gauge's zero is elsewhere, say which levels "
            "are possible here with site_limits"
        )
    elif stage.thresholds_m[0] >= HIGH_AMARILLO_M and station.site_limits is None:
        yield (
            f"{at}: amarillo is at {HIGH_AMARILLO_M:g} m or more, and streams in cities rarely reach 2 m; thresholds "
            "are in metres above the zero of the station's gauge: are these decimetres or feet, or counted from "
            "another zero? If it is a deep river, say which levels are possible here with site_limits"
        )
    elif stage.thresholds_m[2] > high:
        yield f"{at}: rojo is above the highest level that is possible here, {high:g} m, and cannot be reached"


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
