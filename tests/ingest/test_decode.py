"""Decoding of payloads: what is a reading, what is rejected, and that no bytes make the decoder fail."""

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import topic as topics
from ingest.decode import MAX_PAYLOAD_BYTES, DecodedItem, decode
from ingest.formats.vigia_json import MAX_DETAIL_LENGTH, MAX_READINGS
from models.reading import Flag, Message, Presence, Reading, Reason, Rejected

NOW = datetime(2013, 4, 2, 19, 6, tzinfo=UTC)
RIVER = "vigia/v1/la-plata/river/gato-7"
GOOD = b'{"observed_at":"2013-04-02T19:05:00Z","boot":"b7","seq":1204,"level_m":1.42,"battery_v":12.6}'


def said(payload: bytes, topic: str = RIVER, *, retained: bool = False) -> list[DecodedItem]:
    return decode(Message(topic, payload, NOW, retained))


def reading(payload: bytes, topic: str = RIVER, *, retained: bool = False) -> Reading:
    (item,) = said(payload, topic, retained=retained)
    assert isinstance(item, Reading), item
    return item


def rejected(payload: bytes, topic: str = RIVER) -> Rejected:
    (item,) = said(payload, topic)
    assert isinstance(item, Rejected), item
    assert item.message == Message(topic, payload, NOW)
    return item


def river(**fields: object) -> bytes:
    return json.dumps({"observed_at": "2013-04-02T19:05:00Z", "level_m": 1.42} | fields).encode()


def test_a_reading_keeps_who_sent_it_when_and_what() -> None:
    assert reading(GOOD) == Reading(
        kind="river",
        municipality="la-plata",
        device="gato-7",
        observed_at=datetime(2013, 4, 2, 19, 5, tzinfo=UTC),
        received_at=NOW,
        seq=1204,
        boot="b7",
        values=(1.42, 12.6),
        flags=Flag.NONE,
    )


def test_what_a_device_may_leave_out_has_a_plain_meaning() -> None:
    bare = reading(b'{"observed_at":1364929500,"level_m":2}')
    assert (bare.seq, bare.boot, bare.values) == (-1, None, (2.0, None))


def test_fields_of_a_newer_firmware_are_ignored_whatever_they_hold() -> None:
    assert reading(GOOD[:-1] + b',"tilt":[1,{"x":NaN}]}') == reading(GOOD)


@pytest.mark.parametrize(
    "more",
    [
        b',"level_m":0.9}',
        b',"level_m" : 1.42}',
        b',"boot":"b7"}',
        b',"level\\u005fm":0.9}',
        b',"tilt":1,"tilt":2}',
        b',"tilt":{"x":1,"x":2}}',
        b',"observed_at":1364929500}',
    ],
)
def test_a_key_given_twice_is_refused_since_nothing_says_which_value_is_meant(more: bytes) -> None:
    found = rejected(GOOD[:-1] + more)
    assert found.reason is Reason.FIELD
    assert "is given twice: send each field once" in found.detail
    first, second = said(b"[%b,%b]" % (GOOD, GOOD[:-1] + more))
    assert isinstance(first, Reading)
    assert isinstance(second, Rejected)
    assert second.reason is Reason.FIELD


def test_a_key_given_twice_is_refused_in_a_pack_of_senml_and_in_a_birth_too() -> None:
    pack = b'[{"bn":"gato-7:","bt":1364929500,"n":"level","u":"m","v":1.42,"v":0.9}]'
    assert rejected(pack).detail.startswith("'v' is given twice")
    assert rejected(b'{"online":true,"online":false}', f"{RIVER}/status").detail.startswith("'online' is given twice")


