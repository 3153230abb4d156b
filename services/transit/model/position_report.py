"""A vehicle position report, whatever its wire format: position, time, and what the vehicle reports of its trip."""

from msgspec import Struct


class PositionReport(Struct, frozen=True, gc=False):
    """One position of one vehicle.

    `at` is the device's own time, Unix seconds. Trip, route, direction, block, start and line are evidence, not truth;
    None where the vehicle does not report them. `direction_id` is GTFS's 0 or 1; `start_date` YYYYMMDD; `start_s`
    seconds after noon less 12 h of that date. `line` is what the driver's console or the sign shows. `bearing_deg` may
    be 0 in feeds that never know it. `occupancy` 0 to 100. `in_service`: what the sign or console says, None where it
    says nothing.
    """

    vehicle: str
    at: float
    latitude: float
    longitude: float
    trip_id: str | None = None
    route_id: str | None = None
    direction_id: int | None = None
    block_id: str | None = None
    start_date: str | None = None
    start_s: int | None = None
    line: str | None = None
    speed_ms: float | None = None
    bearing_deg: float | None = None
    occupancy: int | None = None
    sign: str | None = None
    in_service: bool | None = None
