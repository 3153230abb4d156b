"""GTFS-realtime vehicle positions: decoded as readings, one vehicle or many; no bytes make the decoder fail."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.transit.gtfs_realtime_pb2 import FeedEntity, FeedMessage, VehiclePosition
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import decode
from ingest.formats.foreign_fields import device_name
from models.kinds.bus import BUS
from models.reading import Flag, Message, Reading, Reason, Rejected

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
THEN = int(NOW.timestamp()) - 5
BARE = "/gtfsrt/vp/amba"
FULL = "/gtfsrt/vp/HSL/HSL/Helsinki/BUS/HSL:2550/1/Itäkeskus/trip-9/1454121/25:30/22%2F817/60;24/17/28/39/550/007ac9/"


def feed(*vehicles: dict[str, Any], timestamp: int | None = THEN) -> FeedMessage:
    message = FeedMessage()
    message.header.gtfs_realtime_version = "2.0"
    if timestamp is not None:
        message.header.timestamp = timestamp
    for number, said in enumerate(vehicles):
        message.entity.add(id=str(number), vehicle=VehiclePosition(**said))
    return message


def vehicle(**more: Any) -> dict[str, Any]:
    return {"vehicle": {"id": "817"}, "position": {"latitude": -34.92, "longitude": -57.95}, "timestamp": THEN} | more


def heard(message: FeedMessage | bytes, topic: str = BARE) -> list[Reading | Rejected]:
    payload = message if isinstance(message, bytes) else message.SerializeToString()
    items = decode(Message(topic, payload, NOW), "laplata")
    return [item for item in items if isinstance(item, Reading | Rejected)]


def one(message: FeedMessage, topic: str = BARE) -> tuple[Reading, dict[str, Any]]:
    (reading,) = heard(message, topic)
    assert isinstance(reading, Reading), reading
    values = dict(zip(BUS.columns, reading.values, strict=True))
    return reading, {name: value for name, value in values.items() if value is not None}


def test_a_position_is_told_in_our_own_words() -> None:
    trip = {"trip_id": "t1", "route_id": "307", "direction_id": 0, "start_date": "20260302", "start_time": "25:30:00"}
    position = {"latitude": -34.5, "longitude": -57.75, "bearing": 90.0, "speed": 8.5}
    reading, fields = one(feed(vehicle(trip=trip, position=position, occupancy_percentage=40)))
    assert (reading.municipality, reading.kind, reading.device) == ("laplata", "bus", "amba-817")
    assert reading.observed_at.timestamp() == THEN
    assert fields == {"lat": -34.5, "lon": -57.75, "bearing_deg": 90.0, "speed_ms": 8.5, "occupancy": 40, **trip}


def test_a_vehicle_that_a_feed_deletes_is_no_position() -> None:
    message = feed(vehicle(), vehicle(vehicle={"id": "9"}))
    message.entity[0].is_deleted = True
    (kept,) = heard(message)
    assert isinstance(kept, Reading)
    assert kept.device == "amba-9"
    message.entity[1].is_deleted = True
    assert heard(message) == []


def test_what_was_not_said_is_not_made_up() -> None:
    _, fields = one(feed(vehicle()))
    assert fields.keys() == {"lat", "lon"}


def test_sign_and_line_are_taken_from_a_whole_topic() -> None:
    reading, fields = one(feed(vehicle(vehicle={})), FULL)
    assert (fields["sign"], fields["line"]) == ("Itäkeskus", "550")
    assert reading.device.startswith("hsl-22-2f817-")


def test_words_for_how_full_it_is_become_a_share() -> None:
    _, fields = one(feed(vehicle(occupancy_status=VehiclePosition.STANDING_ROOM_ONLY)))
    assert fields["occupancy"] == 75


def test_without_a_time_of_its_own_a_vehicle_has_that_of_its_feed_and_else_of_receipt() -> None:
    said = vehicle()
    del said["timestamp"]
    reading, _ = one(feed(said))
    assert (reading.observed_at.timestamp(), reading.flags) == (THEN, Flag.NONE)
    reading, _ = one(feed(said, timestamp=None))
    assert (reading.observed_at, reading.flags) == (NOW, Flag.SERVER_TIME)


def test_a_vehicle_that_cannot_be_told_from_others_is_rejected_alone() -> None:
    items = heard(feed(vehicle(), vehicle(vehicle={}), vehicle(vehicle={"id": "818"})))
    assert [type(item) for item in items] == [Reading, Rejected, Reading]
    (rejected,) = (item for item in items if isinstance(item, Rejected))
    again = heard(rejected.message.payload)
    assert [type(item) for item in again] == [Rejected]
    assert rejected.reason is Reason.FIELD


@pytest.mark.parametrize("position", [{"latitude": float("nan"), "longitude": 0.0}, {"latitude": 91, "longitude": 0}])
def test_a_place_off_the_globe_is_rejected(position: dict[str, float]) -> None:
    (item,) = heard(feed(vehicle(position=position)))
    assert isinstance(item, Rejected)
    assert item.reason is Reason.FIELD


def test_a_vehicle_without_a_place_is_a_reading_without_one() -> None:
    said = vehicle()
    del said["position"]
    _, fields = one(feed(said))
    assert fields == {}


def test_an_impossible_time_is_rejected() -> None:
    (item,) = heard(feed(vehicle(timestamp=2**60)))
    assert isinstance(item, Rejected)
    assert item.reason is Reason.TIME


@pytest.mark.parametrize(("payload", "reason"), [(b"{}", Reason.SYNTAX), (b"", Reason.SHAPE)])
def test_what_is_no_feed_is_rejected(payload: bytes, reason: Reason) -> None:
    (item,) = heard(payload)
    assert isinstance(item, Rejected)
    assert item.reason is reason


def test_a_feed_without_vehicles_or_with_too_many_is_rejected() -> None:
    for message in (feed(), feed(*[vehicle()] * 1_001)):
        (item,) = heard(message)
        assert isinstance(item, Rejected)
        assert item.reason is Reason.SHAPE


def test_names_of_ours_stay_and_others_never_meet() -> None:
    assert device_name("hsl-817") == "hsl-817"
    assert len({device_name(name) for name in ("A/1", "a/1", "a-1", "a_1", "Ä1", "", "ñ" * 90)}) == 7
    assert len(device_name("x" * 200)) <= 64


@given(payload=st.binary(), rest=st.text())
def test_whatever_the_bytes_nothing_fails(payload: bytes, rest: str) -> None:
    assert heard(payload, f"/gtfsrt/vp/{rest}")


@given(cut=st.integers(0, 120), flipped=st.integers(0, 255))
def test_a_damaged_feed_ends_as_a_reading_or_a_rejection(cut: int, flipped: int) -> None:
    whole = feed(vehicle(trip={"trip_id": "ñandú", "start_time": "25:00"})).SerializeToString()
    place = cut % len(whole)
    assert heard(whole[:place] + bytes([flipped]) + whole[place + 1 :])


def partial(message: FeedMessage) -> bytes:
    """The bytes of a feed whose required fields may be missing."""
    return bytes(message.SerializePartialToString())


@pytest.mark.parametrize(("missing", "reason"), [("latitude", Reason.FIELD), ("longitude", Reason.FIELD)])
def test_a_vehicle_without_half_of_its_position_is_rejected_alone(missing: str, reason: Reason) -> None:
    message = feed(vehicle(), vehicle(vehicle={"id": "818"}), vehicle(vehicle={"id": "819"}))
    message.entity[1].vehicle.position.ClearField(missing)
    items = heard(partial(message))
    assert [type(item) for item in items] == [Reading, Rejected, Reading]
    (rejected,) = (item for item in items if isinstance(item, Rejected))
    assert (rejected.reason, missing in rejected.detail) == (reason, True)
    (again,) = heard(rejected.message.payload)
    assert isinstance(again, Rejected)
    assert again.detail == rejected.detail


def test_neither_ids_of_entities_nor_a_version_are_needed() -> None:
    message = feed(vehicle(), vehicle(vehicle={}), vehicle(vehicle={"id": "819"}))
    message.header.ClearField("gtfs_realtime_version")
    for entity in message.entity:
        entity.ClearField("id")
    assert [type(item) for item in heard(partial(message))] == [Reading, Rejected, Reading]
    message.ClearField("header")
    assert [type(item) for item in heard(partial(message))] == [Reading, Rejected, Reading]


# What may be wrong with one entity: changes of its fields, or of its bytes, that keep the feed's own frame.
_CHANGES = st.sampled_from(["id", "latitude", "longitude", "position", "name", "time", "trip", "bytes", "cut", "none"])


def changed(entity: FeedEntity, change: str, noise: bytes) -> bytes:
    match change:
        case "id":
            entity.ClearField("id")
        case "latitude" | "longitude":
            entity.vehicle.position.ClearField(change)
        case "position":
            entity.vehicle.position.latitude = float("inf")
        case "name":
            entity.vehicle.vehicle.Clear()
        case "time":
            entity.vehicle.timestamp = int.from_bytes(noise[:8].ljust(8, b"\xff"))
        case "trip":
            entity.vehicle.trip.MergeFromString(b"\x0a" + bytes([len(noise)]) + noise)
        case "bytes":
            return noise
        case "cut":
            return bytes(entity.SerializePartialToString())[: -1 - len(noise)]
    return bytes(entity.SerializePartialToString())


@given(changes=st.lists(st.tuples(_CHANGES, st.binary(max_size=40)), max_size=6), header=st.binary(max_size=12))
def test_whatever_the_entities_beside_them_good_vehicles_arrive(
    changes: list[tuple[str, bytes]], header: bytes
) -> None:
    good = feed(vehicle(vehicle={"id": "first"}), vehicle(vehicle={"id": "last"}))
    entities = [entity.SerializeToString() for entity in good.entity]
    bad = [changed(feed(vehicle()).entity[0], change, noise) for change, noise in changes]
    parts = [(b"\x0a", header), *((b"\x12", entity) for entity in (entities[0], *bad, entities[1]))]
    items = heard(b"".join(tag + _varint(len(content)) + content for tag, content in parts))
    names = [item.device for item in items if isinstance(item, Reading)]
    assert {"amba-first", "amba-last"} <= set(names)
    for item in items:
        if isinstance(item, Rejected):
            assert item.detail
            (again,) = heard(item.message.payload)
            assert (type(again), getattr(again, "reason", None)) == (Rejected, item.reason)


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + _varint(value >> 7)