@given(
    st.lists(st.tuples(st.sampled_from(["level_m", "seq", "tilt", "boot", "observed_at"]), st.booleans()), max_size=6)
)
def test_whatever_the_fields_a_payload_is_refused_exactly_when_a_key_comes_twice(more: list[tuple[str, bool]]) -> None:
    values = {"level_m": b"1.5", "seq": b"7", "tilt": b"1", "boot": b'"b1"', "observed_at": b"1364929500"}
    pairs = [b'"%b"%b%b' % (name.encode(), b" : " if spaced else b":", values[name]) for name, spaced in more]
    names = [name for name, _ in more]
    for needed in ("level_m", "observed_at"):
        if needed not in names:
            names.append(needed)
            pairs.append(b'"%b":%b' % (needed.encode(), values[needed]))
    (item,) = said(b"{%b}" % b",".join(pairs))
    assert isinstance(item, Rejected) == (len(set(names)) < len(names))


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ('"2013-04-02T16:05:00-03:00"', datetime(2013, 4, 2, 19, 5, tzinfo=UTC)),
        ('"2013-04-02T19:05:00.25Z"', datetime(2013, 4, 2, 19, 5, 0, 250_000, tzinfo=UTC)),
        ("1364929500", datetime(2013, 4, 2, 19, 5, tzinfo=UTC)),
        ("1364929500.25", datetime(2013, 4, 2, 19, 5, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_time_is_rfc_3339_or_epoch_seconds_and_always_utc(words: str, moment: datetime) -> None:
    read = reading(b'{"observed_at":%b,"level_m":1}' % words.encode())
    assert read.observed_at == moment
    assert read.observed_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ('"2013-04-02T19:05:00"', "offset"),
        ('"2013-04-02"', "RFC 3339"),
        ('"1364929500"', "RFC 3339"),
        ('"2013-13-02T19:05:00Z"', "month"),
        ('"2013-04-02T19:05:00+24:00"', "offset"),
        ('"1999-12-31T23:59:59Z"', "2000"),
        ('"2100-01-01T00:00:00Z"', "2100"),
        ('"0001-01-01T00:00:00+14:00"', "2000"),
        ('"9999-12-31T23:59:59-14:00"', "2100"),
        ("1364929500000", "milliseconds"),
        ("0", "set the device's clock"),
        ("-1364929500", "set the device's clock"),
        ("1e300", "set the device's clock"),
        ("NaN", "RFC 3339"),
        ("Infinity", "RFC 3339"),
        ("1e400", "RFC 3339"),
        ("true", "RFC 3339"),
        ("null", "RFC 3339"),
        ("[]", "RFC 3339"),
    ],
)
def test_a_time_nobody_can_place_is_rejected_with_advice(words: str, advice: str) -> None:
    found = rejected(b'{"observed_at":%b,"level_m":1}' % words.encode())
    assert found.reason is Reason.TIME
    assert advice in found.detail


def test_without_a_time_a_repeated_reading_could_not_be_told_from_a_new_one() -> None:
    found = rejected(b'{"level_m":1.42}')
    assert found.reason is Reason.TIME
    assert "repeated" in found.detail


@pytest.mark.parametrize(
    "value", ['"1.42"', "true", "null", "NaN", "-Infinity", "1e400", "[1.42]", "{}", "200000", "9" * 400]
)
def test_a_level_that_is_no_finite_number_is_rejected_by_name(value: str) -> None:
    found = rejected(b'{"observed_at":1364929500,"level_m":%b}' % value.encode())
    assert found.reason is Reason.FIELD
    assert found.detail.startswith("level_m: ")


