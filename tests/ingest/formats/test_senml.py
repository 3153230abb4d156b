"""SenML packs (RFC 8428): resolved in full, joined by time, and rejected if they cannot be resolved."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from ingest.decode import DecodedItem, decode
from ingest.formats.senml import Record, resolve
from models.reading import Flag, Message, Reading, Reason, Rejected

NOW = datetime(2013, 4, 2, 19, 6, tzinfo=UTC)
AT = 1_364_929_500
RIVER = "vigia/v1/la-plata/river/gato-7"


def said(pack: Sequence[object], topic: str = RIVER) -> list[DecodedItem]:
    return decode(Message(topic, json.dumps([*pack]).encode(), NOW))


def rejected(pack: Sequence[object]) -> Rejected:
    (item,) = said(pack)
    assert isinstance(item, Rejected), item
    assert item.reason is Reason.SENML
    return item


def readings(items: list[DecodedItem]) -> list[tuple[int, tuple[object, ...]]]:
    assert all(isinstance(item, Reading) for item in items), items
    return [(round(item.observed_at.timestamp()) - AT, item.values) for item in items if isinstance(item, Reading)]


def test_records_of_one_instant_are_one_reading() -> None:
    pack = [{"bn": "urn:dev:x:", "bt": AT, "n": "level", "u": "m", "v": 1.42}, {"n": "battery", "u": "V", "v": 12.6}]
    (reading,) = said(pack)
    assert isinstance(reading, Reading)
    assert (reading.values, reading.flags, reading.seq, reading.boot) == ((1.42, 12.6), Flag.NONE, -1, None)
    assert reading.observed_at == datetime.fromtimestamp(AT, UTC)


def test_base_fields_hold_until_replaced() -> None:
    pack = [
        {"bn": "urn:dev:x:", "bt": AT, "bu": "m", "bv": 1.0},
        {"n": "level", "v": 0.5},
        {"n": "level", "t": 60, "v": 0.75},
        {"bt": AT + 120, "bv": 2, "n": "level"},
        {"n": "level", "t": 60, "v": 0.5, "u": "m"},
    ]
    assert readings(said(pack)) == [(0, (1.5, None)), (60, (1.75, None)), (120, (2.0, None)), (180, (2.5, None))]


def test_the_standard_s_own_example_of_many_points_resolves() -> None:
    """RFC 8428, 5.1.3, with its base time made absolute by its own rule."""
    pack = [
        {
            "bn": "urn:dev:ow:10e2073a0108006:",
            "bt": 1.276020076001e9,
            "bu": "A",
            "bver": 5,
            "n": "voltage",
            "u": "V",
            "v": 120.1,
        },
        {"n": "current", "t": -5, "v": 1.2},
        {"n": "current", "v": 1.7},
    ]
    assert list(resolve([*pack])) == [
        Record("urn:dev:ow:10e2073a0108006:voltage", "voltage", "V", 1.276020076001e9, 120.1),
        Record("urn:dev:ow:10e2073a0108006:current", "current", "A", 1.276020071001e9, 1.2),
        Record("urn:dev:ow:10e2073a0108006:current", "current", "A", 1.276020076001e9, 1.7),
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"n": "level"},
        {"n": "urn:dev:x:level"},
        {"bn": "urn:dev:x/", "n": "level"},
        {"bn": "urn:dev:x:level"},
        {"bn": "urn:dev:x", "u": "m"},
    ],
)
def test_a_record_is_known_by_its_name_or_without_one_by_its_unit(record: dict[str, object]) -> None:
    assert readings(said([record | {"t": AT, "v": 1.4}])) == [(0, (1.4, None))]


def test_a_record_that_means_nothing_here_is_ignored_beside_one_that_does() -> None:
    pack = [
        {"bt": AT, "n": "level", "v": 1.4},
        {"n": "tilt", "v": 3},
        {"n": "door", "vb": True},
        {"n": "level", "s": 9},
    ]
    assert readings(said(pack)) == [(0, (1.4, None))]


def test_times_relative_to_now_are_the_server_s() -> None:
    first, second = said([{"n": "level", "v": 1.4}, {"n": "level", "t": -60, "v": 1.3}])
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    assert (first.observed_at, second.observed_at) == (NOW, NOW - timedelta(seconds=60))
    assert first.flags is second.flags is Flag.SERVER_TIME


def test_another_unit_is_refused_not_converted() -> None:
    assert "'cm' is not level_m's" in rejected([{"bt": AT, "n": "level", "u": "cm", "v": 142}]).detail


def test_one_bad_instant_costs_the_others_nothing() -> None:
    pack = [{"bt": AT, "n": "level", "v": 1.4}, {"t": 60, "n": "level", "v": 1e6}, {"t": 120, "n": "battery", "v": 12}]
    good, bad = said(pack)
    assert isinstance(good, Reading)
    assert isinstance(bad, Rejected)
    assert bad.message.payload == json.dumps(pack).encode()
    assert bad.detail.startswith("2 of 3 instants make no reading; at 1364929560: level_m")


@pytest.mark.parametrize(
    ("pack", "why"),
    [
        ([{"n": "level", "v": 1}, 5], "record 1 is not an object"),
        ([{"bver": 11, "n": "level", "v": 1}], "bver"),
        ([{"n": "level", "v": 1, "must_": 1}], "must be understood"),
        ([{"v": 1}], "name ''"),
        ([{"n": "_level", "v": 1}], "name"),
        ([{"n": "le vel", "v": 1}], "name"),
        ([{"n": 5, "v": 1}], "n must be a string"),
        ([{"n": "level", "v": "1"}], "v must be a number"),
        ([{"n": "level", "v": True}], "v must be a number"),
        ([{"n": "level", "v": float("nan")}], "v must be a number"),
        ([{"n": "level", "v": 10**400}], "v must be a number"),
        ([{"n": "level", "v": 1, "t": float("inf")}], "t must be a number"),
        ([{"n": "level", "v": 1, "vs": "1"}], "exactly one value"),
        ([{"n": "level", "vb": 1}], "exactly one value"),
        ([{"n": "level"}], "exactly one value"),
        ([{"bn": "urn:dev:x:", "bt": AT}], "no record holds a value"),
        ([{"n": "level", "v": 1}, {"n": "level", "v": 2}], "two values"),
        ([{"bn": "a:", "n": "level", "v": 1}, {"bn": "b:", "n": "level", "v": 2}], "one device a pack"),
        ([{"n": "level", "vs": "high"}], "level_m"),
        ([{"n": "tilt", "v": 1}], "level_m"),
        ([{"n": "level", "v": 1, "t": AT * 1000}], "milliseconds"),
    ],
)
def test_a_pack_that_cannot_be_resolved_is_rejected_whole(pack: Sequence[object], why: str) -> None:
    assert why in rejected(pack).detail
