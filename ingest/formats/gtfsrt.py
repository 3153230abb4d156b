"""Decode GTFS-realtime vehicle positions, one FeedMessage per MQTT message: `/gtfsrt/vp/{feed}/...`, as Digitransit.

Fields of the topic are used only where the payload has none. Stop and stop sequence are not kept: the matcher finds
the place on the trip from the position, and feeds are known to update the stop late.
"""

import json
from functools import lru_cache

from google.protobuf.message import DecodeError
from google.transit.gtfs_realtime_pb2 import FeedEntity, FeedMessage, VehiclePosition
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


def parse_message(message: Message, municipality: str) -> list[Reading | Rejected]:
    """Parse the positions of a message. A bad position is rejected alone. Raises Unreadable if there is no position."""
    levels = message.topic.split("/")
    feed = parse_feed(message.payload)
    entities = [entity for entity in feed.entity if entity.HasField("vehicle")]
    if not levels[_FEED] or not 1 <= len(entities) <= MAX_ENTITIES:
        raise Unreadable(
            Reason.SHAPE, f"{len(entities):,} vehicle positions; send 1 to {MAX_ENTITIES:,}, and name a feed"
        )
    # Only the topic of a single vehicle describes that vehicle.
    single = len(entities) == 1 and len(levels) >= _LEVELS
    levels = levels if single else [*levels[: _FEED + 1], *[""] * _LEVELS]
    items: list[Reading | Rejected] = []
    for entity in entities:
        try:
            items.append(_reading(message, municipality, levels, entity.vehicle, feed.header.timestamp))
        except Unreadable as unreadable:
            part = structs.replace(message, payload=single_entity_feed(feed, entity))
            items.append(Rejected(part if len(entities) > 1 else message, unreadable.reason, unreadable.detail))
    return items


def parse_feed(payload: bytes) -> FeedMessage:
    """Parse the bytes of a FeedMessage. Raises Unreadable."""
    feed = FeedMessage()
    try:
        feed.ParseFromString(payload)
    except (DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(Reason.SYNTAX, f"not a FeedMessage of GTFS-realtime: {error}") from None
    return feed


def single_entity_feed(feed: FeedMessage, entity: FeedEntity) -> bytes:
    """The bytes of a feed with one entity and the same header."""
    return bytes(FeedMessage(header=feed.header, entity=[entity]).SerializeToString())


def vehicle_id(vehicle: VehiclePosition) -> str:
    """The id of a vehicle within its feed, else its label; empty if it has neither."""
    return _text(vehicle.vehicle.id) or _text(vehicle.vehicle.label)


def _text(value: str | bytes) -> str:
    """The value if it is text. Protobuf returns bytes for a string that is not UTF-8."""
    return value if isinstance(value, str) else ""


def _reading(
    message: Message, municipality: str, levels: list[str], vehicle: VehiclePosition, header_s: int
) -> Reading:
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
    position = vehicle.position
    if not (position.HasField("latitude") and position.HasField("longitude")):
        return {}
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
