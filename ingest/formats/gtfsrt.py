"""Decode GTFS-realtime vehicle positions, one FeedMessage per MQTT message: `/gtfsrt/vp/{feed}/...`, as Digitransit.

Fields of the topic are used only where the payload has none. Stop and stop sequence are not kept: the matcher finds
the place on the trip from the position, and feeds are known to update the stop late.

A feed is parsed in two steps, so that one damaged entity costs only itself: first into the bytes of its header and of
each entity, then each entity by itself. Required fields may be missing: protobuf's Python parser accepts that, and
only its strict serialiser raises, which is therefore not used.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from google.transit.gtfs_realtime_pb2 import FeedEntity, FeedHeader, VehiclePosition
from msgspec import structs

from ingest.formats import vigia_json
from ingest.formats.foreign_fields import DATE, TIME_OF_DAY, device_name, integer_or_none, name_or_none, within_or_none
from ingest.formats.vigia_json import Unreadable
from ingest.topic import DeviceTopic
from models.kinds.bus import BUS
from models.reading import Flag, Message, Reading, Reason, Rejected

PREFIX = "/gtfsrt/vp/"
MAX_ENTITIES = 1_000
MAX_VEHICLES_REMEMBERED = 65_536
_FEED, _HEADSIGN, _VEHICLE, _SHORT_NAME = 3, 9, 13, 18
_LEVELS = 20
_OCCUPANCY = {
    VehiclePosition.EMPTY: 0,
    VehiclePosition.MANY_SEATS_AVAILABLE: 25,
    VehiclePosition.FEW_SEATS_AVAILABLE: 50,
    VehiclePosition.STANDING_ROOM_ONLY: 75,
    VehiclePosition.CRUSHED_STANDING_ROOM_ONLY: 90,
    VehiclePosition.FULL: 100,
    VehiclePosition.NOT_ACCEPTING_PASSENGERS: 100,
}
"""Percent for each occupancy status, used where the vehicle gives no percentage."""


def _feed_parts_class() -> type[Any]:
    """A message with the field numbers of FeedMessage, whose header and entities are left as bytes."""
    file = FileDescriptorProto(name="vigia/feed_parts.proto", package="vigia")
    message, field = file.message_type.add(name="FeedParts"), FieldDescriptorProto
    message.field.add(name="header", number=1, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    message.field.add(name="entity", number=2, type=field.TYPE_BYTES, label=field.LABEL_REPEATED)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("vigia.FeedParts"))


_FeedParts = _feed_parts_class()


@dataclass(frozen=True, slots=True)
class EntityPart:
    """One entity of a feed: its bytes, and what they say, or None where they cannot be parsed."""

    payload: bytes
    entity: FeedEntity | None

    @property
    def vehicle(self) -> VehiclePosition | None:
        """The position of a vehicle, where this entity holds one."""
        return self.entity.vehicle if self.entity is not None and self.entity.HasField("vehicle") else None

    @property
    def holds_vehicle(self) -> bool:
        """Whether this entity holds a vehicle, or may hold one and cannot be parsed."""
        return self.entity is None or self.entity.HasField("vehicle")

    @property
    def deleted(self) -> bool:
        """Whether it says that its vehicle is no longer followed. Then it is no position."""
        return self.entity is not None and self.entity.is_deleted


@dataclass(frozen=True, slots=True)
class Feed:
    """The parts of a FeedMessage. `timestamp_s`: time of the header, 0 where it has none or cannot be parsed."""

    header: bytes
    timestamp_s: int
    parts: Sequence[EntityPart]


def parse_message(message: Message, municipality: str) -> list[Reading | Rejected]:
    """Parse the positions of a message. A bad position is rejected alone. Raises Unreadable if there is no position."""
    levels = message.topic.split("/")
    feed = parse_feed(message.payload)
    parts = [part for part in feed.parts if part.holds_vehicle]
    if not levels[_FEED] or not 1 <= len(parts) <= MAX_ENTITIES:
        raise Unreadable(Reason.SHAPE, f"{len(parts):,} vehicle positions; send 1 to {MAX_ENTITIES:,}, and name a feed")
    # Only the topic of a single vehicle describes that vehicle.
    single = len(parts) == 1 and len(levels) >= _LEVELS
    levels = levels if single else [*levels[: _FEED + 1], *[""] * _LEVELS]
    items: list[Reading | Rejected] = []
    for part in (one for one in parts if not one.deleted):
        try:
            items.append(_reading(message, municipality, levels, part.vehicle, feed.timestamp_s))
        except Unreadable as unreadable:
            alone = structs.replace(message, payload=single_entity_feed(feed, part)) if len(parts) > 1 else message
            items.append(Rejected(alone, unreadable.reason, unreadable.detail))
    return items


def parse_feed(payload: bytes, max_entities: int | None = None) -> Feed:
    """Parse the bytes of a FeedMessage. Raises Unreadable if it is none, or has more than `max_entities`.

    The number is checked before the entities are parsed: an empty entity takes 2 bytes, and parsed about 100.
    """
    parts = _FeedParts()
    try:
        parts.ParseFromString(payload)
    except DecodeError as error:
        raise Unreadable(Reason.SYNTAX, f"not a FeedMessage of GTFS-realtime: {error}") from None
    if max_entities is not None and len(parts.entity) > max_entities:
        raise Unreadable(Reason.SHAPE, f"{len(parts.entity):,} entities; at most {max_entities:,}")
    return Feed(parts.header, _timestamp_s(parts.header), [EntityPart(one, _entity(one)) for one in parts.entity])


def single_entity_feed(feed: Feed, part: EntityPart) -> bytes:
    """The bytes of a feed with one entity and the same header, each byte for byte."""
    return bytes(_FeedParts(header=feed.header, entity=[part.payload]).SerializeToString())


def _timestamp_s(header: bytes) -> int:
    parsed = FeedHeader()
    try:
        parsed.ParseFromString(header)
    except DecodeError:
        return 0
    return int(parsed.timestamp)


def _entity(payload: bytes) -> FeedEntity | None:
    entity = FeedEntity()
    try:
        entity.ParseFromString(payload)
    except DecodeError:
        return None
    return entity


def vehicle_id(vehicle: VehiclePosition) -> str:
    """The id of a vehicle within its feed, else its label; empty if it has neither."""
    return _text(vehicle.vehicle.id) or _text(vehicle.vehicle.label)


def _text(value: str | bytes) -> str:
    """The value if it is text. Protobuf returns bytes for a string that is not UTF-8."""
    return value if isinstance(value, str) else ""


def _reading(
    message: Message, municipality: str, levels: list[str], vehicle: VehiclePosition | None, header_s: int
) -> Reading:
    if vehicle is None:
        raise Unreadable(Reason.SYNTAX, "the bytes of this entity are no FeedEntity of GTFS-realtime")
    name = vehicle_id(vehicle) or levels[_VEHICLE]
    if not name:
        raise Unreadable(Reason.FIELD, "the vehicle has neither id nor label")
    observed_s = float(vehicle.timestamp or header_s)
    flags = Flag.NONE if observed_s else Flag.SERVER_TIME
    fields = {
        "observed_at": observed_s or message.received_at.timestamp(),
        **_position_fields(vehicle),
        **_trip_fields(vehicle),
        "line": name_or_none(levels[_SHORT_NAME]),
        "sign": name_or_none(levels[_HEADSIGN]),
        "occupancy": _occupancy(vehicle),
    }
    topic = _device_topic(municipality, levels[_FEED], name)
    return vigia_json.parse_reading(topic, message, json.dumps(fields).encode(), flags)


@lru_cache(maxsize=MAX_VEHICLES_REMEMBERED)
def _device_topic(municipality: str, feed: str, vehicle: str) -> DeviceTopic:
    return DeviceTopic(municipality, BUS, device_name(f"{feed}-{vehicle}"), status=False)


def _position_fields(vehicle: VehiclePosition) -> dict[str, float | None]:
    if not vehicle.HasField("position"):
        return {}
    position = vehicle.position
    missing = [name for name in ("latitude", "longitude") if not position.HasField(name)]
    if missing:
        raise Unreadable(Reason.FIELD, f"the position has no {' and no '.join(missing)}; leave it out where unknown")
    return {
        "lat": position.latitude,
        "lon": position.longitude,
        "speed_ms": within_or_none(position.speed, 0, 100) if position.HasField("speed") else None,
        "bearing_deg": within_or_none(position.bearing, 0, 360) if position.HasField("bearing") else None,
    }


def _trip_fields(vehicle: VehiclePosition) -> dict[str, str | int | None]:
    trip = vehicle.trip
    start_date, start_time = _text(trip.start_date), _text(trip.start_time)
    return {
        "trip_id": name_or_none(_text(trip.trip_id)),
        "route_id": name_or_none(_text(trip.route_id)),
        "direction_id": integer_or_none(trip.direction_id, 0, 1) if trip.HasField("direction_id") else None,
        "start_date": start_date if DATE.fullmatch(start_date) else None,
        "start_time": start_time if TIME_OF_DAY.fullmatch(start_time) else None,
    }


def _occupancy(vehicle: VehiclePosition) -> int | None:
    if vehicle.HasField("occupancy_percentage"):
        return integer_or_none(vehicle.occupancy_percentage, 0, 100)
    return _OCCUPANCY.get(vehicle.occupancy_status) if vehicle.HasField("occupancy_status") else None
