"""Reads and checks a city's seed: `city.toml` and `basins.geojson` become frozen values, or a list of what is wrong."""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, TypeAdapter, ValidationError

import models
from alerts.rulebook import JUDGEMENT_NAMES
from models.kinds import KINDS_BY_NAME
from models.place import Basin, Catchment, City, Device, LimitWindow, Municipality, Outline, Station, Street
from models.rule import ExtremeSpeed, Judgement, Rule, Silence, SpeedTrend, Stage
from services.city.seed_checks import reference_problems, upstream_problems
from services.city.seed_files import (
    BASINS_FILE,
    CITY_FILE,
    BasinsFile,
    CityFile,
    Feature,
    MultiPolygon,
    Polygon,
    StationItem,
    WindowItem,
)

LA_PLATA = Path(models.__file__).parent / "seed" / "laplata"
MAX_FILE_BYTES = 16_000_000
MAX_PROBLEMS = 50
DERIVED_THRESHOLDS_NOTE = "Umbrales derivados, no oficiales / derived thresholds, not official"

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RANGE_PARTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A city as it stands and the rules its stations are judged by."""

    city: City
    rules: tuple[Rule, ...]


class SeedError(Exception):
    """A seed that cannot be used. One line for each thing wrong, naming the file and the line or key."""

    def __init__(self, troubles: Iterable[str]) -> None:
        self.problems = tuple(troubles)[:MAX_PROBLEMS]
        super().__init__("\n".join(self.problems))


# ---------------------------------------------------------------- reading


def read_seed(folder: Path) -> Seed:
    """The seed in `folder`. Raises SeedError with everything that is wrong in the first file that has faults."""
    file = _validate(CityFile, CITY_FILE, _toml(folder / CITY_FILE))
    basins = _basins(_validate(BasinsFile, BASINS_FILE, _geojson(folder / BASINS_FILE)))
    _raise_if_any(reference_problems(file, basins))
    streets = _streets(file)
    stations = tuple(_station(station, streets) for station in file.station)
    _raise_if_any(upstream_problems(stations))
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
    )
    return Seed(city=city, rules=_rules(file, city))


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
    try:
        return json.loads(_bytes(path))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SeedError([f"{path.name}: {error}"]) from error


File = TypeVar("File", bound=BaseModel)


def _validate(model: type[File], name: str, content: object) -> File:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        troubles = [f"{name}: {_where(item['loc'], content)}: {item['msg']}" for item in error.errors()]
        raise SeedError(troubles) from error


def _where(location: tuple[int | str, ...], content: object) -> str:
    """The key's path as a person finds it: a list's element by its id where it has one, else by its place from 1."""
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
    said = content.get("id") or (properties.get("id") if isinstance(properties, Mapping) else None)
    return said if isinstance(said, str) else None


def _raise_if_any(troubles: Iterable[str]) -> None:
    if found := list(troubles):
        raise SeedError(found)


# ---------------------------------------------------------------- into values


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


def _days(street: str, words: str) -> tuple[int, ...]:
    """ISO weekdays out of `mon-fri`, `sat` or `mon-tue,thu`."""
    days: set[int] = set()
    for part in words.split(","):
        ends = part.strip().split("-")
        if len(ends) > _RANGE_PARTS or any(end not in _DAYS for end in ends):
            raise SeedError([f"{CITY_FILE}: street {street} windows days: {words!r} is not like mon-fri or sat,sun"])
        first, last = _DAYS.index(ends[0]), _DAYS.index(ends[-1])
        days |= set(range(first + 1, last + 2))
    return tuple(sorted(days))


def _station(said: StationItem, streets: Mapping[str, Street]) -> Station:
    derived = said.rules.get("stage", {}).get("origin") == "derived"
    return Station(
        id=said.id,
        municipality=said.municipality,
        kind=said.kind,
        name=said.name,
        latitude=said.position[0],
        longitude=said.position[1],
        basin=said.basin,
        upstream=said.upstream,
        rain=said.rain,
        catchment=Catchment(**said.catchment.model_dump()) if said.catchment else None,
        tidal=said.tidal,
        site_limits=said.site_limits,
        street=streets[said.street] if said.street else None,
        note=" ".join(filter(None, (said.note, DERIVED_THRESHOLDS_NOTE if derived else ""))),
    )


def _devices(station: StationItem) -> Iterator[Device]:
    for said in station.instruments:
        yield Device(
            municipality=station.municipality,
            kind=station.kind,
            code=said.code or station.id,
            station=station.id,
            period_s=said.period_s or KINDS_BY_NAME[station.kind].period_s,
            format=said.format,
        )


# ---------------------------------------------------------------- rules


def _rules(file: CityFile, city: City) -> tuple[Rule, ...]:
    """Every judgement of a station's kind; the city's numbers, then the station's own, take the place of the kind's."""
    periods = {device.station: device.period_s for device in city.devices}
    rules: list[Rule] = []
    for said, station in zip(file.station, city.stations, strict=True):
        names = {JUDGEMENT_NAMES[type(judgement)]: judgement for judgement in KINDS_BY_NAME[said.kind].judgements}
        _raise_if_any(
            f"{CITY_FILE}: station {said.id} rules.{name}: a {said.kind} has {', '.join(names)}"
            for name in said.rules.keys() - names.keys()
        )
        for name, judgement in names.items():
            numbers = file.rules.get(said.kind, {}).get(name, {}) | said.rules.get(name, {})
            fitted = _with_station_values(judgement, station, periods[station.id], city.zone.key)
            exact = _with_overrides(fitted, numbers, f"{CITY_FILE}: station {said.id} rules.{name}")
            rules.append(Rule(f"{said.id}.{name}", 1, said.kind, said.id, exact))
    _raise_if_any(_unused_override_problems(file))
    return tuple(rules)


def _with_station_values(judgement: Judgement, station: Station, period_s: int, zone: str) -> Judgement:
    """What a judgement takes from the place it judges."""
    match judgement:
        case Stage():
            return replace(judgement, period_s=period_s, upstream=station.upstream, rain=station.rain)
        case Silence():
            return replace(judgement, period_s=max(judgement.period_s, period_s))
        case ExtremeSpeed() | SpeedTrend():
            return replace(judgement, street=station.street, zone=zone)
    return judgement


def _with_overrides(judgement: Judgement, numbers: Mapping[str, Any], at: str) -> Judgement:
    """The judgement with some of its numbers changed. Raises SeedError on unknown keys and impossible values."""
    wanted = {key: value for key, value in numbers.items() if key != "origin"}
    known = {field.name for field in fields(judgement)}
    _raise_if_any(
        f"{at}: no such number {key!r}; there are {', '.join(sorted(known))}" for key in wanted.keys() - known
    )
    values = {field.name: getattr(judgement, field.name) for field in fields(judgement)} | wanted
    try:
        exact: Judgement = TypeAdapter(type(judgement)).validate_python(values)
    except ValidationError as error:
        raise SeedError(f"{at}.{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()) from error
    _raise_if_any(_threshold_problems(exact, at))
    return exact


def _threshold_problems(judgement: Judgement, at: str) -> Iterator[str]:
    for field in fields(judgement):
        match getattr(judgement, field.name):
            case (float() as amarillo, float() as naranja, float() as rojo) if not amarillo < naranja < rojo:
                yield f"{at}.{field.name}: amarillo, naranja and rojo must rise"


def _unused_override_problems(file: CityFile) -> Iterator[str]:
    """City-wide numbers for a kind or a judgement that does not exist would silently do nothing."""
    for kind, overrides in file.rules.items():
        if kind not in KINDS_BY_NAME:
            yield f"{CITY_FILE}: rules.{kind}: no such kind; there are {', '.join(KINDS_BY_NAME)}"
            continue
        names = {JUDGEMENT_NAMES[type(judgement)] for judgement in KINDS_BY_NAME[kind].judgements}
        yield from (f"{CITY_FILE}: rules.{kind}.{name}: no such judgement" for name in overrides.keys() - names)
