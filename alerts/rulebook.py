"""Rulebook: the active rules, their stations and the exceedance models, read from the tables as one value."""

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
    """What alerts need of a station. An outage's alert names its municipality in the same form."""

    id: str
    kind: str
    municipality: str
    basin: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The configuration that `alerts.engine` evaluates. `version`: the configuration version."""

    version: int
    stations: Mapping[str, Station]
    rules: Mapping[str, tuple[Rule, ...]]
    """By subject."""
    exceedance_models: Mapping[str, ExceedanceModel]
    """By station, fitted to its own past."""
    neighbours: Mapping[str, frozenset[str]]
    """By subject, the other stations that its rules need; only subjects that have any."""
    streams: frozenset[str]
    """The subjects with a stage rule."""


def configuration_version(transaction: Connection) -> int:
    """A number that rises with every change of stations, rules or models; 0 before the first load."""
    with driver(transaction).cursor() as cursor:
        row = cursor.execute("SELECT version FROM configuration").fetchone()
    return int(row[0]) if row else 0


def read(transaction: Connection) -> Rulebook:
    """Read the active rules of the active stations. Raises msgspec.ValidationError on a malformed judgement."""
    with driver(transaction).cursor() as cursor:
        cursor.execute("SELECT id, kind, municipality_id, basin_id, name FROM stations WHERE active")
        stations = {row[0]: Station(*row) for row in cursor}
        cursor.execute("SELECT id, version, kind, subject, judgement FROM rules WHERE active ORDER BY id")
        rules: defaultdict[str, list[Rule]] = defaultdict(list)
        for rule_id, version, kind, subject, judgement in cursor:
            if subject in stations:
                rules[subject].append(Rule(rule_id, version, kind, subject, judgement_from_row(judgement)))
        cursor.execute("SELECT station_id, model -> 'outlook' FROM forecast_models WHERE model ? 'outlook'")
        exceedance_models = {row[0]: msgspec.convert(row[1], ExceedanceModel) for row in cursor}
    stages = [
        (rule.subject, rule.judgement)
        for subject_rules in rules.values()
        for rule in subject_rules
        if isinstance(rule.judgement, Stage)
    ]
    neighbours = {subject: frozenset((*stage.upstream, *stage.rain)) for subject, stage in stages}
    return Rulebook(
        configuration_version(transaction),
        stations,
        {subject: tuple(subject_rules) for subject, subject_rules in rules.items()},
        exceedance_models,
        {subject: others for subject, others in neighbours.items() if others},
        frozenset(neighbours),
    )


def judgement_from_row(row: Mapping[str, object]) -> Judgement:
    """Decode a stored judgement: its fields, and its type's name under `judgement`."""
    fields = dict(row)
    return msgspec.convert(fields, JUDGEMENTS[str(fields.pop("judgement"))])


def judgement_row(judgement: Judgement) -> dict[str, object]:
    """Encode a judgement for storage; the inverse of `judgement_from_row`."""
    return {"judgement": JUDGEMENT_NAMES[type(judgement)], **msgspec.to_builtins(judgement)}


def exceedance_model(book: Rulebook, station: str) -> ExceedanceModel:
    """The station's exceedance model; `UNTRAINED` for a new station."""
    return book.exceedance_models.get(station, UNTRAINED)
