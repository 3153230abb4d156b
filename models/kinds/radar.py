"""Sensor kind radar: vehicle speeds on a street, single or counted per interval. No plates, images or identities."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from models.kind import BilingualText, Lane, Limits, Payload, RetentionPolicy, SendingRate, SensorKind, SimulatedSignal
from models.rule import ExtremeSpeed, Silence, SpeedTrend
from models.speeds import BIN_COUNT, BIN_WIDTH_KMH

Count = Annotated[int, Field(ge=0, le=100_000)]


class RadarPayload(Payload):
    """One vehicle (`speed_kmh`), or an interval's vehicles counted by speed (`counts` with `interval_s`)."""

    speed_kmh: float | None = Field(default=None, ge=0, le=400, description="Speed of one vehicle", examples=[57.0])
    vehicle_class: Literal["motorcycle", "car", "van", "truck", "bus", "unknown"] | None = Field(
        default=None, description="Class of the vehicle, as the radar judges it", examples=["car"]
    )
    lane: int | None = Field(default=None, ge=0, le=12, description="Lane, 0 next to the kerb", examples=[1])
    interval_s: int | None = Field(default=None, ge=1, le=86_400, description="Length of the counted interval")
    counts: tuple[Count, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=BIN_COUNT,
        description=f"Vehicles counted in bins of {BIN_WIDTH_KMH} km/h from 0: 0 to under {BIN_WIDTH_KMH}, and so on",
    )

    @model_validator(mode="after")
    def _require_a_measurement(self) -> Self:
        if self.speed_kmh is None and (self.counts is None or self.interval_s is None):
            raise ValueError("send speed_kmh of one vehicle, or counts with interval_s")
        return self


RADAR = SensorKind(
    name="radar",
    title=BilingualText("Radar de velocidad", "Speed radar"),
    payload=RadarPayload,
    measure="speed_kmh",
    unit="km/h",
    limits=Limits(sensor=(0.0, 250.0)),
    period_s=60,
    lane=Lane.BULK,
    judgements=(ExtremeSpeed(), SpeedTrend(), Silence(period_s=600)),
    senml={"speed": "speed_kmh", "km/h": "speed_kmh"},
    signal=SimulatedSignal(source="traffic", period_s=60, noise=1.0, resolution=1.0),
    retention=RetentionPolicy(
        personal=False,
        purpose=BilingualText("Estadística de velocidades para la seguridad vial", "Speed statistics for road safety"),
        legal_basis="Ley 24.449 art. 51; sin patente ni imagen, no hay datos personales",
        raw_days=90,
    ),
    rate=SendingRate(per_s=10.0, burst=20_000),
)
