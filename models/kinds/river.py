"""Sensor kind river: the level of a stream above the station's zero, from a radar or pressure gauge."""

from pydantic import Field

from models.kind import BilingualText, Lane, Limits, Payload, RetentionPolicy, SensorKind, SimulatedSignal
from models.rule import Fault, Silence, Stage


class RiverPayload(Payload):
    """One measurement of the water level."""

    level_m: float = Field(ge=-100_000, le=100_000, description="Water level above the station's zero", examples=[1.42])
    battery_v: float | None = Field(default=None, ge=0, le=100, description="Supply voltage", examples=[12.6])


RIVER = SensorKind(
    name="river",
    title=BilingualText("Nivel de arroyo", "Stream level"),
    payload=RiverPayload,
    measure="level_m",
    unit="m",
    limits=Limits(sensor=(-5.0, 30.0), jump=0.15, spike=0.10, flat_s=6 * 3600),
    period_s=60,
    lane=Lane.CRITICAL,
    judgements=(Stage(thresholds_m=(1.0, 1.5, 2.0)), Silence(period_s=60), Fault()),
    senml={"level": "level_m", "m": "level_m", "battery": "battery_v", "V": "battery_v"},
    signal=SimulatedSignal(source="stage", period_s=60, noise=0.004, resolution=0.001),
    retention=RetentionPolicy(
        personal=False,
        purpose=BilingualText("Alerta temprana de inundaciones", "Early warning of floods"),
        legal_basis="Función de protección civil del municipio; no hay datos personales",
        raw_days=3650,
    ),
)
