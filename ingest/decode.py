"""Bytes to readings, a device's presence, or the reason why they are neither. Pure, and total: it never raises."""

from collections.abc import Callable, Mapping, Sequence

from ingest.formats import gtfsrt, hfp, own, senml
from ingest.formats.own import Unreadable
from ingest.topic import DeviceTopic, parse_topic
from models.reading import Message, Presence, Reading, Reason, Rejected

MAX_PAYLOAD_BYTES = 65_000
"""Less than what the receiver cuts a longer packet to, so that a cut one is told for what it is."""

MAX_FOREIGN_TOPIC_LENGTH = 1_024
_JSON_SPACE = b" \t\r\n"
_OWN_ARRAY = b'"observed_at"'

DecodedItem = Reading | Presence | Rejected


FOREIGN_FORMATS: Mapping[str, Callable[[Message, str], Sequence[Reading | Rejected]]] = {
    hfp.PREFIX: hfp.readings,
    gtfsrt.PREFIX: gtfsrt.readings,
}
"""Topics of others, all below a slash that ours never begin with: who reads them."""


def decode(message: Message, foreign: str | None = None) -> list[DecodedItem]:
    """Everything the message says, in its order. Never empty: each message ends as a reading or as a rejection.

    foreign: the municipality that foreign topics speak for, which do not name one; None where there are none.

    A bad element of an array costs the good ones nothing. It becomes a `Rejected` with a message of that element
    alone, byte for byte, so that decoding it again after a repair does not bring its neighbours a second time.
    """
    try:
        return _decode_foreign(message, foreign) if message.topic.startswith("/") else _decode_own(message)
    except Unreadable as unreadable:
        return [Rejected(message, unreadable.reason, unreadable.detail)]


def _decode_own(message: Message) -> list[DecodedItem]:
    sender = parse_topic(message.topic)
    if isinstance(sender, str):
        raise Unreadable(Reason.TOPIC, sender)
    payload = message.payload
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Unreadable(Reason.TOO_LARGE, f"{len(payload):,} bytes; send at most {MAX_PAYLOAD_BYTES:,} at a time")
    start = payload.lstrip(_JSON_SPACE)[:1]
    if not start:
        raise Unreadable(Reason.EMPTY, "no payload; send a JSON object")
    if sender.status:
        return [own.presence(sender, message)]
    if start == b"[":
        return _decode_array(sender, message)
    return [own.reading(sender, message, payload)]


def _decode_foreign(message: Message, municipality: str | None) -> list[DecodedItem]:
    read = next((read for prefix, read in FOREIGN_FORMATS.items() if message.topic.startswith(prefix)), None)
    if read is None or municipality is None or len(message.topic) > MAX_FOREIGN_TOPIC_LENGTH:
        raise Unreadable(
            Reason.TOPIC, f"not ours, and none of {', '.join(FOREIGN_FORMATS)} with VIGIA_FOREIGN_BUSES set"
        )
    if len(message.payload) > MAX_PAYLOAD_BYTES:
        raise Unreadable(Reason.TOO_LARGE, f"{len(message.payload):,} bytes; at most {MAX_PAYLOAD_BYTES:,} at a time")
    return [*read(message, municipality)]


def _decode_array(sender: DeviceTopic, message: Message) -> list[DecodedItem]:
    """Our own array when all is well in one step; otherwise told from SenML, and judged element by element."""
    if _OWN_ARRAY in message.payload and (readings := own.readings(sender, message)):
        return [*readings]
    elements = own.parse_array(message.payload)
    if senml.is_pack(elements):
        return [*senml.readings(sender, message, elements)]
    return [*own.readings_one_by_one(sender, message, len(elements))]
