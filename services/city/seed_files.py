"""Schemas of a seed's files: `city.toml`, `basins.geojson` and `plan.geojson`."""

from datetime import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from alerts.life.limits import MAX_ACKNOWLEDGEMENT_MIN
from models.kinds import KINDS_BY_NAME
from models.place import PlanKind, WireFormat

CITY_FILE = "city.toml"
BASINS_FILE = "basins.geojson"
PLAN_FILE = "plan.geojson"

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Position = tuple[Latitude, Longitude]
Kmh = Annotated[float, Field(gt=0, le=200)]
Overrides = dict[str, dict[str, Any]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CityItem(_Strict):
    """Table `[city]`."""

    id: Id
    name: Name
    zone: str
    authority: Name | None = None


Advice = Annotated[str, StringConstraints(min_length=1, max_length=1_000, strip_whitespace=True)]


class ColourAdvice(_Strict):
    """What the city tells its operators at each colour, in Spanish, or in Spanish " / " English."""

    amarillo: Advice | None = None
    naranja: Advice | None = None
    rojo: Advice | None = None


class AdviceItem(ColourAdvice):
    """Table `[advice]`: for one hazard, and what counts where that says nothing for a colour."""

    stream: ColourAdvice = ColourAdvice()
    rain: ColourAdvice = ColourAdvice()

    def by_colour(self) -> dict[str, str]:
        """The advice by colour, as `rojo`, and by hazard and colour, as `rain.rojo`; without what is left out."""
        found = {colour: getattr(self, colour) for colour in ColourAdvice.model_fields}
        for hazard in (name for name in AdviceItem.model_fields if name not in found):
            of_hazard = getattr(self, hazard)
            found |= {f"{hazard}.{colour}": getattr(of_hazard, colour) for colour in ColourAdvice.model_fields}
        return {name: text for name, text in found.items() if text is not None}


Minutes = Annotated[int, Field(ge=1, le=MAX_ACKNOWLEDGEMENT_MIN)]


class AcknowledgementItem(_Strict):
    """Table `[acknowledgement_min]`: minutes after which an acknowledged alert that still fires asks again."""

    amarillo: Minutes | None = None
    naranja: Minutes | None = None
    rojo: Minutes | None = None

    def by_colour(self) -> dict[str, int]:
        """The minutes by colour, without what is left out."""
        return {colour: minutes for colour, minutes in self.model_dump().items() if minutes is not None}


class MunicipalityItem(_Strict):
    """An element of `[[municipality]]`."""

    id: Id
    name: Name
    position: Position


class BarrioItem(_Strict):
    """An element of `[[barrio]]`."""

    id: Id
    name: Name
    municipality: Id
    basin: Id | None = None


class ActuatorItem(_Strict):
    """An element of `[[actuator]]`: a siren or a sign."""

    id: Id
    name: Name
    municipality: Id
    kind: Literal["siren", "sign"]
    area: Annotated[str, StringConstraints(pattern=r"^(municipality|basin|barrio):[a-z0-9-]{1,64}$")]


class LandmarkItem(_Strict):
    """An element of `[[landmark]]`."""

    name: Name
    position: Position


class WindowItem(_Strict):
    """Hours at which a street has another limit."""

    days: str
    start: time = Field(alias="from")
    end: time = Field(alias="to")
    limit_kmh: Kmh


class StreetItem(_Strict):
    """An element of `[[street]]`."""

    id: Id
    name: Name
    limit_kmh: Kmh
    windows: tuple[WindowItem, ...] = Field(default=(), max_length=50)


class CatchmentItem(_Strict):
    """The catchment of a river station."""

    area_km2: float = Field(gt=0, le=1_000_000)
    bankfull_m: float = Field(gt=0, le=100)


class DeviceItem(_Strict):
    """A device. Without a `code`, its code is the station's id."""

    code: Id | None = None
    period_s: int | None = Field(default=None, ge=1, le=86_400)
    format: WireFormat = WireFormat.JSON


class StationItem(_Strict):
    """An element of `[[station]]`."""

    id: Id
    name: Name
    municipality: Id
    kind: Literal[tuple(KINDS_BY_NAME)]  # type: ignore[valid-type]
    position: Position
    basin: Id | None = None
    upstream: tuple[Id, ...] = Field(default=(), max_length=50)
    rain: tuple[Id, ...] = Field(default=(), max_length=50)
    catchment: CatchmentItem | None = None
    tidal: bool = False
    site_limits: tuple[float, float] | None = None
    street: Id | None = None
    note: str = Field(default="", max_length=1000)
    rules: Overrides = {}
    device: DeviceItem | None = None
    devices: tuple[DeviceItem, ...] = Field(default=(), max_length=20)

    @property
    def instruments(self) -> tuple[DeviceItem, ...]:
        """The devices of the station; one with default values where none is described."""
        return self.devices or (self.device or DeviceItem(),)


class CityFile(_Strict):
    """The whole of `city.toml`."""

    city: CityItem
    municipality: tuple[MunicipalityItem, ...] = Field(min_length=1, max_length=1_000)
    street: tuple[StreetItem, ...] = Field(default=(), max_length=10_000)
    station: tuple[StationItem, ...] = Field(min_length=1, max_length=10_000)
    landmark: tuple[LandmarkItem, ...] = Field(default=(), max_length=2_000)
    barrio: tuple[BarrioItem, ...] = Field(default=(), max_length=500)
    actuator: tuple[ActuatorItem, ...] = Field(default=(), max_length=500)
    rules: dict[str, Overrides] = {}
    advice: AdviceItem = AdviceItem()
    acknowledgement_min: AcknowledgementItem = AcknowledgementItem()


Ring = Annotated[tuple[Annotated[tuple[Longitude, Latitude], Field()], ...], Field(min_length=4, max_length=10_000)]


class Polygon(BaseModel):
    """A GeoJSON polygon."""

    type: Literal["Polygon"]
    coordinates: tuple[Ring, ...] = Field(min_length=1)


class MultiPolygon(BaseModel):
    """A GeoJSON multipolygon."""

    type: Literal["MultiPolygon"]
    coordinates: tuple[tuple[Ring, ...], ...] = Field(min_length=1)


class Properties(BaseModel):
    """Properties of a basin's feature."""

    id: Id
    name: Name
    municipality: Id
    note: str = Field(default="", max_length=1000)


class Feature(BaseModel):
    """One basin."""

    properties: Properties
    geometry: Polygon | MultiPolygon = Field(discriminator="type")


class BasinsFile(BaseModel):
    """The whole of `basins.geojson`. Unknown members are ignored, as GeoJSON requires."""

    type: Literal["FeatureCollection"]
    features: tuple[Feature, ...] = Field(max_length=1_000)


MAX_PLAN_POINTS = 6_000
"""Points of a plan altogether. The plan is part of the watch page, which a phone loads in the storm."""
Line = Annotated[tuple[tuple[Longitude, Latitude], ...], Field(min_length=2, max_length=MAX_PLAN_POINTS)]


class LineString(BaseModel):
    """A GeoJSON line."""

    type: Literal["LineString"]
    coordinates: Line


class MultiLineString(BaseModel):
    """A GeoJSON line of several parts."""

    type: Literal["MultiLineString"]
    coordinates: tuple[Line, ...] = Field(min_length=1)


class PlanProperties(BaseModel):
    """Properties of a feature of the plan."""

    kind: PlanKind
    name: str = Field(default="", max_length=200)


class PlanItem(BaseModel):
    """One street, stream, park or water."""

    properties: PlanProperties
    geometry: LineString | MultiLineString | Polygon | MultiPolygon = Field(discriminator="type")


class PlanFile(BaseModel):
    """The whole of `plan.geojson`. Unknown members are ignored, as GeoJSON requires."""

    type: Literal["FeatureCollection"]
    features: tuple[PlanItem, ...] = Field(max_length=MAX_PLAN_POINTS)
