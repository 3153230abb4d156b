"""High-frequency positions, version 2, as Helsinki's HSL publishes them: `/hfp/v2/...`, one JSON event a message.

They count unlike GTFS: directions are 1 and 2, lateness is negative, and a start after midnight stands on a 24-hour
clock. A vehicle is its owner's, who stands in the topic; `oper` in the payload is who runs the line with it. Times,
routes and stops that an event leaves out (doors, sign-on) stand in its topic, if anywhere.
"""

import json
import re
from functools import lru_cache

import msgspec
from msgspec import Struct

from ingest.formats import own
from ingest.formats.foreign import device_name, integer_or_none, name_or_none, within_or_none
from ingest.formats.own import Unreadable
from ingest.topic import DeviceTopic
from models.kinds.bus import BUS
from models.reading import Message, Reading, Reason

PREFIX = "/hfp/v2/"
MAX_VEHICLES_REMEMBERED = 65_536
EVENTS = (
    *("vp", "due", "arr", "dep", "ars", "pde", "pas", "wait", "doo", "doc"),
    *("tlr", "tla", "da", "dout", "ba", "bout", "vja", "vjout"),
)
JOURNEY = "journey"
JOURNEY_TYPES = frozenset({JOURNEY, "deadrun", "signoff"})
OPERATING_DAY_START = "04:30"
"""What starts earlier belongs to the operating day before: so HSL cuts the days of most of its routes."""
_LEVELS = 9
_ROUTE, _DIRECTION, _HEADSIGN, _START = 9, 10, 11, 12
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_DIRECTIONS = {"1": 0, "2": 1}


class _Event(Struct, gc=False):
    """What of an event is kept. Every field may be null or missing, by the kind of event."""

    tst: str | None = None
    tsi: float | None = None
    lat: float | None = None
    long: float | None = None
    spd: float | None = None
    hdg: float | None = None
    dl: float | None = None
    occu: float | None = None
    desi: str | None = None
    route: str | None = None
    dir: str | None = None
    oday: str | None = None
    start: str | None = None


_DECODE = msgspec.json.Decoder(dict[str, _Event])


def readings(message: Message, municipality: str) -> list[Reading]:
    """The one position of a message. Raises Unreadable."""
    levels = message.topic.split("/")
    if len(levels) < _LEVELS or levels[3] not in JOURNEY_TYPES:
        raise Unreadable(Reason.TOPIC, "not /hfp/v2/{journey}/{temporal}/{event}/{mode}/{operator}/{vehicle}/...")
    name = levels[5]
    if name not in EVENTS:
        raise Unreadable(Reason.TOPIC, f"event {own.shown(name)} is none of {', '.join(EVENTS)}")
    sender = _sender(municipality, levels[7], levels[8])
    payload = json.dumps(_fields(levels, _event(message.payload, name.upper())))
    reading = own.reading(sender, message, payload.encode())
    # Several events of one instant are several readings: below 0, seq tells them apart and counts nothing.
    return [msgspec.structs.replace(reading, seq=-1 - EVENTS.index(name))]


@lru_cache(maxsize=MAX_VEHICLES_REMEMBERED)
def _sender(municipality: str, operator: str, vehicle: str) -> DeviceTopic:
    if not (operator and vehicle):
        raise Unreadable(Reason.TOPIC, "the topic names no operator or no vehicle")
    return DeviceTopic(municipality, BUS, device_name(f"{operator}-{vehicle}"), status=False)


def _event(payload: bytes, name: str) -> _Event:
    """The one event of the payload, which must be the one its topic announces."""
    try:
        events = _DECODE.decode(payload)
    except msgspec.ValidationError as fault:
        raise Unreadable(Reason.FIELD, str(fault)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Unreadable(Reason.SYNTAX, f"not JSON: {fault}") from None
    if events.keys() != {name}:
        raise Unreadable(Reason.SHAPE, f"the topic announces one object, {name}, and nothing beside it")
    return events[name]


def _fields(levels: list[str], said: _Event) -> dict[str, object]:
    """The event in our own words: what it says, else what its topic says."""
    placed = said.lat is not None and said.long is not None
    fields: dict[str, object] = {
        "observed_at": said.tst if said.tst is not None else said.tsi,
        "lat": said.lat if placed else None,
        "lon": said.long if placed else None,
        "speed_ms": within_or_none(said.spd, 0, 100),
        "bearing_deg": within_or_none(said.hdg, 0, 360),
        "occupancy": integer_or_none(said.occu, 0, 100),
        "line": name_or_none(said.desi),
        "in_service": levels[3] == JOURNEY,
    }
    delay_s = integer_or_none(said.dl, -86_400, 86_400)
    if delay_s is not None:
        fields["delay_s"] = -delay_s
    if levels[3] == JOURNEY:
        fields |= _journey_fields(levels, said)
    return fields


def _journey_fields(levels: list[str], said: _Event) -> dict[str, object]:
    """Which journey it claims to make."""
    told = [*levels, *[""] * (_START + 1 - len(levels))]
    route, direction, start = said.route or told[_ROUTE], said.dir or told[_DIRECTION], said.start or told[_START]
    date = _DATE.fullmatch(said.oday or "")
    return {
        "route_id": name_or_none(route),
        "direction_id": _DIRECTIONS.get(direction),
        "start_date": "".join(date.groups()) if date else None,
        "start_time": _service_time(start) if _CLOCK.fullmatch(start) else None,
        "sign": name_or_none(told[_HEADSIGN]),
    }


def _service_time(clock: str) -> str:
    """A time of the 24-hour clock on that of the operating day, which goes on past 24:00."""
    return f"{int(clock[:2]) + 24}{clock[2:]}" if clock < OPERATING_DAY_START else clock
