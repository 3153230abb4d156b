"""The configured city: municipalities, basins, stations, devices, and streets with their speed limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo

Outline = tuple[tuple[float, float], ...]
"""A closed ring of (longitude, latitude), degrees WGS 84, as in GeoJSON; first point equal to the last."""


class WireFormat(StrEnum):
    """The payload format of a device. Decoding detects it; simulated devices are configured with theirs."""

    JSON = "json"
    ARRAY = "array"
    SENML = "senml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Municipality:
    """A local government that owns stations; its `id` is part of the topics of its devices."""

    id: str
    name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Basin:
    """A drainage basin. `municipality`: the one responsible for it. `outlines`: the outer rings of its polygons."""

    id: str
    municipality: str
    name: str
    outlines: tuple[Outline, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Barrio:
    """A named part of a municipality, for which a level can be declared. `basin`: the one that proposes its level."""

    id: str
    municipality: str
    name: str
    basin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Actuator:
    """A siren or a sign. `area`: whom it warns, as municipality:ID, basin:ID or barrio:ID."""

    id: str
    municipality: str
    kind: str
    area: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitWindow:
    """A different limit at some hours, from `start` until before `end`. `days`: ISO weekdays (Monday 1)."""

    days: tuple[int, ...]
    start: time
    end: time
    limit_kmh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """A street with speed radars, its limit and the hours with a different limit."""

    id: str
    name: str
    limit_kmh: float
    windows: tuple[LimitWindow, ...] = ()

    def limit_kmh_at(self, local: datetime) -> float:
        """The limit in force, km/h, at a local time of the city. The first matching window applies."""
        for window in self.windows:
            if local.isoweekday() in window.days and window.start <= local.time() < window.end:
                return window.limit_kmh
        return self.limit_kmh


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmark:
    """A place that people name when they look for a bus stop: a square, a station, a hospital."""

    name: str
    latitude: float
    longitude: float


class PlanKind(StrEnum):
    """What a feature of the plan is. The value is the key of its style."""

    STREET = "street"
    AVENUE = "avenue"
    ROAD = "road"
    STREAM = "stream"
    PARK = "park"
    WATER = "water"


PLAN_AREAS = frozenset({PlanKind.PARK, PlanKind.WATER})
"""Features with an outline; the others are lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFeature:
    """A line or an outline of the city's plan, for orientation. `parts`: (longitude, latitude), as in GeoJSON."""

    kind: PlanKind
    name: str
    parts: tuple[Outline, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catchment:
    """The catchment of a stream station: its total `area_km2`, and the depth at which the stream leaves its bed, m."""

    area_km2: float
    bankfull_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A place with a sensor of one kind.

    `upstream`, `rain`: the stations whose water and rain flow here. `site_limits`: the lowest and highest values
    considered possible here, in the kind's unit. `tidal`: the level follows the tide of the estuary.
    """

    id: str
    municipality: str
    kind: str
    name: str
    latitude: float
    longitude: float
    basin: str | None = None
    upstream: tuple[str, ...] = ()
    rain: tuple[str, ...] = ()
    catchment: Catchment | None = None
    tidal: bool = False
    site_limits: tuple[float, float] | None = None
    street: Street | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """An instrument at a station. `municipality`, `kind` and `code` form its topic."""

    municipality: str
    kind: str
    code: str
    station: str
    period_s: int
    format: WireFormat = WireFormat.JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """The configuration of a city and its neighbours, as loaded from a seed, in the order of the seed."""

    id: str
    name: str
    zone: ZoneInfo
    municipalities: tuple[Municipality, ...]
    basins: tuple[Basin, ...]
    stations: tuple[Station, ...]
    devices: tuple[Device, ...]
    landmarks: tuple[Landmark, ...] = ()
    plan: tuple[PlanFeature, ...] = ()
    """Streets, streams, parks and water, drawn for orientation."""
    barrios: tuple[Barrio, ...] = ()
    actuators: tuple[Actuator, ...] = ()
    advice: Mapping[str, str] = field(default_factory=dict)
    """What operators are told at a colour, by its name, as `rojo`, or by hazard and colour, as `rain.rojo`."""
    authority: str | None = None
    """Who sets the attention level, with its article, in Spanish or in Spanish " / " English."""
    acknowledgement_min: Mapping[str, int] = field(default_factory=dict)
    """Minutes after which an acknowledgement expires, by the colour's name."""

    def station(self, id: str) -> Station:  # noqa: A002 - the field's own name
        """The station with this id. Raises KeyError."""
        for station in self.stations:
            if station.id == id:
                return station
        raise KeyError(id)
