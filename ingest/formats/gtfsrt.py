"""Vehicle positions in GTFS-realtime, one FeedMessage a message: `/gtfsrt/vp/{feed}/...`, as Digitransit has them.

What the topic repeats of the payload is believed only where the payload says nothing. Stop and stop sequence are not
kept: where a bus is on its trip is found from its position, and feeds are known to leave them behind.
"""

import json
from functools import lru_cache

from google.protobuf.message import DecodeError
from google.transit.gtfs_realtime_pb2 import FeedEntity, FeedMessage, VehiclePosition
from msgspec import structs

from ingest.formats import own
from ingest.formats.foreign import DATE, TIME_OF_DAY, device_name, integer_or_none, name_or_none, within_or_none
from ingest.formats.own import Unreadable
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
"""Percent, where the vehicle gives words alone."""


def readings(message: Message, municipality: str) -> list[Reading | Rejected]:
    """The positions of a message, each a reading or, alone, rejected. Raises Unreadable where it holds none."""
    levels = message.topic.split("/")
    feed = parse_feed(message.payload)
    entities = [entity for entity in feed.entity if entity.HasField("vehicle")]
    if not levels[_FEED] or not 1 <= len(entities) <= MAX_ENTITIES:
        raise Unreadable(
            Reason.SHAPE, f"{len(entities):,} vehicle positions; send 1 to {MAX_ENTITIES:,}, and name a feed"
        )
    told = levels if len(entities) == 1 and len(levels) >= _LEVELS else [*levels[: _FEED + 1], *[""] * _LEVELS]
    items: list[Reading | Rejected] = []
    for entity in entities:
        try:
            items.append(_reading(message, municipality, told, entity.vehicle, feed.header.timestamp))
        except Unreadable as fault:
            alone = structs.replace(message, payload=single_entity_feed(feed, entity))
            items.append(Rejected(alone if len(entities) > 1 else message, fault.reason, fault.detail))
    return items


def parse_feed(payload: bytes) -> FeedMessage:
    """A feed out of its bytes. Raises Unreadable."""
    feed = FeedMessage()
    try:
        feed.ParseFromString(payload)
    except (DecodeError, UnicodeDecodeError) as fault:
        raise Unreadable(Reason.SYNTAX, f"not a FeedMessage of GTFS-realtime: {fault}") from None
    return feed


def single_entity_feed(feed: FeedMessage, entity: FeedEntity) -> bytes:
    """A feed of one entity, under the same header."""
    return bytes(FeedMessage(header=feed.header, entity=[entity]).SerializeToString())


def vehicle_id(vehicle: VehiclePosition) -> str:
    """What tells a vehicle from the others of its feed; empty where nothing does."""
    return _text(vehicle.vehicle.id) or _text(vehicle.vehicle.label)


def _text(said: str | bytes) -> str:
    """What is text: protobuf hands over as bytes what is not UTF-8."""
    return said if isinstance(said, str) else ""


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
    sender = _sender(municipality, levels[_FEED], name)
    return own.reading(sender, message, json.dumps(fields).encode(), flags)


@lru_cache(maxsize=MAX_VEHICLES_REMEMBERED)
def _sender(municipality: str, feed: str, vehicle: str) -> DeviceTopic:
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
