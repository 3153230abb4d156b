"""The parser of MQTT packets: any division of the bytes into reads, and any bytes."""

from datetime import UTC, datetime, timedelta
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mqtt.packets import (
    ConnectRequest,
    MqttVersion,
    PacketStream,
    PacketType,
    ProtocolError,
    puback_packets,
    suback_failures,
)
from models.reading import Message

NOW = datetime(2013, 4, 2, 16, tzinfo=UTC)
LARGEST = 1_000


def length(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + length(value >> 7)


def publication(topic: bytes, payload: bytes, *, identifier: int = 0, head: int = 0, properties: bytes = b"") -> bytes:
    qos = 2 if identifier else 0
    body = pack(">H", len(topic)) + topic + (pack(">H", identifier) if identifier else b"")
    body += length(len(properties)) + properties + payload
    return bytes([0x30 | qos | head]) + length(len(body)) + body


def read_all(data: bytes, cuts: list[int]) -> list[Message]:
    stream, messages, start = PacketStream(MqttVersion.MQTT_5, 1, LARGEST), [], 0
    for end in [*sorted(cut for cut in cuts if cut < len(data)), len(data)]:
        stream.add_bytes(data[start:end], NOW)
        messages += stream.read_messages(10_000)
        start = end
    return messages


publications = st.builds(
    publication,
    st.binary(min_size=1, max_size=60),
    st.binary(max_size=3 * LARGEST),
    identifier=st.integers(0, 0xFFFF),
    head=st.sampled_from([0, 1, 8, 9]),
    properties=st.binary(max_size=200),
)


@given(st.lists(publications, max_size=8), st.lists(st.integers(0, 10_000), max_size=8))
def test_the_cuts_between_reads_change_nothing(packets: list[bytes], cuts: list[int]) -> None:
    data = b"".join(packets)
    whole = read_all(data, [])
    assert read_all(data, cuts) == whole
    assert len(whole) == len(packets)


@given(st.binary(max_size=300), st.sampled_from(MqttVersion))
def test_any_bytes_are_messages_or_a_protocol_error(data: bytes, version: MqttVersion) -> None:
    stream = PacketStream(version, 1, LARGEST)
    stream.add_bytes(data, NOW)
    try:
        messages = stream.read_messages(1_000)
    except ProtocolError:
        return
    assert sum(len(message.payload) for message in messages) <= len(data)


def test_a_message_is_read_whole_with_its_properties_left_out() -> None:
    data = publication("vigia/v1/a/río/x".encode(), b"{}", identifier=513, head=1, properties=b"\x02\x00\x00\x00\x09")
    assert read_all(data, []) == [Message("vigia/v1/a/río/x", b"{}", NOW, True, (1, (1 << 16) + 513))]


def test_a_topic_that_is_no_utf_8_still_arrives() -> None:
    (message,) = read_all(publication(b"vigia/\xff\xfe", b"1", identifier=1), [])
    assert message.topic == "vigia/\\xff\\xfe"


def test_a_message_that_is_too_long_arrives_cut_and_the_next_is_whole() -> None:
    long = publication(b"t", b"x" * 200_000, identifier=1)
    stream = PacketStream(MqttVersion.MQTT_5, 1, LARGEST)
    messages = []
    for start in range(0, len(long), 700):
        stream.add_bytes(long[start : start + 700], NOW)
        messages += stream.read_messages(10)
    stream.add_bytes(publication(b"t", b"next", identifier=2), NOW)
    messages += stream.read_messages(10)
    assert [len(message.payload) for message in messages] == [LARGEST - 6, 4]
    assert [serial & 0xFFFF for serial in stream.unacknowledged] == [1, 2]


def test_the_limit_leaves_the_rest_for_the_next_call_with_its_own_time() -> None:
    stream = PacketStream(MqttVersion.MQTT_5, 1, LARGEST)
    one = publication(b"t", b"1", identifier=1)
    stream.add_bytes(one * 3 + one[:4], NOW)
    assert len(stream.read_messages(2)) == 2
    assert len(stream.read_messages(2)) == 1
    stream.add_bytes(one[4:], NOW + timedelta(seconds=1))
    assert [message.received_at for message in stream.read_messages(2)] == [NOW + timedelta(seconds=1)]


def test_a_quality_of_service_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(ProtocolError):
        read_all(publication(b"t", b"1", identifier=1, head=4), [])


def test_control_packets_are_set_aside_in_their_order() -> None:
    stream = PacketStream(MqttVersion.MQTT_3_1_1, 1, LARGEST)
    stream.add_bytes(b"\x20\x02\x01\x00\x90\x03\x00\x01\x01\xd0\x00", NOW)
    assert stream.read_messages(1) == []
    assert [kind for kind, _ in stream.controls] == [PacketType.CONNACK, PacketType.SUBACK, PacketType.PINGRESP]


CONNACK = {present: b"\x20\x03" + bytes([present]) + b"\x00\x00" for present in (0, 1)}


@pytest.mark.parametrize("cut", [0, 3, 5, 9])
def test_the_first_messages_of_a_session_that_goes_on_may_be_repetitions_even_in_one_read_with_the_welcome(
    cut: int,
) -> None:
    stream = PacketStream(MqttVersion.MQTT_5, 1, LARGEST, max_repeats=2)
    data = CONNACK[1] + b"".join(publication(b"t", b"1", identifier=number) for number in (1, 2, 3))
    stream.add_bytes(data[:cut], NOW)
    messages = stream.read_messages(10)
    stream.add_bytes(data[cut:], NOW)
    messages += stream.read_messages(10)
    assert [message.repeated for message in messages] == [True, True, False]


def test_in_a_new_session_only_the_broker_can_say_that_a_message_is_a_repetition() -> None:
    stream = PacketStream(MqttVersion.MQTT_5, 1, LARGEST, max_repeats=2)
    stream.add_bytes(
        CONNACK[0] + publication(b"t", b"1", identifier=1) + publication(b"t", b"1", identifier=2, head=8), NOW
    )
    assert [message.repeated for message in stream.read_messages(10)] == [False, True]


def test_subscription_refusals_are_found_behind_the_properties() -> None:
    assert suback_failures(MqttVersion.MQTT_5, b"\x00\x01\x02zz\x01\x87\x00") == [0x87, 0]
    assert suback_failures(MqttVersion.MQTT_3_1_1, b"\x00\x01\x01\x80") == [0x80]


def test_acknowledgements_are_four_bytes_each() -> None:
    assert puback_packets([(1 << 16) + 258, (2 << 16) + 7]) == b"\x40\x02\x01\x02\x40\x02\x00\x07"


def test_a_session_is_never_started_clean() -> None:
    connect = ConnectRequest("ingest", 60, 604_800, 500, "user", "secret")
    five, three = connect.packet(MqttVersion.MQTT_5), connect.packet(MqttVersion.MQTT_3_1_1)
    assert five[2:13] == b"\x00\x04MQTT\x05\xc0\x00\x3c\x08"
    assert three[2:12] == b"\x00\x04MQTT\x04\xc0\x00\x3c"
    assert five.endswith(b"\x00\x06ingest\x00\x04user\x00\x06secret")
