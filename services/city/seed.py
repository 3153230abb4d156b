"""Read and check a city's seed: its three files in, frozen values or a list of problems out."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

import models
from models.kinds import KINDS_BY_NAME
from models.place import (
    Actuator,
    Barrio,
    Basin,
    Catchment,
    City,
    Device,
    Landmark,
    LimitWindow,
    Municipality,
    Outline,
    Station,
    Street,
)
from models.rule import Rule
from services.city.seed_checks import reference_problems, upstream_problems
from services.city.seed_files import (
    BASINS_FILE,
    CITY_FILE,
    PLAN_FILE,
    BasinsFile,
    CityFile,
    Feature,
    MultiPolygon,
    PlanFile,
    Polygon,
    StationItem,
    WindowItem,
)
from services.city.seed_plan import plan_of
from services.city.seed_problems import SeedError, raise_if_any
from services.city.seed_rules import rules_of

LA_PLATA = Path(models.__file__).parent / "seed" / "laplata"
MAX_FILE_BYTES = 16_000_000
DERIVED_THRESHOLDS_NOTE = "Umbrales derivados, no oficiales / derived thresholds, not official"

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RANGE_PARTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A city and the rules of its stations."""

    city: City
    rules: tuple[Rule, ...]


def read_seed(folder: Path, city_file: str = CITY_FILE) -> Seed:
    """The seed in `folder`. Raises SeedError with all problems of the first file that has any."""
    file = _validate(CityFile, city_file, _toml(folder / city_file))
    basins = _basins(_validate(BasinsFile, BASINS_FILE, _geojson(folder / BASINS_FILE)))
    raise_if_any(reference_problems(file, basins))
    plan = plan_of(_validate(PlanFile, PLAN_FILE, _geojson(folder / PLAN_FILE)))
    streets = _streets(file)
    stations = tuple(_station(station, streets) for station in file.station)
    raise_if_any(upstream_problems(stations))
    devices = tuple(device for station in file.station for device in _devices(station))
    city = City(
        id=file.city.id,
        name=file.city.name,
        zone=_zone(file.city.zone),
        municipalities=tuple(
            Municipality(id=one.id, name=one.name, latitude=one.position[0], longitude=one.position[1])
            for one in file.municipality
        ),
        basins=basins,
        stations=stations,
        devices=devices,
        landmarks=tuple(
            Landmark(name=one.name, latitude=one.position[0], longitude=one.position[1]) for one in file.landmark
        ),
        plan=plan,
        barrios=tuple(
            Barrio(id=one.id, municipality=one.municipality, name=one.name, basin=one.basin) for one in file.barrio
        ),
        actuators=tuple(
            Actuator(id=one.id, municipality=one.municipality, kind=one.kind, area=one.area, name=one.name)
            for one in file.actuator
        ),
        advice=file.advice.by_colour(),
        authority=file.city.authority,
        acknowledgement_min=file.acknowledgement_min.by_colour(),
    )
    return Seed(city=city, rules=rules_of(file, city))


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SeedError([f"{path.name}: larger than {MAX_FILE_BYTES} bytes"])
        return path.read_bytes()
    except OSError as error:
        raise SeedError([f"{path}: {error.strerror}"]) from error


