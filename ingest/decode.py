"""Bytes to readings, a device's presence, or the reason why they are neither. Pure, and total: it never raises."""

from ingest.formats import own, senml
from ingest.formats.own import Unreadable
from ingest.topic import Sender, sender_of
from models.reading import Message, Presence, Reading, Reason, Rejected

MAX_PAYLOAD_BYTES = 65_000
"""Less than what the receiver cuts a longer packet to, so that a cut one is told for what it is."""

_JSON_SPACE = b" \t\r\n"
_OWN_ARRAY = b'"observed_at"'

Item = Reading | Presence | Rejected


def decode(message: Message) -> list[Item]:
    """Everything the message says, in its order. Never empty: each message ends as a reading or as a rejection.

    A bad element of an array costs the good ones nothing. It becomes a `Rejected` with a message of that element
    alone, byte for byte, so that decoding it again after a repair does not bring its neighbours a second time.
    """
    try:
        return _items(message)
    except Unreadable as unreadable:
        return [Rejected(message, unreadable.reason, unreadable.detail)]


def _items(message: Message) -> list[Item]:
    sender = sender_of(message.topic)
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
        return _array(sender, message)
    return [own.reading(sender, message, payload)]


def _array(sender: Sender, message: Message) -> list[Item]:
    """Our own array when all is well in one step; otherwise told from SenML, and judged element by element."""
    if _OWN_ARRAY in message.payload and (readings := own.readings(sender, message)):
        return [*readings]
    elements = own.parsed(message.payload)
    if senml.is_pack(elements):
        return [*senml.readings(sender, message, elements)]
    return [*own.one_by_one(sender, message, len(elements))]
