"""Consistency checks of a seed: duplicates, missing references, and upstream relations. One line a problem."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from models.place import Basin, Station
from services.city.seed_files import BASINS_FILE, CITY_FILE, CityFile, StationItem


def reference_problems(file: CityFile, basins: tuple[Basin, ...]) -> Iterator[str]:
    """Duplicates, references to nothing, and stations without what their kind needs.

    Ids of stations and of devices are unique across kinds and municipalities.
    """
    yield from _duplicates_in_city("municipality", (one.id for one in file.municipality))
    yield from _duplicates_in_city("street", (one.id for one in file.street))
    yield from _duplicates_in_city("station", (one.id for one in file.station))
    yield from _duplicates_in_city("landmark", (one.name for one in file.landmark))
    yield from _duplicates_in_city("barrio", (one.id for one in file.barrio))
    yield from (f"{BASINS_FILE}: {problem}" for problem in _duplicates("basin", (one.id for one in basins)))
    municipalities = {one.id for one in file.municipality}
    for basin in basins:
        if basin.municipality not in municipalities:
            yield f"{BASINS_FILE}: basin {basin.id} municipality: no municipality {basin.municipality!r}"
    known = {
        "municipality": municipalities,
        "basin": {one.id for one in basins},
        "street": {one.id for one in file.street},
        "upstream": {one.id for one in file.station if one.kind == "river"},
        "rain": {one.id for one in file.station if one.kind == "rain"},
    }
    for barrio in file.barrio:
        named = {"municipality": barrio.municipality, "basin": barrio.basin}
        yield from (
            f"{CITY_FILE}: barrio {barrio.id} {key}: no such {key} {name!r}"
            for key, name in named.items()
            if name is not None and name not in known[key]
        )
    yield from _duplicates_in_city("actuator", (one.id for one in file.actuator))
    areas = {f"{noun}:{one}" for noun in ("municipality", "basin") for one in known[noun]}
    areas |= {f"barrio:{one.id}" for one in file.barrio}
    for actuator in file.actuator:
        if actuator.municipality not in municipalities:
            yield f"{CITY_FILE}: actuator {actuator.id} municipality: no municipality {actuator.municipality!r}"
        if actuator.area not in areas:
            yield f"{CITY_FILE}: actuator {actuator.id} area: no such area {actuator.area!r}"
    for station in file.station:
        yield from _station_problems(station, known)
    # Over all kinds and municipalities: the broker knows a device by its id alone.
    codes = (device.code or station.id for station in file.station for device in station.instruments)
    yield from _duplicates_in_city("device", codes)


def _duplicates(noun: str, names: Iterable[str]) -> Iterator[str]:
    yield from (f"{noun} {name}: stands there {count} times" for name, count in Counter(names).items() if count > 1)


def _duplicates_in_city(noun: str, names: Iterable[str]) -> Iterator[str]:
    yield from (f"{CITY_FILE}: {problem}" for problem in _duplicates(noun, names))


def _station_problems(station: StationItem, known: Mapping[str, set[str]]) -> Iterator[str]:
    at = f"{CITY_FILE}: station {station.id}"
    named = {
        "municipality": (station.municipality,),
        "basin": (station.basin,) if station.basin else (),
        "street": (station.street,) if station.street else (),
        "upstream": station.upstream,
        "rain": station.rain,
    }
    for key, names in named.items():
        yield from (f"{at} {key}: no such {key} {name!r}" for name in names if name not in known[key])
    if station.site_limits and station.site_limits[0] >= station.site_limits[1]:
        yield f"{at} site_limits: the lower limit comes first"
    if station.device and station.devices:
        yield f"{at}: give either device or devices"
    if station.kind == "river" and "thresholds_m" not in station.rules.get("stage", {}):
        yield f"{at} rules.stage.thresholds_m: a river station needs its three levels"


def upstream_problems(stations: tuple[Station, ...]) -> Iterator[str]:
    """Circles of upstream stations, and catchments smaller than those of their upstream stations."""
    try:
        TopologicalSorter({station.id: station.upstream for station in stations}).prepare()
    except CycleError as error:
        yield f"{CITY_FILE}: upstream: the water flows in a circle: {' -> '.join(error.args[1])}"
        return
    areas = {station.id: station.catchment.area_km2 for station in stations if station.catchment}
    for station in stations:
        above = sum(areas.get(name, 0.0) for name in station.upstream)
        if station.id in areas and above > areas[station.id]:
            yield (
                f"{CITY_FILE}: station {station.id} catchment.area_km2: {areas[station.id]:g} is less than the "
                f"{above:g} of its upstream stations"
            )
