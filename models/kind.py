"""Definition of a sensor kind: payload, limits, rules, simulation, retention. One file in `models.kinds` per kind."""

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
"""A time as sent by a device; decoding makes it a datetime in UTC."""
BootId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
MAX_SEQ = 2**62


class Lane(StrEnum):
    """The pipeline that carries a kind. Bulk messages must never delay critical ones."""

    CRITICAL = "critical"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class BilingualText:
    """A text in the two languages of Vigía."""

    es: str
    en: str


class Payload(BaseModel):
    """The fields of every reading as sent by a device. A kind adds its own fields, which become its columns.

    `observed_at`: RFC 3339 with an offset, or seconds since 1970-01-01 UTC. `seq` rises by one within a `boot`, so that
    losses can be counted. Unknown fields are ignored, so that newer firmware of a device is still accepted.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    observed_at: Instant
    seq: int = Field(default=-1, ge=-1, le=MAX_SEQ)
    boot: BootId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the quality checks for the judged measure, in its unit.

    `sensor`: the range of the instrument (outside: fail). `site`: the range ever possible at this station, None until
    known (outside: suspect). `jump`, `spike`: the change from one reading to the next that is unusual. `flat_s`: how
    long exactly the same value is plausible, None where repetition is normal (rain, speeds). `sentinels`: "no value".
    """

    sensor: tuple[float, float]
    site: tuple[float, float] | None = None
    jump: float | None = None
    spike: float | None = None
    flat_s: int | None = None
    sentinels: tuple[float, ...] = (-9999.0, -999.0, -99.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSignal:
    """Behaviour of a simulated device of this kind: simulated quantity, period, noise and resolution."""

    source: str
    period_s: int
    noise: float = 0.0
    resolution: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long readings are stored, and on which legal basis. Source of the data register (Ley 25.326)."""

    personal: bool
    purpose: BilingualText
    legal_basis: str
    raw_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingRate:
    """How many messages one device may send: `per_s` for as long as it likes, and `burst` besides, after a pause.

    Nothing above it is lost: it is processed after what others sent.
    """

    per_s: float
    burst: int


DEFAULT_RATE = SendingRate(per_s=2.0, burst=2_000)
"""A device that measures once a minute buffers a day and a half in 2,000 messages."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SensorKind:
    """Everything that is specific to one kind of sensor.

    `measure` names the payload field that is checked, judged and charted; `unit` is its unit for display.
    `senml` maps SenML record names (or units, where a record has no name of its own) to payload fields.
    `rate`: how much one device may send before it is postponed.
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
    rate: SendingRate = DEFAULT_RATE

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The payload's own fields, in order: the columns of the kind's table after the envelope."""
        return tuple(name for name in self.payload.model_fields if name not in self.ENVELOPE)

    @cached_property
    def text_fields(self) -> tuple[str, ...]:
        """The payload's fields that may hold a text. None of them has a text as its default."""
        properties = self.payload.model_json_schema()["properties"]
        kinds = {name: [field, *field.get("anyOf", ())] for name, field in properties.items()}
        return tuple(name for name, types in kinds.items() if any(one.get("type") == "string" for one in types))

    @cached_property
    def parse_json(self) -> Callable[[bytes], Payload]:
        """Parse and validate JSON. Skips pydantic's class method, which is slow. Raises pydantic.ValidationError."""
        return self.payload.__pydantic_validator__.validate_json

    @cached_property
    def payload_values(self) -> Callable[[Payload], tuple[Value, ...]]:
        """Return the values of a payload in the order of `columns`, as for `Reading.values`."""
        match self.columns:
            case (only,):
                return lambda payload: (getattr(payload, only),)
            case columns:
                return attrgetter(*columns)

    @cached_property
    def measure_index(self) -> int:
        """The index of the judged measure in `Reading.values`."""
        return self.columns.index(self.measure)