@pytest.mark.parametrize(
    "fields",
    [
        {"seq": 1.5},
        {"seq": -2},
        {"seq": 2**63},
        {"seq": "1"},
        {"boot": ""},
        {"boot": "a b"},
        {"boot": "x" * 65},
        {"boot": 7},
        {"boot": "a\0b"},
        {"battery_v": "12"},
        {"battery_v": False},
    ],
)
def test_every_field_is_taken_at_its_word(fields: dict[str, object]) -> None:
    found = rejected(river(**fields))
    assert found.reason is Reason.FIELD
    assert next(iter(fields)) in found.detail


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.EMPTY),
        (b" \r\n\t", Reason.EMPTY),
        (b"\xef\xbb\xbf" + GOOD, Reason.ENCODING),
        (GOOD.decode().encode("utf-16"), Reason.ENCODING),
        (GOOD.replace(b"b7", b"\xff7"), Reason.ENCODING),
        (b"\x00\x01\x02\x80", Reason.ENCODING),
        (GOOD.replace(b"b7", b"\\ud800"), Reason.SYNTAX),
        (GOOD[:-1], Reason.SYNTAX),
        (GOOD + b"x", Reason.SYNTAX),
        (GOOD + GOOD, Reason.SYNTAX),
        (b"level=1.42", Reason.SYNTAX),
        (b"{'level_m': 1}", Reason.SYNTAX),
        (b'{"level_m":01}', Reason.SYNTAX),
        (b"\x00" + GOOD, Reason.SYNTAX),
        (b"[" * 60_000, Reason.SYNTAX),
        (b'{"a":' * 12_000, Reason.SYNTAX),
        (GOOD[:-1] + b',"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", Reason.SYNTAX),
        (GOOD[:-1] + b',"x":' + b"9" * 6_000 + b"}", Reason.SYNTAX),
        (b"1.42", Reason.SHAPE),
        (b'"online"', Reason.SHAPE),
        (b"null", Reason.SHAPE),
        (b"[]", Reason.SHAPE),
        (b"[" + b",".join([b'{"observed_at":1364929500,"level_m":1}'] * (MAX_READINGS + 1)) + b"]", Reason.SHAPE),
        (b" " * (MAX_PAYLOAD_BYTES + 1), Reason.TOO_LARGE),
    ],
)
def test_bytes_that_are_no_json_object_or_array_say_why(payload: bytes, reason: Reason) -> None:
    assert rejected(payload).reason is reason


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "vigia/v1/la-plata/river",
        "vigia/v1/la-plata/river/gato-7/extra",
        "vigia/v1/la-plata/river/gato-7/command",
        "vigia/v1/la-plata/river/Gato-7",
        "vigia/v1/la plata/river/gato-7",
        "vigia/v1//river/gato-7",
        "vigia/v2/la-plata/river/gato-7",
        "vigia/v1/la-plata/river/" + "x" * 65,
        "vigia/v1/la-plata/river/gato\0",
        "vigia/v1/la-plata/river/gato-7\n",
        "vigia/v1/la-plata/tsunami/gato-7",
        "vigia/v1/+/river/#",
        "\ud800",
    ],
)
def test_a_topic_that_names_no_device_of_a_known_kind_is_rejected(topic: str) -> None:
    assert rejected(GOOD, topic).reason is Reason.TOPIC


def test_an_array_holds_readings_in_its_order() -> None:
    items = said(b"[%b, %b]" % (river(seq=1), river(seq=2)))
    assert [item.seq for item in items if isinstance(item, Reading)] == [1, 2]


def test_a_bad_element_is_rejected_alone_and_byte_for_byte() -> None:
    bad = b'{"observed_at": 1364929500,\n "level_m": NaN}'
    items = said(b" [%b ,\n%b, 5,%b]" % (river(seq=1), bad, river(seq=2)))
    first, second, third, fourth = items
    assert isinstance(first, Reading)
    assert isinstance(fourth, Reading)
    assert isinstance(second, Rejected)
    assert isinstance(third, Rejected)
    assert (second.message.payload, second.reason) == (bad, Reason.FIELD)
    assert second.detail.startswith("element 1: level_m")
    assert (third.message.payload, third.reason) == (b"5", Reason.SHAPE)
    assert decode(second.message)[0] == Rejected(
        second.message, Reason.FIELD, second.detail.removeprefix("element 1: ")
    )


def test_a_retained_copy_is_marked() -> None:
    assert reading(GOOD, retained=True).flags is Flag.RETAINED


