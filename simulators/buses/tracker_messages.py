"""Encode tracker observations as messages: Vigía's own JSON, single, in arrays or in late batches, or HFP."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import orjson

from models.network import Network
from simulators.buses import hfp
from simulators.buses.observations import BearingMode, TrackerObservation, TrackerProfile, TripDetail
from simulators.devices.message import SimulatedMessage
from simulators.devices.payload import TOPIC_ROOT
from simulators.devices.sensors import MAX_DELAY_S, MEAN_DELAY_S, PayloadFields, rfc3339

MUNICIPALITY = "laplata"
MAX_OBSERVATIONS = 20
"""Limit of observations in one message."""

TrackerName = tuple[str, int, int]
"""Id and number of a company, and the number of a vehicle."""


def encode_messages(
    network: Network,
    profile: TrackerProfile,
    random: Random,
    name: TrackerName,
    now: datetime,
    observations: Sequence[TrackerObservation],
) -> Iterator[SimulatedMessage]:
    """Encode observations as messages, several in one if the format allows it. now: the simulated minute."""
    size = 1 if profile.sends_hfp else MAX_OBSERVATIONS
    for first in range(0, len(observations), size):
        part = observations[first : first + size]
        delay_s = min(random.expovariate(1 / MEAN_DELAY_S), MAX_DELAY_S)
        due_at = datetime.fromtimestamp(observations[-1].at, UTC) + timedelta(seconds=delay_s)
        topic, payload = (
            hfp.hfp_message(network, name[1:], part[0])
            if profile.sends_hfp
            else _own_json(network, profile, name, part)
        )
        yield SimulatedMessage(created_at=now, due_at=max(due_at, now), topic=topic, payload=payload)


def _own_json(
    network: Network, profile: TrackerProfile, name: TrackerName, observations: Sequence[TrackerObservation]
) -> tuple[str, bytes]:
    topic = f"{TOPIC_ROOT}/{MUNICIPALITY}/bus/{name[0]}-{name[2]}"
    payloads = [_fields(network, profile, observation) for observation in observations]
    return topic, orjson.dumps(payloads if profile.sends_arrays or len(payloads) > 1 else payloads[0])


def _fields(network: Network, profile: TrackerProfile, observation: TrackerObservation) -> PayloadFields:
    fields: PayloadFields = {
        "observed_at": rfc3339(datetime.fromtimestamp(observation.at, UTC)),
        "boot": profile.boot,
        "seq": observation.seq,
        "lat": round(observation.point[0], 6),
        "lon": round(observation.point[1], 6),
        "occupancy": observation.occupancy,
    }
    if profile.sends_speed:
        fields["speed_ms"] = round(observation.speed_ms, 1)
    match profile.bearing_mode:
        case BearingMode.ZERO:
            fields["bearing_deg"] = 0
        case BearingMode.TRUE:
            fields["bearing_deg"] = round(observation.bearing_deg)
        case BearingMode.NONE:
            pass
    return fields | _trip_fields(network, profile.trip_detail, observation)


def _trip_fields(network: Network, claim: TripDetail, observation: TrackerObservation) -> PayloadFields:
    """The trip fields of the journey on the console, as far as the tracker reports them."""
    journey = observation.journey
    if claim is TripDetail.NOTHING or journey is None:
        return {}
    pattern = network.patterns[journey.trip.pattern]
    route = network.routes[pattern.route_id]
    shown: PayloadFields = {"line": route.short_name, "sign": journey.trip.headsign}
    match claim:
        case TripDetail.LINE:
            return shown
        case TripDetail.BLOCK:
            return {"block_id": observation.block_id} if observation.block_id else shown
        case TripDetail.ROUTE:
            return shown | {"route_id": route.id}
        case TripDetail.TRIP:
            start = f"{journey.start_s // 3600:02d}:{journey.start_s // 60 % 60:02d}:{journey.start_s % 60:02d}"
            return shown | {
                "route_id": route.id,
                "direction_id": pattern.direction_id,
                "trip_id": journey.trip.id,
                "start_date": f"{journey.service_date:%Y%m%d}",
                "start_time": start,
            }
