"""Where things stand: municipalities, basins, stations, their devices and the streets with their speed limits."""

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo

Outline = tuple[tuple[float, float], ...]
"""A closed ring of (longitude, latitude), degrees WGS 84, as in GeoJSON; first point equal to the last."""


class WireFormat(StrEnum):
    """How a device writes its readings. Receivers recognise each by itself; simulated devices need to know theirs."""

    JSON = "json"
    ARRAY = "array"
    SENML = "senml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Municipality:
    """A local government that owns stations; its `id` stands in the topics of its devices."""

    id: str
    name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Basin:
    """A drainage basin. `municipality` is the one that watches over it; `outlines` are its polygons' outer rings."""

    id: str
    municipality: str
    name: str
    outlines: tuple[Outline, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitWindow:
    """Another limit at some hours: `days` are ISO weekdays (Monday 1), from `start` up to but not at `end`."""

    days: tuple[int, ...]
    start: time
    end: time
    limit_kmh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """A street whose speeds are measured, with its limit and the hours at which another one holds."""

    id: str
    name: str
    limit_kmh: float
    windows: tuple[LimitWindow, ...] = ()

    def limit_kmh_at(self, local: datetime) -> float:
        """The limit in force, km/h, at a moment given in the city's own time; the first window that holds wins."""
        for window in self.windows:
            if local.isoweekday() in window.days and window.start <= local.time() < window.end:
                return window.limit_kmh
        return self.limit_kmh


@dataclass(frozen=True, slots=True, kw_only=True)
class Catchment:
    """What drains to a stream station: its whole `area_km2` and the depth at which the stream leaves its bed, m."""

    area_km2: float
    bankfull_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A place with a sensor of one kind.

    `upstream` and `rain` name the stations whose water and rain come here. `site_limits` are the lowest and highest
    values thought possible here, in the kind's unit. `tidal` marks water that follows the estuary.
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
    """An instrument at a station: `municipality`, `kind` and `code` are its topic."""

    municipality: str
    kind: str
    code: str
    station: str
    period_s: int
    format: WireFormat = WireFormat.JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Everything that stands in a city and its neighbours, as loaded from a seed. Order is the seed's."""

    id: str
    name: str
    zone: ZoneInfo
    municipalities: tuple[Municipality, ...]
    basins: tuple[Basin, ...]
    stations: tuple[Station, ...]
    devices: tuple[Device, ...]

    def station(self, id: str) -> Station:  # noqa: A002 - the field's own name
        """The station of that id; KeyError where there is none."""
        for station in self.stations:
            if station.id == id:
                return station
        raise KeyError(id)
