"""Tests of every sensor kind: its one file must define everything that the other packages need."""

import json
import pkgutil
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

import models.kinds
from alerts.rules import dispatch
from ingest.decode import decode
from ingest.quality.checks import check_reading
from ingest.topic import parse_topic
from models.kind import Lane, Payload, SensorKind
from models.kinds import KINDS, KINDS_BY_NAME
from models.reading import Flag, Message, Quality, Reading, quality_code
from models.rule import Rule
from models.tables.readings import READINGS
from services.asyncapi import example, senml_example

NOW = datetime(2013, 4, 2, 19, 6, tzinfo=UTC)
LARGEST_INTEGER = 2**31 - 1

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def decoded(kind: SensorKind, content: object) -> Reading:
    message = Message(f"vigia/v1/la-plata/{kind.name}/one", json.dumps(content).encode(), NOW)
    (item,) = decode(message)
    assert isinstance(item, Reading), item
    return item


def test_every_file_of_kinds_is_in_kinds() -> None:
    found = [
        value
        for module in pkgutil.iter_modules(models.kinds.__path__)
        for value in vars(import_module(f"models.kinds.{module.name}")).values()
        if isinstance(value, SensorKind)
    ]
    assert sorted(kind.name for kind in found) == sorted(kind.name for kind in KINDS)
    assert len(KINDS_BY_NAME) == len(KINDS)


@every_kind
def test_no_field_is_a_text_unless_it_is_sent(kind: SensorKind) -> None:
    """Keys given twice are found by counting quotation marks."""
    assert not [name for name, field in kind.payload.model_fields.items() if isinstance(field.default, str)]
    assert {"observed_at", "boot"} <= set(kind.text_fields)


@every_kind
def test_its_name_is_valid_in_a_topic(kind: SensorKind) -> None:
    sender = parse_topic(f"vigia/v1/la-plata/{kind.name}/one")
    assert not isinstance(sender, str)
    assert sender.kind is kind


@every_kind
def test_its_fields_are_its_columns_and_its_measure_is_one_of_them(kind: SensorKind) -> None:
    columns = [column.name for column in READINGS[kind.name].columns]
    assert columns == ["device_id", "observed_at", "seq", "received_at", *kind.columns, "flags"]
    assert kind.columns[kind.measure_index] == kind.measure


@every_kind
def test_every_field_says_what_it_is_and_numbers_have_bounds(kind: SensorKind) -> None:
    for name in kind.columns:
        assert kind.payload.model_fields[name].description, name
        for bounded in numbers(kind.payload.model_json_schema()["properties"][name]):
            assert {"minimum", "maximum"} <= bounded.keys(), name
            if bounded["type"] == "integer":
                assert max(abs(bounded["minimum"]), abs(bounded["maximum"])) <= LARGEST_INTEGER, name


def numbers(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The numeric parts of a field's schema, at any depth."""
    if schema.get("type") in {"number", "integer"}:
        return [schema]
    parts = [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    return [number for part in parts for number in numbers(part)]


@every_kind
def test_its_own_examples_make_a_reading(kind: SensorKind) -> None:
    said = example(kind)
    reading = decoded(kind, said)
    assert reading.values == tuple(said.get(name, default(kind.payload, name)) for name in kind.columns)
    assert decoded(kind, [said]) == reading


def default(payload: type[Payload], name: str) -> object:
    return payload.model_fields[name].default


@every_kind
def test_senml_gives_the_same_reading(kind: SensorKind) -> None:
    own = decoded(
        kind, {name: value for name, value in example(kind).items() if name in {*kind.senml.values(), "observed_at"}}
    )
    pack = decoded(kind, senml_example(kind))
    assert pack.values == own.values
    assert set(kind.senml.values()) <= set(kind.columns)
    assert kind.measure in kind.senml.values()


@every_kind
def test_good_values_pass_its_limits_and_sentinels_do_not(kind: SensorKind) -> None:
    reading = decoded(kind, example(kind) | {"observed_at": NOW.timestamp()})
    assert check_reading(kind.limits, None, reading, kind.measure_index).reading.flags == Flag.NONE
    for sentinel in kind.limits.sentinels:
        values = [*reading.values]
        values[kind.measure_index] = sentinel
        checked = check_reading(
            kind.limits, None, msgspec.structs.replace(reading, values=tuple(values)), kind.measure_index
        ).reading
        assert quality_code(checked.flags) is Quality.MISSING
    low, high = kind.limits.sensor
    assert low < high


@every_kind
def test_its_judgements_have_an_initial_state_that_can_be_stored(kind: SensorKind) -> None:
    reading = decoded(kind, example(kind) | {"observed_at": NOW.timestamp()})
    assert kind.judgements or kind.lane is Lane.BULK
    for judgement in kind.judgements:
        rule = Rule("one", 1, kind.name, "station", judgement)
        state, _ = dispatch.judge(rule, dispatch.initial_state(judgement), reading)
        state, _ = dispatch.tick(rule, state, NOW + timedelta(minutes=1))
        kept = msgspec.json.decode(msgspec.json.encode(state), type=dispatch.state_type(judgement))
        assert kept == state
        assert msgspec.convert(msgspec.to_builtins(judgement), type(judgement)) == judgement


@every_kind
def test_its_simulated_signal_has_a_source_and_a_period(kind: SensorKind) -> None:
    assert kind.signal.source
    assert kind.signal.period_s > 0
    assert kind.signal.noise >= 0
    assert kind.period_s > 0


@every_kind
def test_its_retention_is_declared(kind: SensorKind) -> None:
    assert all((kind.retention.purpose.es, kind.retention.purpose.en, kind.retention.legal_basis))
    assert 0 < kind.retention.raw_days <= 3650
    assert all((kind.title.es, kind.title.en, kind.unit))


def test_kinds_import_no_other_kind() -> None:
    for module in pkgutil.iter_modules(models.kinds.__path__):
        content = vars(import_module(f"models.kinds.{module.name}")).values()
        payloads = {value for value in content if isinstance(value, type) and issubclass(value, BaseModel)}
        assert len(payloads - {Payload}) == 1