def test_a_radar_counts_vehicles_one_by_one_or_in_bins() -> None:
    topic = "vigia/v1/la-plata/radar/av-7"
    one = reading(b'{"observed_at":1364929500,"speed_kmh":57,"vehicle_class":"car","lane":1}', topic)
    assert one.values == (57.0, "car", 1, None, None)
    many = reading(b'{"observed_at":1364929500,"interval_s":60,"counts":[0,2,5]}', topic)
    assert many.values == (None, None, None, 60, (0, 2, 5))
    found = rejected(b'{"observed_at":1364929500,"counts":[1]}', topic)
    assert (found.reason, found.detail) == (Reason.SHAPE, "send speed_kmh of one vehicle, or counts with interval_s")
    assert rejected(b'{"observed_at":1364929500,"interval_s":60,"counts":[-1]}', topic).reason is Reason.FIELD


@pytest.mark.parametrize(
    ("payload", "online", "when", "boot"),
    [
        (b"online", True, NOW, None),
        (b" offline\n", False, NOW, None),
        (b'{"online":true}', True, NOW, None),
        (b'{"online":true,"observed_at":1364929500,"boot":"b7"}', True, NOW - timedelta(seconds=60), "b7"),
        (b'{"online":true,"observed_at":1896216000}', True, NOW, None),  # a clock 17 years ahead
        (b'{"online":false,"observed_at":1364929500,"boot":"b7"}', False, NOW, "b7"),
    ],
)
def test_a_birth_has_its_own_time_and_a_will_that_of_its_delivery(
    payload: bytes, online: bool, when: datetime, boot: str
) -> None:
    (item,) = said(payload, f"{RIVER}/status")
    assert item == Presence("river", "la-plata", "gato-7", online, when, boot)


@pytest.mark.parametrize(
    "payload", [b"on", b"{}", b'{"online":1}', b'{"online":true,"observed_at":5}', b"[true]", b"\xff"]
)
def test_a_status_that_says_nothing_is_rejected(payload: bytes) -> None:
    rejected(payload, f"{RIVER}/status")


def accounted_for(message: Message) -> None:
    """What holds of every message: it becomes something, and whatever it becomes can be stored."""
    items = decode(message)
    assert items
    for item in items:
        match item:
            case Reading():
                assert item.observed_at.tzinfo is UTC
                assert all(isfinite(value) for value in item.values if isinstance(value, float))
                assert item.boot is None or item.boot.isascii()
            case Rejected():
                assert item.detail.isprintable()
                assert item.detail.isascii()
                assert 0 < len(item.detail) <= MAX_DETAIL_LENGTH
                assert item.message.payload in message.payload
            case Presence():
                assert item.observed_at.tzinfo is UTC


TOPICS = [RIVER, f"{RIVER}/status", "vigia/v1/la-plata/rain/r-1", "vigia/v1/berisso/radar/av-7"]
VALID = [
    GOOD,
    b"[%b,%b]" % (GOOD, river(seq=2)),
    b'{"online":true,"observed_at":1364929500,"boot":"b7"}',
    b'{"observed_at":1364929500.5,"rain_mm":0.2,"interval_s":60}',
    b'{"observed_at":1364929500,"speed_kmh":57,"vehicle_class":"car","counts":[1,2],"interval_s":60}',
    b'[{"bn":"urn:dev:a:","bt":1364929500,"n":"level","u":"m","v":1.4},{"n":"battery","u":"V","v":12},{"t":60,"n":"level","v":1}]',
    b'[{"n":"rain","v":0.2},{"n":"rain","t":-60,"v":0.4},{"n":"speed","u":"km/h","v":57,"bv":1}]',
]
TOKENS = [
    *b'NaN -Infinity 1e400 -1e400 true null {} [] [[ ]] {{ }} " \\ , : - + 0 9999999999999999999999 1e-400 -0'.split(),
    *b'\x00 \xff \xed\xa0\x80 \xef\xbb\xbf "\\ud800" "\\u0000" "observed_at" "level_m" "bn" "bt" "v" "x_":1,'.split(),
    b"\xe2\x80\xa8",
    b"[" * 300,
    b'{"a":' * 300,
    b"9" * 5_000,
    b"online",
    b'"' + b"\xf0\x9f\x8c\x8a" * 50 + b'"',
]


