"""The simulated environment of a city: rain, streams, tide and traffic, minute by minute of simulated time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from zlib import crc32

import numpy as np

from models.place import Basin, City, Station
from simulators.environment.streams import StreamNetwork
from simulators.environment.traffic import PassingVehicle, passing_vehicles
from simulators.environment.weather import MINUTE, Point, RainField, Weather

SPIN_UP = timedelta(days=2)


class World:
    """The state of the city at one minute. Equal city, weather, seed and start give an equal world.

    The simulation begins `SPIN_UP` before `start`, so that soil and streams have a plausible initial state.
    """

    def __init__(self, city: City, weather: Weather, seed: int, start: datetime, traffic_factor: float = 1.0) -> None:
        self.city = city
        self._seed = seed
        self._traffic_factor = traffic_factor
        self._stations = {station.id: station for station in city.stations}
        self.streams = StreamNetwork(city.stations)
        places = [(one.latitude, one.longitude) for one in city.stations]
        catchment_points = [_catchment_point(self._stations[name], city.basins) for name in self.streams.reaches]
        self._rain_field = RainField(weather, [*places, *catchment_points], seed)
        self._accumulated_mm = np.zeros(len(places))
        self._last_minute_mm = np.zeros(len(places))
        self._station_index = {station.id: number for number, station in enumerate(city.stations)}
        self.now = _whole_minute(start) - SPIN_UP
        while self.now < start - MINUTE:
            self.step()
        self._accumulated_mm[:] = 0.0

    def step(self) -> None:
        """Simulate one minute."""
        rain_mm = self._rain_field.rain_mm(self.now)
        count = len(self._station_index)
        self._last_minute_mm = rain_mm[:count]
        self._accumulated_mm += self._last_minute_mm
        self.streams.step(dict(zip(self.streams.reaches, rain_mm[count:].tolist(), strict=True)))
        self.now += MINUTE

    def level_m(self, station: str) -> float:
        """The water level at a station; 0 without a catchment and without tide."""
        return self.streams.level_m(station, self.now)

    def accumulated_rain_mm(self, station: str) -> float:
        """The rain at a station since the start."""
        return float(self._accumulated_mm[self._station_index[station]])

    def mean_rain_mm(self) -> float:
        """The rain of the last minute, averaged over all stations."""
        return float(self._last_minute_mm.mean()) if len(self._last_minute_mm) else 0.0

    def flooded_points(self) -> tuple[Point, ...]:
        """The positions of stations whose stream is above bankfull level."""
        return tuple(
            (one.latitude, one.longitude)
            for one in self._stations.values()
            if one.catchment is not None and self.level_m(one.id) > one.catchment.bankfull_m
        )

    def passing_vehicles(self, station: str) -> Sequence[PassingVehicle]:
        """The vehicles of the minute that begins, at a station on a street; none at other stations."""
        street = self._stations[station].street
        if street is None:
            return ()
        random = Random(crc32(f"{self._seed}/{station}/{self.now.timestamp()}".encode()))
        rain_mm = float(self._last_minute_mm[self._station_index[station]])
        return list(
            passing_vehicles(street, self.now.astimezone(self.city.zone), rain_mm, random, self._traffic_factor)
        )


def _whole_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _catchment_point(station: Station, basins: Sequence[Basin]) -> Point:
    """The centre of the local catchment of a station: half way to the middle of its basin; schematic."""
    here = (station.latitude, station.longitude)
    for basin in basins:
        if basin.id == station.basin:
            corners = [corner for outline in basin.outlines for corner in outline[1:]]
            latitude = sum(corner[1] for corner in corners) / len(corners)
            longitude = sum(corner[0] for corner in corners) / len(corners)
            return ((here[0] + latitude) / 2, (here[1] + longitude) / 2)
    return here
