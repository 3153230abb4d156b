"""Encode a bus position as high-frequency positioning (HFP) version 2 of HSL: topic and payload.

Source: HSL, "High-frequency positioning" (digitransit.fi), with the signs of the south and west kept on whole degrees.
"""

from datetime import UTC, datetime
from math import trunc

import orjson

from models.geo import Point
from models.network import Network
from simulators.buses.observations import TrackerObservation
from simulators.devices.sensors import rfc3339

HFP_ROOT = "/hfp/v2"
STOPS_BEHIND = 2
"""The next stop in the topic is outdated by this many stops, as in real feeds."""
REPLACED_CHARACTERS = str.maketrans("/+#", "---")


def hfp_message(network: Network, vehicle: tuple[int, int], observation: TrackerObservation) -> tuple[str, bytes]:
    """Encode one `vp` event. vehicle: numbers of operator and vehicle. Without a journey it is a `deadrun`."""
    operator, number = vehicle
    base = f"ongoing/vp/bus/{operator:04d}/{number:05d}"
    fields: dict[str, object] = {
        "oper": operator,
        "veh": number,
        "tst": rfc3339(datetime.fromtimestamp(observation.at, UTC)),
        "tsi": int(observation.at),
        "spd": round(observation.speed_ms, 2),
        "hdg": 0,
        "lat": round(observation.point[0], 6),
        "long": round(observation.point[1], 6),
        "acc": 0.0,
        "odo": 0,
        "drst": None,
        "loc": "GPS",
    }
    journey = observation.journey
    if journey is None:
        return f"{HFP_ROOT}/deadrun/{base}", orjson.dumps({"VP": fields})
    pattern = network.patterns[journey.trip.pattern]
    start = f"{journey.start_s // 3600 % 24:02d}:{journey.start_s // 60 % 60:02d}"
    direction = str((pattern.direction_id or 0) + 1)
    fields |= {
        "desi": network.routes[pattern.route_id].short_name,
        "dir": direction,
        "route": pattern.route_id,
        "stop": None,
        "start": start,
        "oday": f"{journey.service_date:%Y-%m-%d}",
        "jrn": journey.start_s // 60,
        "line": pattern.index,
        "dl": -round(observation.delay_s),
        "occu": observation.occupancy,
    }
    headsign = journey.trip.headsign.translate(REPLACED_CHARACTERS)
    outdated_stop = pattern.stop_ids[max(0, observation.leg.position + 1 - STOPS_BEHIND) % len(pattern.stop_ids)]
    journey_levels = f"{pattern.route_id}/{direction}/{headsign}/{start}/{outdated_stop}/{_geohash(observation.point)}"
    return f"{HFP_ROOT}/journey/{base}/{journey_levels}", orjson.dumps({"VP": fields})


def _geohash(point: Point) -> str:
    """Geohash level 0 (the whole position), then whole degrees with their sign, then digit by digit."""
    lat, lon = (f"{abs(value):.3f}".partition(".")[2] for value in point)
    digits = "/".join(a + b for a, b in zip(lat, lon, strict=True))
    return f"0/{trunc(point[0])};{trunc(point[1])}/{digits}"