def _toml(path: Path) -> object:
    try:
        return tomllib.loads(_bytes(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SeedError([f"{path.name}: {error}"]) from error


def _geojson(path: Path) -> object:
    """The content of a GeoJSON file; no features where there is no file, since a city needs neither basins nor plan."""
    if not path.exists():
        return {"type": "FeatureCollection", "features": []}
    try:
        return json.loads(_bytes(path))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SeedError([f"{path.name}: {error}"]) from error


File = TypeVar("File", bound=BaseModel)


def _validate(model: type[File], name: str, content: object) -> File:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [f"{name}: {_where(item['loc'], content)}: {item['msg']}" for item in error.errors()]
        raise SeedError(problems) from error


def _where(location: tuple[int | str, ...], content: object) -> str:
    """The path of a key for people: list elements by their id, or by their position from 1 where they have none."""
    words: list[str] = []
    for step in location:
        content = _element(content, step)
        if isinstance(step, int):
            words.append(f"{_id_of(content) or step + 1}")
        else:
            words.append(step)
    return " ".join(words) or "file"


def _element(content: object, step: int | str) -> object:
    match content:
        case Mapping():
            return content.get(step)
        case list() if isinstance(step, int) and step < len(content):
            return content[step]
    return content


def _id_of(content: object) -> str | None:
    if not isinstance(content, Mapping):
        return None
    properties = content.get("properties")
    value = content.get("id") or (properties.get("id") if isinstance(properties, Mapping) else None)
    return value if isinstance(value, str) else None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise SeedError([f"{CITY_FILE}: city zone: no time zone {name!r} on this machine"]) from error


def _basins(file: BasinsFile) -> tuple[Basin, ...]:
    return tuple(
        Basin(
            id=feature.properties.id,
            municipality=feature.properties.municipality,
            name=feature.properties.name,
            outlines=_outlines(feature),
            note=feature.properties.note,
        )
        for feature in file.features
    )


def _outlines(feature: Feature) -> tuple[Outline, ...]:
    match feature.geometry:
        case Polygon(coordinates=rings):
            outer: tuple[Outline, ...] = (rings[0],)
        case MultiPolygon(coordinates=polygons):
            outer = tuple(rings[0] for rings in polygons)
    if any(ring[0] != ring[-1] for ring in outer):
        raise SeedError([f"{BASINS_FILE}: basin {feature.properties.id}: a ring must end where it began"])
    return outer


def _streets(file: CityFile) -> dict[str, Street]:
    return {
        one.id: Street(
            id=one.id,
            name=one.name,
            limit_kmh=one.limit_kmh,
            windows=tuple(_window(one.id, window) for window in one.windows),
        )
        for one in file.street
    }


def _window(street: str, window: WindowItem) -> LimitWindow:
    if window.start >= window.end:
        raise SeedError([f"{CITY_FILE}: street {street} windows: {window.start} is not before {window.end}"])
    return LimitWindow(days=_days(street, window.days), start=window.start, end=window.end, limit_kmh=window.limit_kmh)


def _days(street: str, days_text: str) -> tuple[int, ...]:
    """ISO weekdays from `mon-fri`, `sat` or `mon-tue,thu`."""
    days: set[int] = set()
    for part in days_text.split(","):
        ends = part.strip().split("-")
        if len(ends) > _RANGE_PARTS or any(end not in _DAYS for end in ends):
            raise SeedError(
                [f"{CITY_FILE}: street {street} windows days: {days_text!r} is not like mon-fri or sat,sun"]
            )
        first, last = _DAYS.index(ends[0]), _DAYS.index(ends[-1])
        days |= set(range(first + 1, last + 2))
    return tuple(sorted(days))


def _station(item: StationItem, streets: Mapping[str, Street]) -> Station:
    derived = item.rules.get("stage", {}).get("origin") == "derived"
    return Station(
        id=item.id,
        municipality=item.municipality,
        kind=item.kind,
        name=item.name,
        latitude=item.position[0],
        longitude=item.position[1],
        basin=item.basin,
        upstream=item.upstream,
        rain=item.rain,
        catchment=Catchment(**item.catchment.model_dump()) if item.catchment else None,
        tidal=item.tidal,
        site_limits=item.site_limits,
        street=streets[item.street] if item.street else None,
        note=" ".join(filter(None, (item.note, DERIVED_THRESHOLDS_NOTE if derived else ""))),
    )


def _devices(station: StationItem) -> Iterator[Device]:
    for item in station.instruments:
        yield Device(
            municipality=station.municipality,
            kind=station.kind,
            code=item.code or station.id,
            station=station.id,
            period_s=item.period_s or KINDS_BY_NAME[station.kind].period_s,
            format=item.format,
        )
