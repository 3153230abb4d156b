"""Vehicles on a street: how many pass in a minute, how fast, of which class. Nobody's plate, nobody's identity."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from models.place import Street

CLASSES = ("car", "motorcycle", "van", "truck", "bus")
SHARES = (0.72, 0.14, 0.07, 0.03, 0.04)
HOURLY = (6, 4, 3, 2, 3, 8, 30, 78, 88, 70, 64, 70, 80, 78, 66, 64, 72, 90, 100, 88, 62, 42, 26, 14)
"""Flow by hour of a working day, as percent of the peak hour's; assumed, with the two usual peaks and a noon return."""
SATURDAY, SUNDAY = 0.75, 0.55
PEAK_PER_MIN = 14.0
HASTY_SHARE = 0.015
HASTY_FACTOR = 1.45
SPREAD = 0.14
SLOWEST_KMH = 4.0


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One vehicle passing a radar, `second` of its minute."""

    second: int
    speed_kmh: float
    vehicle_class: str
    lane: int


def flow_per_min(street: Street, local: datetime, rain_mm: float, busy: float = 1.0) -> float:
    """The mean number of vehicles a minute; `rain_mm` is the last minute's rain, `busy` scales the whole pattern."""
    this, following = HOURLY[local.hour], HOURLY[(local.hour + 1) % 24]
    percent = this + (following - this) * local.minute / 60
    weekend = {6: SATURDAY, 7: SUNDAY}.get(local.isoweekday(), 1.0)
    deserted = max(0.1, 1 - rain_mm / 1.5)
    return PEAK_PER_MIN * street.limit_kmh / 60 * percent / 100 * weekend * deserted * busy


def mean_speed_kmh(street: Street, local: datetime, rain_mm: float, flow: float) -> float:
    """The usual speed: under the limit, less in dense traffic and in rain, more at night; schools are half heeded."""
    limit = street.limit_kmh_at(local)
    wanted = 0.86 * limit if limit == street.limit_kmh else 1.35 * limit
    crowded = 1 - 0.3 * min(flow / (PEAK_PER_MIN * street.limit_kmh / 60), 1.2) ** 2
    wet = 1 - min(0.35, 0.2 * rain_mm)
    return wanted * crowded * wet * 1.08


def vehicles(
    street: Street, local: datetime, rain_mm: float, rng: np.random.Generator, busy: float = 1.0
) -> Sequence[Vehicle]:
    """Those that pass in the minute beginning at `local`, in order. A few drive half as fast again as the rest."""
    flow = flow_per_min(street, local, rain_mm, busy)
    count = int(rng.poisson(flow))
    mean = mean_speed_kmh(street, local, rain_mm, flow)
    speeds = rng.normal(mean, SPREAD * mean, count) * np.where(rng.random(count) < HASTY_SHARE, HASTY_FACTOR, 1.0)
    seconds = np.sort(rng.integers(0, 60, count))
    sorts = rng.choice(len(CLASSES), count, p=SHARES)
    lanes = rng.integers(0, 2, count)
    return [
        Vehicle(int(second), max(float(speed), SLOWEST_KMH), CLASSES[sort], int(lane))
        for second, speed, sort, lane in zip(seconds, speeds, sorts, lanes, strict=True)
    ]
