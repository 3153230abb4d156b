"""Simulated road traffic: how many vehicles pass in a minute, with speed, class and lane. No plates, no identities."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from random import Random

from models.place import Street

VEHICLE_CLASSES = ("car", "motorcycle", "van", "truck", "bus")
CLASS_SHARES = (0.72, 0.14, 0.07, 0.03, 0.04)
CUMULATIVE_SHARES = tuple(accumulate(CLASS_SHARES))
FLOW_BY_HOUR_PERCENT = (6, 4, 3, 2, 3, 8, 30, 78, 88, 70, 64, 70, 80, 78, 66, 64, 72, 90, 100, 88, 62, 42, 26, 14)
"""Flow by hour of a working day, in percent of the peak hour; assumed, with two peaks and a smaller one at noon."""
SATURDAY_SHARE, SUNDAY_SHARE = 0.75, 0.55
PEAK_FLOW_PER_MIN = 14.0
SPEEDING_SHARE = 0.015
SPEEDING_FACTOR = 1.35
SPEED_DEVIATION = 0.12
MIN_SPEED_KMH = 4.0


@dataclass(frozen=True, slots=True)
class PassingVehicle:
    """One vehicle that passes a radar. `second`: seconds after the start of its minute."""

    second: float
    speed_kmh: float
    vehicle_class: str
    lane: int


def flow_per_min(street: Street, local: datetime, rain_mm: float, traffic_factor: float = 1.0) -> float:
    """The mean number of vehicles per minute. rain_mm: rain of the last minute. traffic_factor: multiplies the flow."""
    this_hour, next_hour = FLOW_BY_HOUR_PERCENT[local.hour], FLOW_BY_HOUR_PERCENT[(local.hour + 1) % 24]
    percent = this_hour + (next_hour - this_hour) * local.minute / 60
    weekend = {6: SATURDAY_SHARE, 7: SUNDAY_SHARE}.get(local.isoweekday(), 1.0)
    rain_factor = max(0.1, 1 - rain_mm / 1.5)
    return PEAK_FLOW_PER_MIN * street.limit_kmh / 60 * percent / 100 * weekend * rain_factor * traffic_factor


def mean_speed_kmh(street: Street, local: datetime, rain_mm: float, flow: float) -> float:
    """The mean speed: below the limit; lower in dense traffic and in rain; school zone limits are often ignored."""
    limit = street.limit_kmh_at(local)
    free_speed = 0.86 * limit if limit == street.limit_kmh else 1.35 * limit
    density_factor = 1 - 0.3 * min(flow / (PEAK_FLOW_PER_MIN * street.limit_kmh / 60), 1.2) ** 2
    wet_factor = 1 - min(0.4, 0.3 * rain_mm)
    return free_speed * density_factor * wet_factor * 1.08


def passing_vehicles(
    street: Street, local: datetime, rain_mm: float, random: Random, traffic_factor: float = 1.0
) -> Iterator[PassingVehicle]:
    """The vehicles that pass in the minute from `local` on, in order: a Poisson process. A few are speeding."""
    flow = flow_per_min(street, local, rain_mm, traffic_factor)
    mean = mean_speed_kmh(street, local, rain_mm, flow)
    second = random.expovariate(flow / 60)
    while second < 60:
        speeding = SPEEDING_FACTOR if random.random() < SPEEDING_SHARE else 1.0
        speed_kmh = max(random.gauss(mean, SPEED_DEVIATION * mean) * speeding, MIN_SPEED_KMH)
        (vehicle_class,) = random.choices(VEHICLE_CLASSES, cum_weights=CUMULATIVE_SHARES)
        yield PassingVehicle(second, speed_kmh, vehicle_class, random.randrange(2))
        second += random.expovariate(flow / 60)
