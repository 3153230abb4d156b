"""Radar: vehicle speeds on a street, one by one or counted per interval. No plate, no image, nobody's identity."""

from typing import Literal

from pydantic import Field

from models.kind import Keeping, Lane, Limits, Payload, SensorKind, Signal, Text
from models.rule import ExtremeSpeed, Silence, SpeedTrend

BIN_KMH = 5
BINS = 52


class RadarPayload(Payload):
    """One vehicle (`speed_kmh`), or an interval's vehicles counted in bins of 5 km/h from 0 (`counts`)."""

    speed_kmh: float | None = Field(default=None, ge=0, le=400, description="Speed of one vehicle", examples=[57.0])
    vehicle_class: Literal["motorcycle", "car", "van", "truck", "bus", "unknown"] | None = Field(default=None)
    lane: int | None = Field(default=None, ge=0, le=12, description="Lane, 0 next to the kerb")
    interval_s: int | None = Field(default=None, ge=1, le=86_400, description="Length of the counted interval")
    counts: tuple[int, ...] | None = Field(default=None, max_length=BINS, description="Vehicles per bin of 5 km/h from 0")


RADAR = SensorKind(
    name="radar",
    title=Text("Radar de velocidad", "Speed radar"),
    payload=RadarPayload,
    measure="speed_kmh",
    unit="km/h",
    limits=Limits(sensor=(0.0, 250.0)),
    period_s=60,
    lane=Lane.BULK,
    judgements=(ExtremeSpeed(), SpeedTrend(), Silence(period_s=600)),
    senml={"speed": "speed_kmh", "km/h": "speed_kmh"},
    signal=Signal(source="traffic", period_s=60, noise=1.0, resolution=1.0),
    keeping=Keeping(
        personal=False,
        purpose=Text("Estadística de velocidades para la seguridad vial", "Speed statistics for road safety"),
        legal_basis="Ley 24.449 art. 51; sin patente ni imagen, no hay datos personales",
        raw_days=90,
    ),
)
