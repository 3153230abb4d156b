"""Sensor kind rain: rainfall since the gauge's last report, from a tipping bucket or a weighing gauge."""

from pydantic import Field

from models.kind import BilingualText, Lane, Limits, Payload, RetentionPolicy, SensorKind, SimulatedSignal
from models.rule import Rainfall, Silence


class RainPayload(Payload):
    """Rain of one interval that ended at `observed_at`."""

    rain_mm: float = Field(ge=-100_000, le=100_000, description="Rain fallen within the interval", examples=[0.2])
    interval_s: int = Field(default=60, ge=1, le=86_400, description="Length of the interval", examples=[60])
    battery_v: float | None = Field(default=None, ge=0, le=100, description="Supply voltage", examples=[12.6])


RAIN = SensorKind(
    name="rain",
    title=BilingualText("Lluvia", "Rain"),
    payload=RainPayload,
    measure="rain_mm",
    unit="mm",
    limits=Limits(sensor=(0.0, 200.0)),
    period_s=60,
    lane=Lane.CRITICAL,
    judgements=(Rainfall(), Silence(period_s=60)),
    senml={"rain": "rain_mm", "mm": "rain_mm", "battery": "battery_v", "V": "battery_v"},
    signal=SimulatedSignal(source="rain", period_s=60, resolution=0.2),
    retention=RetentionPolicy(
        personal=False,
        purpose=BilingualText("Alerta temprana de inundaciones", "Early warning of floods"),
        legal_basis="Función de protección civil del municipio; no hay datos personales",
        raw_days=3650,
    ),
)
