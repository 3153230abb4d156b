"""Sensor kind bus: position and reported trip of a vehicle. The vehicle is tracked, never its driver."""

from typing import Any, Self

from pydantic import Field, model_validator

from models.kind import BilingualText, Lane, Limits, Payload, RetentionPolicy, SensorKind, SimulatedSignal

MAX_NAME_CHARS = 128
DATE_PATTERN = "^[0-9]{8}$"
TIME_PATTERN = "^[0-9]{1,3}:[0-5][0-9](:[0-5][0-9])?$"
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"


def _name(description: str, example: str) -> Any:
    """A field for a name from a timetable or a destination sign."""
    bounds: Any = {"min_length": 1, "max_length": MAX_NAME_CHARS, "pattern": _PRINTABLE}
    return Field(default=None, description=description, examples=[example], **bounds)


class BusPayload(Payload):
    """One position of one vehicle, null while there is no fix. The reported trip, route and line may be wrong."""

    lat: float | None = Field(default=None, ge=-90, le=90, description="Latitude, WGS 84", examples=[-34.9205])
    lon: float | None = Field(default=None, ge=-180, le=180, description="Longitude, WGS 84", examples=[-57.9536])
    speed_ms: float | None = Field(default=None, ge=0, le=100, description="Speed", examples=[8.4])
    bearing_deg: float | None = Field(
        default=None, ge=0, le=360, description="Direction of travel, clockwise from north", examples=[315.0]
    )
    trip_id: str | None = _name("Trip of the timetable", "307-ida-0715")
    route_id: str | None = _name("Route of the timetable", "307")
    direction_id: int | None = Field(default=None, ge=0, le=1, description="Direction as in GTFS", examples=[0])
    block_id: str | None = _name("Block: what the vehicle does on a day", "307-4")
    start_date: str | None = Field(
        default=None, pattern=DATE_PATTERN, description="Service date, YYYYMMDD", examples=["20130402"]
    )
    start_time: str | None = Field(
        default=None,
        pattern=TIME_PATTERN,
        description="Planned start of the trip, HH:MM:SS of the service date; passes 24:00 after midnight",
        examples=["19:00:00"],
    )
    line: str | None = _name("Line as set on the driver's console", "307")
    sign: str | None = _name("Destination as shown in front", "Barrio Monasterio")
    occupancy: int | None = Field(default=None, ge=0, le=100, description="How full, percent", examples=[40])
    delay_s: int | None = Field(
        default=None, ge=-86_400, le=86_400, description="Lateness as the vehicle reckons it, positive when late"
    )
    in_service: bool | None = Field(default=None, description="False on the way to or from service", examples=[True])

    @model_validator(mode="after")
    def _require_both_coordinates(self) -> Self:
        if (self.lat is None) != (self.lon is None):
            raise ValueError("send lat and lon, or neither while there is no fix")
        return self


BUS = SensorKind(
    name="bus",
    title=BilingualText("Colectivo", "Bus"),
    payload=BusPayload,
    measure="speed_ms",
    unit="m/s",
    limits=Limits(sensor=(0.0, 45.0)),
    period_s=30,
    lane=Lane.BULK,
    judgements=(),  # a parked bus sends nothing, and that is no alert
    senml={
        "lat": "lat",
        "lon": "lon",
        "speed": "speed_ms",
        "m/s": "speed_ms",
        "heading": "bearing_deg",
        "deg": "bearing_deg",
    },
    signal=SimulatedSignal(source="buses", period_s=30, noise=8.0),
    retention=RetentionPolicy(
        personal=False,
        purpose=BilingualText(
            "Informar a los pasajeros cuándo llega el colectivo", "Telling riders when the bus comes"
        ),
        legal_basis="Servicio público de transporte; se sigue al vehículo, sin dato alguno de quien conduce",
        raw_days=30,
    ),
)
