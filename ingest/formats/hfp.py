"""Decode high-frequency positioning (HFP) version 2 of HSL, Helsinki: `/hfp/v2/...`, one JSON event per message.

HFP differs from GTFS: directions are 1 and 2, a delay is negative, and a start after midnight uses the 24-hour clock.
The operator in the topic owns the vehicle; `oper` in the payload is the operator that runs the line. Where an event
(doors, sign-on) has no time, route or stop, the topic may have it.
"""

import json
import re
from functools import lru_cache

import msgspec
from msgspec import Struct

from ingest.formats import vigia_json
from ingest.formats.foreign_fields import device_name, integer_or_none, name_or_none, within_or_none
from ingest.formats.vigia_json import Unreadable
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
"""A trip that starts earlier belongs to the operating day before. HSL ends the day of most of its routes then."""
_LEVELS = 9
_ROUTE, _DIRECTION, _HEADSIGN, _START = 9, 10, 11, 12
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_DIRECTIONS = {"1": 0, "2": 1}


class _Event(Struct, gc=False):
    """The fields of an event that are used. Each may be null or missing, depending on the type of event."""

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


def parse_message(message: Message, municipality: str) -> list[Reading]:
    """Parse the single event of a message as one reading. Raises Unreadable."""
    levels = message.topic.split("/")
    if len(levels) < _LEVELS or levels[3] not in JOURNEY_TYPES:
        raise Unreadable(Reason.TOPIC, "not /hfp/v2/{journey}/{temporal}/{event}/{mode}/{operator}/{vehicle}/...")
    name = levels[5]
    if name not in EVENTS:
        raise Unreadable(Reason.TOPIC, f"event {vigia_json.short_repr(name)} is none of {', '.join(EVENTS)}")
    topic = _device_topic(municipality, levels[7], levels[8])
    payload = json.dumps(_fields(levels, _event(message.payload, name.upper())))
    reading = vigia_json.parse_reading(topic, message, payload.encode())
    # Several events may share one time. A negative seq makes each a reading of its own, without counting.
    return [msgspec.structs.replace(reading, seq=-1 - EVENTS.index(name))]


@lru_cache(maxsize=MAX_VEHICLES_REMEMBERED)
def _device_topic(municipality: str, operator: str, vehicle: str) -> DeviceTopic:
    if not (operator and vehicle):
        raise Unreadable(Reason.TOPIC, "the topic names no operator or no vehicle")
    return DeviceTopic(municipality, BUS, device_name(f"{operator}-{vehicle}"), status=False)


def _event(payload: bytes, name: str) -> _Event:
    """The single event of the payload, which must be the one named in the topic."""
    try:
        events = _DECODE.decode(payload)
    except msgspec.ValidationError as error:
        raise Unreadable(Reason.FIELD, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(Reason.SYNTAX, f"not JSON: {error}") from None
    except RecursionError:  # msgspec's only limit of depth, which it also applies to fields that are not used
        raise Unreadable(Reason.SYNTAX, "nested too deeply; an event is one object of one object") from None
    if events.keys() != {name}:
        raise Unreadable(Reason.SHAPE, f"the topic announces one object, {name}, and nothing beside it")
    return events[name]


def _fields(levels: list[str], event: _Event) -> dict[str, object]:
    """The payload fields of a bus reading, from the event or else from its topic."""
    has_position = event.lat is not None and event.long is not None
    fields: dict[str, object] = {
        "observed_at": event.tst if event.tst is not None else event.tsi,
        "lat": event.lat if has_position else None,
        "lon": event.long if has_position else None,
        "speed_ms": within_or_none(event.spd, 0, 100),
        "bearing_deg": within_or_none(event.hdg, 0, 360),
        "occupancy": integer_or_none(event.occu, 0, 100),
        "line": name_or_none(event.desi),
        "in_service": levels[3] == JOURNEY,
    }
    delay_s = integer_or_none(event.dl, -86_400, 86_400)
    if delay_s is not None:
        fields["delay_s"] = -delay_s
    if levels[3] == JOURNEY:
        fields |= _journey_fields(levels, event)
    return fields


def _journey_fields(levels: list[str], event: _Event) -> dict[str, object]:
    """The payload fields of the reported journey."""
    padded = [*levels, *[""] * (_START + 1 - len(levels))]
    route, direction, start = (
        event.route or padded[_ROUTE],
        event.dir or padded[_DIRECTION],
        event.start or padded[_START],
    )
    date = _DATE.fullmatch(event.oday or "")
    return {
        "route_id": name_or_none(route),
        "direction_id": _DIRECTIONS.get(direction),
        "start_date": "".join(date.groups()) if date else None,
        "start_time": _service_time(start) if _CLOCK.fullmatch(start) else None,
        "sign": name_or_none(padded[_HEADSIGN]),
    }


def _service_time(clock: str) -> str:
    """Convert a time of the 24-hour clock to the clock of the operating day, which continues past 24:00."""
    return f"{int(clock[:2]) + 24}{clock[2:]}" if clock < OPERATING_DAY_START else clock
