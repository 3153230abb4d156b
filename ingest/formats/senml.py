"""Decode SenML in JSON (RFC 8428): resolve the records of a pack, and join those of one time into one reading."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ingest.formats import vigia_json
from ingest.formats.vigia_json import Unreadable
from ingest.topic import DeviceTopic
from models.kind import SensorKind
from models.reading import Flag, Message, Reading, Reason, Rejected

VERSION = 10
MIN_ABSOLUTE_TIME_S = 2**28
"""A time below this is relative to now (RFC 8428, 4.5.3)."""
MAX_NUMBER = 1e15

_BASE_KEYS = frozenset({"bn", "bt", "bu", "bv", "bs", "bver"})
_VALUE_KEYS = ("v", "vs", "vb", "vd")
_RECORD_KEYS = _BASE_KEYS | {"n", "u", *_VALUE_KEYS, "s", "t", "ut"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")

RecordValue = float | str | bool | None


@dataclass(frozen=True, slots=True)
class Record:
    """One resolved record: base values are applied. `label` is the name without the base name: what was measured."""

    name: str
    label: str
    unit: str | None
    time_s: float
    value: RecordValue


def is_pack(elements: list[Any]) -> bool:
    """Whether a JSON array is SenML and not Vigía's own format, decided from its first record."""
    first = elements[0]
    return isinstance(first, dict) and "observed_at" not in first and not _RECORD_KEYS.isdisjoint(first)


def parse_pack(topic: DeviceTopic, message: Message, elements: list[Any]) -> list[Reading | Rejected]:
    """Parse a pack as one reading per time. One rejection with the whole pack covers all times without a reading.

    Raises Unreadable if the pack itself cannot be resolved.
    """
    items: list[Reading | Rejected] = []
    faults: list[str] = []
    instants = _join_by_time(topic.kind, resolve(elements))
    if not instants:
        raise Unreadable(Reason.SENML, "base fields alone: no record holds a value")
    for time_s, fields in instants.items():
        try:
            items.append(_reading(topic, message, time_s, fields))
        except Unreadable as unreadable:
            faults.append(f"at {time_s}: {unreadable.detail}")
    if faults:
        detail = f"{len(faults)} of {len(instants)} instants make no reading; {faults[0]}"
        items.append(Rejected(message, Reason.SENML, detail[: vigia_json.MAX_DETAIL_LENGTH]))
    return items


def resolve(elements: list[Any]) -> Iterator[Record]:
    """The resolved records of the pack (RFC 8428, 4.6). Raises Unreadable."""
    bases: dict[str, Any] = {}
    for index, element in enumerate(elements):
        if not isinstance(element, dict):
            raise Unreadable(Reason.SENML, f"record {index} is not an object")
        try:
            bases |= _bases(element)
            if not _BASE_KEYS.issuperset(element):
                yield _record(bases, element)
        except ValueError as error:
            raise Unreadable(Reason.SENML, f"record {index}: {error}") from None


def _bases(element: dict[str, Any]) -> dict[str, Any]:
    for key in element:
        if key.endswith("_"):
            raise ValueError(f"{vigia_json.short_repr(key)} must be understood, and is not")
    if _number(element, "bver", VERSION) > VERSION:
        raise ValueError(f"bver is above {VERSION}: send version {VERSION}")
    return {key: element[key] for key in _BASE_KEYS & element.keys()}


def _record(bases: dict[str, Any], element: dict[str, Any]) -> Record:
    label = _text(element, "n") or ""
    name = (_text(bases, "bn") or "") + label
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"name {vigia_json.short_repr(name)} must be a letter or digit, then any of A-Z a-z 0-9 - : . / _"
        )
    unit = _text(element, "u") or _text(bases, "bu")
    time_s = _number(bases, "bt", 0) + _number(element, "t", 0)
    return Record(name, label, unit, time_s, _value(bases, element))


def _value(bases: dict[str, Any], element: dict[str, Any]) -> RecordValue:
    """The single value with its base value; None if the record has only a sum."""
    match [key for key in _VALUE_KEYS if key in element]:
        case ["v"]:
            return _number(bases, "bv", 0) + _number(element, "v", 0)
        case ["vb"] if isinstance(element["vb"], bool):
            return element["vb"]
        case [key] if key != "vb":
            return _text(element, key)
        case [] if "bv" in bases:
            return _number(bases, "bv", 0)
        case [] if "s" in element:
            return None
    raise ValueError("a record has exactly one value of the right type: v, vs, vb or vd")


def _number(element: dict[str, Any], key: str, absent: float) -> float:
    value = element.get(key, absent)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise ValueError(f"{key} must be a number of at most {MAX_NUMBER:.0e}, got {vigia_json.short_repr(value)}")
    return value


def _text(element: dict[str, Any], key: str) -> str | None:
    value = element.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{key} must be a string, got {vigia_json.short_repr(value)}")
    return value


def _join_by_time(kind: SensorKind, records: Iterator[Record]) -> dict[float, dict[str, RecordValue]]:
    """The payload fields of the sensor kind by time. A record unknown to the kind adds no field to its time."""
    instants: dict[float, dict[str, RecordValue]] = {}
    for record in records:
        fields = instants.setdefault(record.time_s, {})
        field = _field(kind, record)
        if field is None or record.value is None:
            continue
        if field in fields:
            raise Unreadable(Reason.SENML, f"{field} has two values at {record.time_s}: send one device a pack")
        fields[field] = record.value
    return instants


def _field(kind: SensorKind, record: Record) -> str | None:
    """The payload field of a record: found by its label, by the end of its name or, without a label, by its unit."""
    labels = (record.label, re.split("[:/]", record.name)[-1], "" if record.label else record.unit)
    field = next((kind.senml[label] for label in labels if label in kind.senml), None)
    if field is not None and record.unit is not None and kind.senml.get(record.unit) != field:
        known = ", ".join(key for key, name in kind.senml.items() if name == field)
        raise Unreadable(
            Reason.SENML, f"unit {vigia_json.short_repr(record.unit)} is not {field}'s: send one of {known}"
        )
    return field


def _reading(topic: DeviceTopic, message: Message, time_s: float, fields: dict[str, RecordValue]) -> Reading:
    relative = time_s < MIN_ABSOLUTE_TIME_S
    observed_at = time_s + message.received_at.timestamp() if relative else time_s
    payload = json.dumps({**fields, "observed_at": float(observed_at)})
    return vigia_json.parse_reading(topic, message, payload.encode(), Flag.SERVER_TIME if relative else Flag.NONE)
