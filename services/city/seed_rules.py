"""Rules of a seed's stations: the judgements of a kind with the numbers of the city and of the station."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from alerts.rulebook import JUDGEMENT_NAMES
from models.kinds import KINDS_BY_NAME
from models.place import City, Station
from models.rule import ExtremeSpeed, Judgement, Rule, Silence, SpeedTrend, Stage
from services.city.seed_files import (
    CITY_FILE,
    CityFile,
)
from services.city.seed_problems import SeedError, raise_if_any


def rules_of(file: CityFile, city: City) -> tuple[Rule, ...]:
    """The rules of all stations. Numbers of the station override those of the city, which override the kind's."""
    periods = {device.station: device.period_s for device in city.devices}
    rules: list[Rule] = []
    for item, station in zip(file.station, city.stations, strict=True):
        names = {JUDGEMENT_NAMES[type(judgement)]: judgement for judgement in KINDS_BY_NAME[item.kind].judgements}
        raise_if_any(
            f"{CITY_FILE}: station {item.id} rules.{name}: a {item.kind} has {', '.join(names)}"
            for name in item.rules.keys() - names.keys()
        )
        for name, judgement in names.items():
            numbers = file.rules.get(item.kind, {}).get(name, {}) | item.rules.get(name, {})
            fitted = _with_station_values(judgement, station, periods[station.id], city.zone.key)
            exact = _with_overrides(fitted, numbers, f"{CITY_FILE}: station {item.id} rules.{name}")
            rules.append(Rule(f"{item.id}.{name}", 1, item.kind, item.id, exact))
    raise_if_any(_unused_override_problems(file))
    return tuple(rules)


def _with_station_values(judgement: Judgement, station: Station, period_s: int, zone: str) -> Judgement:
    """The judgement with values of its station: period, upstream stations, rain gauges, street."""
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
    changes = {key: value for key, value in numbers.items() if key != "origin"}
    known = {field.name for field in fields(judgement)}
    raise_if_any(
        f"{at}: no such number {key!r}; there are {', '.join(sorted(known))}" for key in changes.keys() - known
    )
    values = {field.name: getattr(judgement, field.name) for field in fields(judgement)} | changes
    try:
        exact: Judgement = TypeAdapter(type(judgement)).validate_python(values)
    except ValidationError as error:
        raise SeedError(f"{at}.{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()) from error
    raise_if_any(_threshold_problems(exact, at))
    return exact


def _threshold_problems(judgement: Judgement, at: str) -> Iterator[str]:
    for field in fields(judgement):
        match getattr(judgement, field.name):
            case (float() as amarillo, float() as naranja, float() as rojo) if not amarillo < naranja < rojo:
                yield f"{at}.{field.name}: amarillo, naranja and rojo must rise"


def _unused_override_problems(file: CityFile) -> Iterator[str]:
    """A problem for each city-wide number of an unknown kind or judgement, which would have no effect."""
    for kind, overrides in file.rules.items():
        if kind not in KINDS_BY_NAME:
            yield f"{CITY_FILE}: rules.{kind}: no such kind; there are {', '.join(KINDS_BY_NAME)}"
            continue
        names = {JUDGEMENT_NAMES[type(judgement)] for judgement in KINDS_BY_NAME[kind].judgements}
        yield from (f"{CITY_FILE}: rules.{kind}.{name}: no such judgement" for name in overrides.keys() - names)
