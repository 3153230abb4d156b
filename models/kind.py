"""What there is to say of one kind of sensor. A new kind is one file in `models.kinds` that says it all."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from operator import attrgetter
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from models.reading import Value
from models.rule import Judgement

_RFC_3339 = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$"
Instant = Annotated[
    Annotated[str, StringConstraints(pattern=_RFC_3339)] | float,
    Field(union_mode="left_to_right", description="RFC 3339 with an offset, or seconds since 1970-01-01 UTC"),
]
"""When, as it stands on the wire; decoding makes it a datetime in UTC."""
BootId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
MAX_SEQ = 2**62


class Lane(StrEnum):
    """Which pipeline carries a kind: a storm of bulk messages never delays a critical one."""

    CRITICAL = "critical"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class BilingualText:
    """The same words in the two languages Vigía speaks."""

    es: str
    en: str


class Payload(BaseModel):
    """What every reading carries on the wire; a kind adds its own fields, which become its columns.

    `observed_at`: RFC 3339 with an offset, or seconds since 1970-01-01 UTC. `seq` rises by one within a `boot`, so that
    a loss can be seen. Fields not known here are ignored, so that a device's newer firmware still gets through.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    observed_at: Instant
    seq: int = Field(default=-1, ge=-1, le=MAX_SEQ)
    boot: BootId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the quality checks expect of the judged measure, in its own unit.

    `sensor`: what the instrument can report at all (outside: fail). `site`: what this place ever saw, None until known
    (outside: suspect). `jump` and `spike`: the change taken as unusual, from one reading to the next. `flat_s`: how
    long exactly the same value is believed, None where repetition is normal (rain, speeds). `sentinels`: "no value".
    """

    sensor: tuple[float, float]
    site: tuple[float, float] | None = None
    jump: float | None = None
    spike: float | None = None
    flat_s: int | None = None
    sentinels: tuple[float, ...] = (-9999.0, -999.0, -99.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSignal:
    """How a simulated device of this kind behaves: what of the world it samples, how often, how noisily."""

    source: str
    period_s: int
    noise: float = 0.0
    resolution: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """What is kept, why it may be, and for how long: the source of the data register (Ley 25.326)."""

    personal: bool
    purpose: BilingualText
    legal_basis: str
    raw_days: int


@dataclass(frozen=True, kw_only=True, eq=False)
class SensorKind:
    """All that Vigía knows of one kind of sensor.

    `measure` names the payload field that is checked, judged and charted; `unit` is what people read beside it.
    `senml` maps SenML record names (or units, where a record has no name of its own) to payload fields.
    """

    ENVELOPE: ClassVar[tuple[str, ...]] = ("observed_at", "seq", "boot")

    name: str
    title: BilingualText
    payload: type[Payload]
    measure: str
    unit: str
    limits: Limits
    period_s: int
    lane: Lane
    judgements: tuple[Judgement, ...]
    senml: dict[str, str]
    signal: SimulatedSignal
    retention: RetentionPolicy

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The payload's own fields, in order: the columns of the kind's table after the envelope."""
        return tuple(name for name in self.payload.model_fields if name not in self.ENVELOPE)

    @cached_property
    def parse_json(self) -> Callable[[bytes], Payload]:
        """JSON to a payload, without the class method's detour on the hot path. Raises pydantic.ValidationError."""
        return self.payload.__pydantic_validator__.validate_json

    @cached_property
    def payload_values(self) -> Callable[[Payload], tuple[Value, ...]]:
        """Takes a payload apart into `Reading.payload_values`, in the order of `columns`."""
        match self.columns:
            case (only,):
                return lambda payload: (getattr(payload, only),)
            case columns:
                return attrgetter(*columns)

    @cached_property
    def measure_index(self) -> int:
        """Where in `Reading.payload_values` the judged measure stands."""
        return self.columns.index(self.measure)
