"""The rota as a file: shifts, steps of escalation and phone tree in TOML, read with all its problems at once."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.alert import NAR

MAX_FILE_BYTES = 256 * 1024
MAX_PROBLEMS = 50
ANY_MONDAY = date(1970, 1, 5)
"""Day 0 of a weekly pattern that names no first day. Before any night that is simulated or exercised."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPANISH = dict(zip(("lun", "mar", "mie", "jue", "vie", "sab", "dom"), WEEKDAYS, strict=True))
_WALL_TIME = r"^([01]\d|2[0-3]):[0-5]\d$"

ZoneText = Annotated[str, Field(pattern=r"^(municipality|basin):[^\x00]{1,100}$")]
PositionText = Literal["operator", "second", "chief"]
WallTime = Annotated[str, Field(pattern=_WALL_TIME)]


class RotaFileError(Exception):
    """A file of the rota with problems, one a line."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems[:MAX_PROBLEMS]))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ShiftText(_Strict):
    """Recurring turns of a person: `weekdays`, or `days` of a cycle of `cycle_days` from `first_day`."""

    zone: ZoneText
    position: PositionText
    person: Annotated[str, Field(min_length=1, max_length=60)]
    starts: Annotated[WallTime, Field(alias="from")]
    ends: Annotated[WallTime, Field(alias="to")]
    weekdays: tuple[str, ...] = ()
    cycle_days: Annotated[int | None, Field(ge=1, le=366)] = None
    days: tuple[Annotated[int, Field(ge=0, le=365)], ...] = ()
    first_day: date | None = None
    last_day: date | None = None

    @model_validator(mode="after")
    def _one_pattern(self) -> "ShiftText":
        unknown = [day for day in self.weekdays if _weekday(day) is None]
        if unknown:
            raise ValueError(f"unknown weekdays {unknown}: use {', '.join(WEEKDAYS)} or {', '.join(_SPANISH)}")
        if bool(self.weekdays) == (self.cycle_days is not None):
            raise ValueError("say either weekdays, or cycle_days with days and first_day")
        if self.cycle_days is not None and (not self.days or self.first_day is None):
            raise ValueError("cycle_days needs days (from 0) and first_day (day 0 of the cycle)")
        if self.cycle_days is not None and max(self.days) >= self.cycle_days:
            raise ValueError(f"days are 0 to {self.cycle_days - 1} in a cycle of {self.cycle_days}")
        return self

    @property
    def cycle(self) -> tuple[date, int, tuple[int, ...]]:
        """Day 0, length and days of the cycle."""
        if self.cycle_days is not None and self.first_day is not None:
            return self.first_day, self.cycle_days, tuple(sorted(set(self.days)))
        first = self.first_day or ANY_MONDAY
        numbers = [number for day in self.weekdays if (number := _weekday(day)) is not None]
        return first, len(WEEKDAYS), tuple(sorted({(number - first.weekday()) % 7 for number in numbers}))

    @property
    def times(self) -> tuple[time, time]:
        """From when to when, by the clock on the wall."""
        return time.fromisoformat(self.starts), time.fromisoformat(self.ends)


class StepText(_Strict):
    """A step of the escalation of some colours in a municipality."""

    municipality: str
    colours: Annotated[tuple[Literal["amarillo", "naranja", "rojo"], ...], Field(min_length=1)]
    after_s: Annotated[int, Field(ge=0, le=86_400)]
    position: Literal["operator", "second", "chief", "everybody"]
    all_answer: bool = False


class PhoneText(_Strict):
    """Somebody of the phone tree. The order of the file is the order of the calls."""

    municipality: str
    name: Annotated[str, Field(min_length=1, max_length=100)]
    function: Annotated[str, Field(max_length=200)] = ""
    number: Annotated[str, Field(pattern=r"^[+0-9][0-9 ()-]{1,30}$")]


@dataclass(frozen=True, slots=True)
class RotaFile:
    """What a file says. Steps come in the order of their time."""

    shifts: tuple[ShiftText, ...]
    steps: tuple[StepText, ...]
    phones: tuple[PhoneText, ...]

    def steps_by_colour(self) -> Iterator[tuple[str, NAR, list[StepText]]]:
        """The steps of each municipality and colour."""
        for municipality in dict.fromkeys(step.municipality for step in self.steps):
            for nar in (NAR.AMARILLO, NAR.NARANJA, NAR.ROJO):
                own = [
                    one for one in self.steps if one.municipality == municipality and nar.name.lower() in one.colours
                ]
                if own:
                    yield municipality, nar, sorted(own, key=lambda one: one.after_s)


_TABLES: dict[str, type[_Strict]] = {"shift": ShiftText, "step": StepText, "phone": PhoneText}


def read_rota_file(path: Path) -> RotaFile:
    """Read and check a file. Raises RotaFileError with every problem, and OSError where it cannot be read."""
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise RotaFileError([f"{path}: larger than {MAX_FILE_BYTES} bytes"])
    try:
        document = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RotaFileError([f"{path}: {error}"]) from error
    problems = [f"{path}: unknown table [[{name}]]: use shift, step or phone" for name in document.keys() - _TABLES]
    found: dict[str, list[Any]] = {name: [] for name in _TABLES}
    for name, model in _TABLES.items():
        for number, entry in enumerate(_entries(document, name), 1):
            try:
                found[name].append(model.model_validate(_tuples(entry)))
            except ValidationError as error:
                problems += [f"{path}: [[{name}]] number {number}: {_line(one)}" for one in error.errors()]
    if problems:
        raise RotaFileError(problems)
    return RotaFile(tuple(found["shift"]), tuple(found["step"]), tuple(found["phone"]))


def _entries(document: dict[str, Any], name: str) -> list[Any]:
    entries = document.get(name, [])
    return entries if isinstance(entries, list) else [entries]


def _tuples(entry: Any) -> Any:
    """TOML has arrays, the models tuples."""
    if not isinstance(entry, dict):
        return entry
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def _line(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}" if place else str(error["msg"])


def _weekday(text: str) -> int | None:
    name = text.strip().lower().replace("é", "e").replace("á", "a")[:3]
    name = _SPANISH.get(name, name)
    return WEEKDAYS.index(name) if name in WEEKDAYS else None
