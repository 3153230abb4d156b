"""What a tracker saw, as bytes for a topic: Vigía's own JSON, single, in arrays and late batches, or HFP."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import orjson

from models.network import Network
from simulators.buses import hfp
from simulators.buses.observations import Bearing, Claim, Look, Voice
from simulators.devices.message import Parcel
from simulators.devices.payload import ROOT
from simulators.devices.sensors import LONGEST_DELAY_S, USUAL_DELAY_S, Fields, written

MUNICIPALITY = "laplata"
LARGEST_BATCH = 20
"""Looks in one message."""

Name = tuple[str, int, int]
"""A company's id and number, and a vehicle's number with it."""


def parcels(
    network: Network, voice: Voice, random: Random, name: Name, now: datetime, looks: Sequence[Look]
) -> Iterator[Parcel]:
    """Looks on their way, some at once where the form allows it. `now` is the minute that brings them forth."""
    size = 1 if voice.hfp else LARGEST_BATCH
    for first in range(0, len(looks), size):
        some = looks[first : first + size]
        delay_s = min(random.expovariate(1 / USUAL_DELAY_S), LONGEST_DELAY_S)
        due_at = datetime.fromtimestamp(looks[-1].at, UTC) + timedelta(seconds=delay_s)
        topic, payload = hfp.message(network, name[1:], some[0]) if voice.hfp else _own(network, voice, name, some)
        yield Parcel(made_at=now, due_at=max(due_at, now), topic=topic, payload=payload)


def _own(network: Network, voice: Voice, name: Name, looks: Sequence[Look]) -> tuple[str, bytes]:
    topic = f"{ROOT}/{MUNICIPALITY}/bus/{name[0]}-{name[2]}"
    said = [_fields(network, voice, look) for look in looks]
    return topic, orjson.dumps(said if voice.array or len(said) > 1 else said[0])


def _fields(network: Network, voice: Voice, look: Look) -> Fields:
    fields: Fields = {
        "observed_at": written(datetime.fromtimestamp(look.at, UTC)),
        "boot": voice.boot,
        "seq": look.seq,
        "lat": round(look.point[0], 6),
        "lon": round(look.point[1], 6),
        "occupancy": look.occupancy,
    }
    if voice.speed:
        fields["speed_ms"] = round(look.speed_ms, 1)
    match voice.bearing:
        case Bearing.ZERO:
            fields["bearing_deg"] = 0
        case Bearing.TRUE:
            fields["bearing_deg"] = round(look.bearing_deg)
        case Bearing.NONE:
            pass
    return fields | _claims(network, voice.claim, look)


def _claims(network: Network, claim: Claim, look: Look) -> Fields:
    """What the console shows, as far as this tracker hands it on."""
    journey = look.journey
    if claim is Claim.NOTHING or journey is None:
        return {}
    pattern = network.patterns[journey.trip.pattern]
    route = network.routes[pattern.route_id]
    shown: Fields = {"line": route.short_name, "sign": journey.trip.headsign}
    match claim:
        case Claim.LINE:
            return shown
        case Claim.BLOCK:
            return {"block_id": look.block_id} if look.block_id else shown
        case Claim.ROUTE:
            return shown | {"route_id": route.id}
        case Claim.TRIP:
            start = f"{journey.start_s // 3600:02d}:{journey.start_s // 60 % 60:02d}:{journey.start_s % 60:02d}"
            return shown | {
                "route_id": route.id,
                "direction_id": pattern.direction_id,
                "trip_id": journey.trip.id,
                "start_date": f"{journey.service_date:%Y%m%d}",
                "start_time": start,
            }
