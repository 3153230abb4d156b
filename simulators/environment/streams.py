"""Rainfall-runoff model of the streams: losses, linear reservoirs, routing downstream, a rating curve and the tide.

A conceptual model. Every parameter is schematic. It was chosen because it is short, conserves mass and shows floods:

- losses: impervious ground yields all its rain as runoff; open ground the share (moisture / capacity) ** 1.5, as in
  variable-capacity models (Zhao 1980; Moore, "The probability-distributed principle", Hydrol. Sci. J. 30, 1985);
- runoff to the stream: a cascade of equal linear reservoirs (Nash, "The form of the instantaneous unit hydrograph",
  IASH Publ. 45, 1957), each solved exactly for an inflow that is constant within the step;
- routing from station to station: the same with the travel time of the reach (Dooge, "Linear theory of hydrologic
  systems", USDA Tech. Bull. 1468, 1973);
- discharge to level: Manning's Q ~ h ** (5/3) within the banks (Chow, "Open-Channel Hydraulics", 1959), and a smaller
  exponent of discharge where the water spreads over the floodplain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from math import cos, exp, hypot, pi, radians

from models.place import Catchment, Station

STEP_S = 60.0
IMPERVIOUS_SHARE = 0.35
SOIL_CAPACITY_MM = 110.0
INITIAL_MOISTURE_MM = 50.0
SOIL_EXPONENT = 1.5
SOIL_DRAINAGE_S = 4 * 86_400.0
BASEFLOW_SHARE = 0.4
"""Share of the soil's losses that reaches the stream; the rest evaporates."""
GROUNDWATER_RESIDENCE_S = 10 * 86_400.0
DRY_FLOW_M3S_KM2 = 0.02
LOCAL_RESERVOIRS = 3
REACH_RESERVOIRS = 2
CELERITY_MS = 1.5
SINUOSITY = 1.3
IN_BANK_EXPONENT = 0.6
FLOODPLAIN_EXPONENT = 0.25
KM_PER_DEGREE = 111.2
M3_PER_MM_KM2 = 1000.0


@dataclass(slots=True)
class ReservoirCascade:
    """Equal linear reservoirs in series. `k_s`: mean residence time in each. `stored_m3`: content of each."""

    k_s: float
    stored_m3: list[float]
    _retained_share: float = field(init=False)
    _drained_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._retained_share = exp(-STEP_S / self.k_s)
        self._drained_s = self.k_s * (1 - self._retained_share)

    def step(self, inflow_m3: float) -> float:
        """Simulate one step with a constant inflow. Returns the outflow, m³. Inflow = outflow + change of storage."""
        for index, before in enumerate(self.stored_m3):
            after = before * self._retained_share + inflow_m3 / STEP_S * self._drained_s
            inflow_m3 += before - after
            self.stored_m3[index] = after
        return inflow_m3


@dataclass(slots=True)
class Reach:
    """The local catchment of a station, and the channels that lead to it."""

    local_km2: float
    slopes: ReservoirCascade
    channels: dict[str, ReservoirCascade]
    moisture_mm: float = INITIAL_MOISTURE_MM
    groundwater: ReservoirCascade = field(init=False)
    outflow_m3: float = 0.0
    rainfall_m3: float = 0.0
    evaporated_m3: float = 0.0

    def __post_init__(self) -> None:
        dry_m3 = DRY_FLOW_M3S_KM2 * self.local_km2 * GROUNDWATER_RESIDENCE_S
        self.groundwater = ReservoirCascade(GROUNDWATER_RESIDENCE_S, [dry_m3])

    @property
    def stored_m3(self) -> float:
        """All stored water: in the soil, in groundwater, on the slopes and in the channels above the station."""
        cascades = (self.slopes, self.groundwater, *self.channels.values())
        soil = self.moisture_mm * self._m3_per_mm * (1 - IMPERVIOUS_SHARE)
        return soil + sum(sum(cascade.stored_m3) for cascade in cascades)

    @property
    def _m3_per_mm(self) -> float:
        return self.local_km2 * M3_PER_MM_KM2

    def step(self, rain_mm: float, inflows_m3: Mapping[str, float]) -> None:
        """Simulate one minute of rain on the land and of inflows from the stations upstream."""
        runoff_mm, drained_mm = self._runoff_and_drainage_mm(rain_mm)
        base_m3 = drained_mm * BASEFLOW_SHARE * self._m3_per_mm
        self.rainfall_m3 += rain_mm * self._m3_per_mm
        self.evaporated_m3 += drained_mm * (1 - BASEFLOW_SHARE) * self._m3_per_mm
        out = self.slopes.step(runoff_mm * self._m3_per_mm) + self.groundwater.step(base_m3)
        self.outflow_m3 = out + sum(channel.step(inflows_m3[name]) for name, channel in self.channels.items())

    def _runoff_and_drainage_mm(self, rain_mm: float) -> tuple[float, float]:
        """Runoff and drainage of the soil, both as depths over the whole local catchment, mm."""
        open_share = 1 - IMPERVIOUS_SHARE
        saturation = self.moisture_mm / SOIL_CAPACITY_MM
        soaked = min(rain_mm * (1 - saturation**SOIL_EXPONENT), SOIL_CAPACITY_MM - self.moisture_mm)
        drained = self.moisture_mm * STEP_S / SOIL_DRAINAGE_S
        self.moisture_mm += soaked - drained
        return rain_mm - soaked * open_share, drained * open_share

    @property
    def discharge_m3s(self) -> float:
        """The flow past the station in the last step."""
        return self.outflow_m3 / STEP_S


