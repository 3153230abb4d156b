"""Vehicles on a street: how many pass in a minute, how fast, of which class. Nobody's plate, nobody's identity."""

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
"""Flow by hour of a working day, as percent of the peak hour's; assumed, with the two usual peaks and a noon return."""
SATURDAY_SHARE, SUNDAY_SHARE = 0.75, 0.55
PEAK_FLOW_PER_MIN = 14.0
SPEEDING_SHARE = 0.015
SPEEDING_FACTOR = 1.35
SPEED_DEVIATION = 0.12
MIN_SPEED_KMH = 4.0


@dataclass(frozen=True, slots=True)
class PassingVehicle:
    """One vehicle passing a radar, `second` of its minute."""

    second: float
    speed_kmh: float
    vehicle_class: str
    lane: int


def flow_per_min(street: Street, local: datetime, rain_mm: float, busy: float = 1.0) -> float:
    """The mean number of vehicles a minute; `rain_mm` is the last minute's rain, `busy` scales the whole pattern."""
    this, following = FLOW_BY_HOUR_PERCENT[local.hour], FLOW_BY_HOUR_PERCENT[(local.hour + 1) % 24]
    percent = this + (following - this) * local.minute / 60
    weekend = {6: SATURDAY_SHARE, 7: SUNDAY_SHARE}.get(local.isoweekday(), 1.0)
    deserted = max(0.1, 1 - rain_mm / 1.5)
    return PEAK_FLOW_PER_MIN * street.limit_kmh / 60 * percent / 100 * weekend * deserted * busy


def mean_speed_kmh(street: Street, local: datetime, rain_mm: float, flow: float) -> float:
    """The usual speed: under the limit, less in dense traffic and in rain, more at night; schools are half heeded."""
    limit = street.limit_kmh_at(local)
    wanted = 0.86 * limit if limit == street.limit_kmh else 1.35 * limit
    crowded = 1 - 0.3 * min(flow / (PEAK_FLOW_PER_MIN * street.limit_kmh / 60), 1.2) ** 2
    wet = 1 - min(0.4, 0.3 * rain_mm)
    return wanted * crowded * wet * 1.08


def passing_vehicles(
    street: Street, local: datetime, rain_mm: float, random: Random, busy: float = 1.0
) -> Iterator[PassingVehicle]:
    """Those that pass in the minute beginning at `local`, in order: a Poisson process. A few are half as fast again."""
    flow = flow_per_min(street, local, rain_mm, busy)
    mean = mean_speed_kmh(street, local, rain_mm, flow)
    second = random.expovariate(flow / 60)
    while second < 60:
        haste = SPEEDING_FACTOR if random.random() < SPEEDING_SHARE else 1.0
        speed_kmh = max(random.gauss(mean, SPEED_DEVIATION * mean) * haste, MIN_SPEED_KMH)
        (sort,) = random.choices(VEHICLE_CLASSES, cum_weights=CUMULATIVE_SHARES)
        yield PassingVehicle(second, speed_kmh, sort, random.randrange(2))
        second += random.expovariate(flow / 60)
