"""Decode an MQTT message into readings, a device's presence, or a rejection. Pure; `decode` never raises."""

from collections.abc import Callable, Mapping, Sequence

from ingest.canary import Canary, canary_lane, parse_canary
from ingest.formats import gtfsrt, hfp, senml, vigia_json
from ingest.formats.vigia_json import Unreadable
from ingest.topic import DeviceTopic, parse_topic
from models.reading import Message, Presence, Reading, Reason, Rejected

MAX_PAYLOAD_BYTES = 65_000
"""Below the length to which the receiver cuts a longer packet, so that a cut payload is rejected as too large."""

MAX_FOREIGN_TOPIC_LENGTH = 1_024
_JSON_SPACE = b" \t\r\n"
_OWN_ARRAY = b'"observed_at"'

DecodedItem = Reading | Presence | Rejected | Canary


FOREIGN_FORMATS: Mapping[str, Callable[[Message, str], Sequence[Reading | Rejected]]] = {
    hfp.PREFIX: hfp.parse_message,
    gtfsrt.PREFIX: gtfsrt.parse_message,
}
"""Decoders of other systems' formats, by topic prefix. Those topics begin with a slash; Vigía's own never do."""


def decode(message: Message, foreign: str | None = None) -> list[DecodedItem]:
    """Return all items of a message in their order. Never empty: a reading, a presence, a canary or a rejection.

    foreign: the municipality of messages on foreign topics, which do not name one; None rejects those messages.

    A bad element of an array does not affect the good ones. It becomes a `Rejected` whose message holds only that
    element, byte for byte. Decoding it again after a repair does not decode the other elements a second time.
    """
    try:
        return _decode_foreign(message, foreign) if message.topic.startswith("/") else _decode_own(message)
    except Unreadable as unreadable:
        return [Rejected(message, unreadable.reason, unreadable.detail)]


def _decode_own(message: Message) -> list[DecodedItem]:
    topic = parse_topic(message.topic)
    if isinstance(topic, str):
        lane = canary_lane(message.topic)
        canary = parse_canary(lane, message.payload) if lane else None
        if canary is None:
            raise Unreadable(Reason.TOPIC, topic)
        return [canary]
    payload = message.payload
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Unreadable(Reason.TOO_LARGE, f"{len(payload):,} bytes; send at most {MAX_PAYLOAD_BYTES:,} at a time")
    start = payload.lstrip(_JSON_SPACE)[:1]
    if not start:
        raise Unreadable(Reason.EMPTY, "no payload; send a JSON object")
    if topic.status:
        return [vigia_json.parse_presence(topic, message)]
    if start == b"[":
        return _decode_array(topic, message)
    return [vigia_json.parse_reading(topic, message, payload)]


def _decode_foreign(message: Message, municipality: str | None) -> list[DecodedItem]:
    decoder = next((one for prefix, one in FOREIGN_FORMATS.items() if message.topic.startswith(prefix)), None)
    if decoder is None or municipality is None or len(message.topic) > MAX_FOREIGN_TOPIC_LENGTH:
        raise Unreadable(
            Reason.TOPIC, f"not ours, and none of {', '.join(FOREIGN_FORMATS)} with VIGIA_FOREIGN_BUSES set"
        )
    if len(message.payload) > MAX_PAYLOAD_BYTES:
        raise Unreadable(Reason.TOO_LARGE, f"{len(message.payload):,} bytes; at most {MAX_PAYLOAD_BYTES:,} at a time")
    return [*decoder(message, municipality)]


def _decode_array(topic: DeviceTopic, message: Message) -> list[DecodedItem]:
    """Decode an own array in one step if all elements are good; else detect SenML, or decode element by element."""
    if _OWN_ARRAY in message.payload and (readings := vigia_json.parse_readings(topic, message)):
        return [*readings]
    elements = vigia_json.parse_array(message.payload)
    if senml.is_pack(elements):
        vigia_json.refuse_keys_given_twice(message.payload)
        return [*senml.parse_pack(topic, message, elements)]
    return [*vigia_json.parse_readings_one_by_one(topic, message, len(elements))]
