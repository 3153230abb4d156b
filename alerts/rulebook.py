"""The rules in force and the places they speak of, read from the tables as one value."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from models.rows import driver
from models.rule import (
    UNTRAINED,
    ExceedanceModel,
    ExtremeSpeed,
    Fault,
    Judgement,
    Rainfall,
    Rule,
    Silence,
    SpeedTrend,
    Stage,
)

JUDGEMENTS: dict[str, type[Judgement]] = {
    "stage": Stage,
    "rainfall": Rainfall,
    "silence": Silence,
    "fault": Fault,
    "extreme_speed": ExtremeSpeed,
    "speed_trend": SpeedTrend,
}
JUDGEMENT_NAMES: dict[type[Judgement], str] = {judgement: name for name, judgement in JUDGEMENTS.items()}


@dataclass(frozen=True, slots=True)
class Station:
    """What the alerts need to know of a station."""

    id: str
    kind: str
    municipality: str
    basin: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything `alerts.engine` judges by. `version` is the configuration's."""

    version: int
    stations: Mapping[str, Station]
    rules: Mapping[str, tuple[Rule, ...]]
    """By subject."""
    exceedance_models: Mapping[str, ExceedanceModel]
    """By station, from its own past."""
    neighbours: Mapping[str, frozenset[str]]
    """By subject, the stations its rules look at besides itself; only subjects that have any."""
    streams: frozenset[str]
    """The subjects with a rule on their water level."""


def configuration_version(transaction: Connection) -> int:
    """Rises whenever stations, rules or models change; 0 before anything was loaded."""
    with driver(transaction).cursor() as cursor:
        row = cursor.execute("SELECT version FROM configuration").fetchone()
    return int(row[0]) if row else 0


def read(transaction: Connection) -> Rulebook:
    """The active rules of the active stations. Raises msgspec.ValidationError on a judgement that is none of ours."""
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT id, kind, municipality_id, basin_id, name FROM stations WHERE active")
        places = {row[0]: Station(*row) for row in cursor}
        cursor.execute("SELECT id, version, kind, subject, judgement FROM rules WHERE active ORDER BY id")
        rules: defaultdict[str, list[Rule]] = defaultdict(list)
        for rule_id, version, kind, subject, judgement in cursor:
            if subject in places:
                rules[subject].append(Rule(rule_id, version, kind, subject, judgement_from_row(judgement)))
        cursor.execute("SELECT station_id, model -> 'outlook' FROM forecast_models WHERE model ? 'outlook'")
        outlooks = {row[0]: msgspec.convert(row[1], ExceedanceModel) for row in cursor}
    stages = [
        (rule.subject, rule.judgement) for of in rules.values() for rule in of if isinstance(rule.judgement, Stage)
    ]
    beside = {subject: frozenset((*stage.upstream, *stage.rain)) for subject, stage in stages}
    return Rulebook(
        configuration_version(transaction),
        places,
        {subject: tuple(subject_rules) for subject, subject_rules in rules.items()},
        outlooks,
        {subject: neighbours for subject, neighbours in beside.items() if neighbours},
        frozenset(beside),
    )


def judgement_from_row(kept: Mapping[str, object]) -> Judgement:
    """A judgement as the tables keep it: its fields, and its name under `judgement`."""
    fields = dict(kept)
    return msgspec.convert(fields, JUDGEMENTS[str(fields.pop("judgement"))])


def judgement_row(judgement: Judgement) -> dict[str, object]:
    """The other way round: what the tables keep of a judgement."""
    return {"judgement": JUDGEMENT_NAMES[type(judgement)], **msgspec.to_builtins(judgement)}


def exceedance_model(book: Rulebook, station: str) -> ExceedanceModel:
    """What the station's own past says of its rises; nothing for a new one."""
    return book.exceedance_models.get(station, UNTRAINED)