def damaged(chance: random.Random, payload: bytes) -> bytes:
    """A valid payload after one to four accidents."""
    body = bytearray(payload)
    for _ in range(chance.randint(1, 4)):
        at, to = sorted((chance.randrange(len(body) + 1), chance.randrange(len(body) + 1)))
        match chance.randrange(5):
            case 0:
                body[at : at + chance.randint(0, 3)] = chance.choice(TOKENS)
            case 1:
                del body[at:to]
            case 2:
                body[at:at] = body[at:to]
            case 3 if at < len(body):
                body[at] = chance.randrange(256)
            case _:
                body = body[:at]
        body = body or bytearray(chance.choice(TOKENS))
    return bytes(body)


@pytest.mark.seeds(20130402)
def test_a_hundred_thousand_damaged_payloads_are_each_accounted_for(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100_000):
        accounted_for(Message(chance.choice(TOPICS), damaged(chance, chance.choice(VALID)), NOW))


HFP = "/hfp/v2/journey/ongoing/vp/bus/22/817/307/1/x/12:00/1/1/x"
OPENED = {b"[": b"]", b'{"a":': b"}", b'{"VP":{"x":[': b"]}}", b'[{"observed_at":': b"}]"}


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("opened", OPENED)
@pytest.mark.parametrize("topic", [*TOPICS, HFP])
def test_however_deep_a_payload_is_nested_it_is_one_rejection(topic: str, opened: bytes, closed: bool) -> None:
    for depth in (40, 900, 1_100, 8_000, MAX_PAYLOAD_BYTES // len(opened + OPENED[opened])):
        payload = opened * depth + b"1" + OPENED[opened] * depth * closed
        message = Message(topic, payload[:MAX_PAYLOAD_BYTES], NOW)
        (item,) = decode(message, "laplata")
        assert isinstance(item, Rejected)
        assert item.message.payload in message.payload
        assert item.detail.isascii()


@given(st.sampled_from(TOPICS), st.binary(max_size=300))
def test_no_bytes_break_the_decoder(topic: str, payload: bytes) -> None:
    accounted_for(Message(topic, payload, NOW))


@given(st.text(max_size=80))
def test_no_topic_breaks_the_decoder(topic: str) -> None:
    accounted_for(Message(topic, GOOD, NOW))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
names = st.sampled_from(
    ["observed_at", "seq", "boot", "level_m", "battery_v", "rain_mm", "interval_s", "speed_kmh", "counts"]
)
records = st.dictionaries(
    st.sampled_from(["bn", "bt", "bu", "bv", "bver", "n", "u", "v", "vs", "vb", "s", "t", "x_"]), anything
)
objects = st.dictionaries(names, anything) | records


@settings(max_examples=200)
@given(st.sampled_from(TOPICS), objects | st.lists(objects | anything, max_size=4))
def test_no_json_breaks_the_decoder(topic: str, content: object) -> None:
    accounted_for(Message(topic, json.dumps(content).encode(), NOW))


@given(st.integers(946_800_000, 4_102_400_000), st.integers(-23 * 60, 23 * 60))
def test_any_moment_of_a_century_comes_through_in_utc(epoch_s: int, offset_min: int) -> None:
    moment = datetime.fromtimestamp(epoch_s, timezone(timedelta(minutes=offset_min)))
    assert reading(river(observed_at=moment.isoformat())).observed_at == moment
    assert reading(river(observed_at=epoch_s)).observed_at == moment


def test_topics_of_any_length_fill_no_memory() -> None:
    remembered = topics._parse_topic.cache_info().currsize
    for number in range(100):
        (item,) = said(b"{}", f"vigia/v1/{number}{'x' * 30_000}/river/gato-7")
        assert isinstance(item, Rejected)
        assert item.reason is Reason.TOPIC
    assert topics._parse_topic.cache_info().currsize == remembered
    longest = "/".join(("vigia/v1", "a" * 64, "river", "b" * 64, "status"))
    assert isinstance(topics.parse_topic(longest), topics.DeviceTopic)