class StreamNetwork:
    """All streams of a city, computed from upstream to downstream."""

    def __init__(self, stations: Sequence[Station]) -> None:
        """Stations without a catchment have no flow; tidal stations follow the level of the estuary."""
        drained = {station.id: station for station in stations if station.catchment}
        above = {name: [up for up in one.upstream if up in drained] for name, one in drained.items()}
        self.reaches = {name: _reach(drained[name], drained) for name in TopologicalSorter(above).static_order()}
        self._stations = {station.id: station for station in stations}

    def step(self, rain_mm: Mapping[str, float]) -> None:
        """Simulate one minute. rain_mm: rain on the local catchment of each station."""
        for name, reach in self.reaches.items():
            reach.step(rain_mm[name], {up: self.reaches[up].outflow_m3 for up in reach.channels})

    def level_m(self, name: str, now: datetime) -> float:
        """The water level above the zero of a station, m. Raises KeyError if there is no such station."""
        station = self._stations[name]
        depth = 0.0
        if station.catchment:
            depth = depth_m(self.reaches[name].discharge_m3s, station.catchment)
        return backwater_m(depth, tide_m(now)) if station.tidal else depth


def _reach(station: Station, drained: Mapping[str, Station]) -> Reach:
    assert station.catchment is not None
    upstream = [drained[name] for name in station.upstream if name in drained]
    above_km2 = sum(one.catchment.area_km2 for one in upstream if one.catchment)
    local_km2 = station.catchment.area_km2 - above_km2
    k_s = catchment_lag_s(local_km2) / LOCAL_RESERVOIRS
    hillslope = ReservoirCascade(k_s, [0.0] * LOCAL_RESERVOIRS)
    channels = {
        one.id: ReservoirCascade(_travel_time_s(one, station) / REACH_RESERVOIRS, [0.0] * REACH_RESERVOIRS)
        for one in upstream
    }
    return Reach(local_km2, hillslope, channels)


def catchment_lag_s(area_km2: float) -> float:
    """The mean delay between rain and runoff of a small urban catchment, s; assumed proportional to area ** 0.4."""
    return 2200.0 * float(max(area_km2, 0.5) ** 0.4)


def _travel_time_s(above: Station, below: Station) -> float:
    north = (above.latitude - below.latitude) * KM_PER_DEGREE
    east = (above.longitude - below.longitude) * KM_PER_DEGREE * cos(radians(above.latitude))
    return max(hypot(north, east) * 1000.0 * SINUOSITY / CELERITY_MS, STEP_S)


def bankfull_discharge_m3s(catchment: Catchment) -> float:
    """The bankfull discharge: assumed proportional to area ** 0.75, as in regional curves."""
    return 6.0 * float(catchment.area_km2**0.75)


def depth_m(discharge_m3s: float, catchment: Catchment) -> float:
    """The rating curve: depth for a discharge, m."""
    ratio = max(discharge_m3s, 0.0) / bankfull_discharge_m3s(catchment)
    return catchment.bankfull_m * float(ratio ** (IN_BANK_EXPONENT if ratio <= 1 else FLOODPLAIN_EXPONENT))


def tide_m(now: datetime) -> float:
    """The level of the estuary above the zero of the tide gauge: two unequal tides a day, and slow wind set-up.

    Schematic: a mean of 0.85 m with periods of 12.42 h (M2) and 25.82 h (O1); the wind as slow waves of 3 to 5 days.
    """
    hours = (now - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds() / 3600.0
    waves = ((0.32, 12.4206), (0.16, 25.8193), (0.12, 77.0), (0.10, 121.0))
    return 0.85 + sum(height * cos(2 * pi * hours / period) for height, period in waves)


def backwater_m(depth: float, tide: float) -> float:
    """The level where a stream meets the estuary: the higher of the two, smoothed where they are about equal."""
    return float((max(depth, 0.0) ** 4 + max(tide, 0.0) ** 4) ** 0.25)
