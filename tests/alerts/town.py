"""A town of river gauges in the tables, evaluated by the engine alone. Shared by the tests of alerts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from alerts import engine, rulebook
from alerts.rule_states import RuleStates
from alerts.rulebook import Rulebook
from models.kinds import KINDS_BY_NAME
from models.place import Basin, City, Device, Municipality, Station
from models.reading import Flag, Reading
from models.rule import Fault, Rule, Silence, Stage
from services.city.load import load
from services.city.seed import Seed

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
THRESHOLDS_M = (1.0, 1.5, 2.0)


def town(names: Iterable[str], *, thresholds_m: tuple[float, float, float] = THRESHOLDS_M) -> Seed:
    """Gauges on one stream, each judged by level, silence and fault, once a minute."""
    names = list(names)
    ring = ((-58.0, -35.0), (-57.9, -35.0), (-57.9, -34.9), (-58.0, -35.0))
    place: dict[str, Any] = {"municipality": "azul", "kind": "river", "latitude": -34.95, "longitude": -57.95}
    judgements = (Stage(thresholds_m=thresholds_m, period_s=60), Silence(period_s=60), Fault())
    return Seed(
        city=City(
            id="azul",
            name="Azul",
            zone=ZoneInfo("America/Argentina/Buenos_Aires"),
            municipalities=(Municipality(id="azul", name="Azul", latitude=-34.95, longitude=-57.95),),
            basins=(Basin(id="azul", municipality="azul", name="Azul", outlines=(ring,), note=""),),
            stations=tuple(Station(id=name, name=name, basin="azul", **place) for name in names),
            devices=tuple(
                Device(municipality="azul", kind="river", code=name, station=name, period_s=60) for name in names
            ),
        ),
        rules=tuple(
            Rule(f"{name}.{rulebook.JUDGEMENT_NAMES[type(judgement)]}", 1, "river", name, judgement)
            for name in names
            for judgement in judgements
        ),
    )


def reading(station: str, minute: float, level_m: float, flags: Flag = Flag.NONE) -> Reading:
    """A gauge's reading `minute` minutes after noon."""
    at = NOON + timedelta(minutes=minute)
    columns = KINDS_BY_NAME["river"].columns
    values = tuple(level_m if name == "level_m" else None for name in columns)
    return Reading("river", "azul", station, at, at, int(minute * 60), "b", values, flags)


@dataclass
class EngineRun:
    """The engine in one transaction, with its cached rule states."""

    transaction: Connection
    states: RuleStates = field(default_factory=RuleStates)

    @property
    def book(self) -> Rulebook:
        """The rules in force."""
        return rulebook.read(self.transaction)

    def receive_levels(self, minute: float, **levels_m: float) -> None:
        """One batch: a level from each gauge named."""
        self.receive(minute, {name: [reading(name, minute, level_m)] for name, level_m in levels_m.items()})

    def receive(self, minute: float, readings: Mapping[str, list[Reading]]) -> None:
        """One batch of readings, evaluated at that minute."""
        book, now = self.book, NOON + timedelta(minutes=minute)
        self.states.load(self.transaction, book, engine.required_subjects(book, readings))
        self._store(book, engine.evaluate(book, self.states, readings, now), now)

    def tick_at(self, minute: float) -> None:
        """One tick without readings."""
        book, now = self.book, NOON + timedelta(minutes=minute)
        subjects = engine.due_subjects(self.transaction, book, ["river"], now)
        self.states.load(self.transaction, book, engine.required_subjects(book, subjects))
        self._store(book, engine.tick(book, self.states, subjects, now), now)

    def _store(self, book: Rulebook, evaluation: engine.Evaluation, now: datetime) -> None:
        written = engine.store_evaluation(self.transaction, book, self.states, evaluation, now)
        if written is not None:
            written.check_row_count()
        self.states.mark_written(evaluation.states)

    def rows(self, query: str) -> list[Any]:
        """Every row of a query."""
        return [tuple(row) for row in self.transaction.execute(text(query))]

    def value(self, query: str) -> Any:
        """The one value a query returns."""
        return self.rows(query)[0][0]


def load_town(transaction: Connection, *names: str) -> EngineRun:
    """Load the town; returns an engine run on it."""
    load(transaction, town(names), NOON)
    return EngineRun(transaction)
