"""Simulated rainfall over a city: storms with prescribed totals, a moving pattern in space and an assumed time course.

The depth at one reference gauge is prescribed for each spell, so that the totals agree exactly with a record. Elsewhere
the depth decreases with the distance from a moving centre: an elongated Gaussian cell on a weak background, a common
model of single storm cells (Rodriguez-Iturbe, Cox and Eagleson, "Spatial modelling of total storm rainfall", Proc. R.
Soc. A 403, 1986). Smoothed gamma noise distributes the depth of a spell unevenly over its minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import cos, radians

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Point = tuple[float, float]
"""Latitude and longitude, degrees."""

MINUTE = timedelta(minutes=1)
KM_PER_DEGREE = 111.2
SMOOTHING_MINUTES = 9
MIN_RAIN_MM = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class RainSpell:
    """Rain between two minutes of a storm: depth at the reference gauge, and first and last centre of the cell."""

    start_min: int
    end_min: int
    depth_mm: float
    centre: tuple[Point, Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """A sequence of rain spells. The storm cell is `along_km` by `across_km` wide (one standard deviation).

    `axis_deg`: direction of the long axis of the cell, clockwise from north. `background_share`: share of the rain that
    falls everywhere. `unevenness`: shape parameter of the gamma noise of single minutes; a larger value is smoother.
    """

    reference: Point
    spells: tuple[RainSpell, ...]
    along_km: float
    across_km: float
    axis_deg: float = 45.0
    background_share: float = 0.1
    unevenness: float = 3.0

    @property
    def minutes(self) -> int:
        """Minutes from the start of the storm to the end of its last spell."""
        return max(spell.end_min for spell in self.spells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """A storm that starts at `storm_at` and repeats every `repeats_every`, and light showers between.

    `showers_per_day`: their mean number. There are no showers during a storm, since its totals are prescribed.
    """

    storm: Storm | None = None
    storm_at: datetime = datetime(2013, 4, 2, 6, tzinfo=UTC)
    repeats_every: timedelta = timedelta(days=4)
    showers_per_day: float = 0.0


class RainField:
    """The rain at some places, minute by minute. The rain of a minute depends only on the seed and the minute."""

    def __init__(self, weather: Weather, places: Sequence[Point], seed: int) -> None:
        self._weather = weather
        self._places = np.array(places, dtype=float).reshape(-1, 2)
        self._seed = seed
        self._storm: tuple[int, Array] | None = None
        self._day: tuple[int, Array] | None = None

    def rain_mm(self, minute: datetime) -> Array:
        """The rain at each place in the minute that begins at `minute`, mm, shape (places,)."""
        storm = self._weather.storm
        if storm is not None:
            turn, into = divmod(minute - self._weather.storm_at, self._weather.repeats_every)
            if into < storm.minutes * MINUTE:
                row: Array = self._storm_table(storm, turn)[into // MINUTE]
                return row
        day, of_day = divmod(minute - datetime(2000, 1, 1, tzinfo=UTC), timedelta(days=1))
        quiet: Array = self._showers_table(day)[of_day // MINUTE]
        return quiet

    def _storm_table(self, storm: Storm, turn: int) -> Array:
        if self._storm is None or self._storm[0] != turn:
            self._storm = (
                turn,
                storm_rain_mm(storm, self._places, np.random.default_rng([self._seed, 1, turn % 2**32])),
            )
        return self._storm[1]

    def _showers_table(self, day: int) -> Array:
        if self._day is None or self._day[0] != day:
            rng = np.random.default_rng([self._seed, 2, day % 2**32])
            self._day = (day, _showers_mm(self._weather.showers_per_day, self._places, rng))
        return self._day[1]


def storm_rain_mm(storm: Storm, places: Array, rng: np.random.Generator) -> Array:
    """The rain of a storm: shape (minutes, places), mm per minute. places: shape (n, 2), latitude and longitude."""
    table = np.zeros((storm.minutes, len(places)))
    reference = np.array([storm.reference])
    for spell in storm.spells:
        length = spell.end_min - spell.start_min
        depths = spell.depth_mm * _minute_shares(length, storm.unevenness, rng)
        drift = np.linspace(0.0, 1.0, length)[:, None]
        centres = (1 - drift) * np.array(spell.centre[0]) + drift * np.array(spell.centre[1])
        pattern = _cell_strength(storm, places, centres) / _cell_strength(storm, reference, centres)
        table[spell.start_min : spell.end_min] += depths[:, None] * pattern
    return table


def _minute_shares(length: int, shape: float, rng: np.random.Generator) -> Array:
    """Shares of the depth of a spell by minute, with sum one: gamma noise, smoothed over a few minutes."""
    noise = rng.gamma(shape, 1.0, length + SMOOTHING_MINUTES - 1)
    smooth = np.convolve(noise, np.ones(SMOOTHING_MINUTES), mode="valid")
    shares: Array = smooth / smooth.sum()
    return shares


def _cell_strength(storm: Storm, places: Array, centres: Array) -> Array:
    """The pattern's strength, between `background_share` and 1: shape (centres, places)."""
    north = (places[None, :, 0] - centres[:, None, 0]) * KM_PER_DEGREE
    east = (places[None, :, 1] - centres[:, None, 1]) * KM_PER_DEGREE * cos(radians(storm.reference[0]))
    axis = radians(storm.axis_deg)
    along = (north * np.cos(axis) + east * np.sin(axis)) / storm.along_km
    across = (east * np.cos(axis) - north * np.sin(axis)) / storm.across_km
    strength: Array = storm.background_share + (1 - storm.background_share) * np.exp(-(along**2 + across**2) / 2)
    return strength


def _showers_mm(per_day: float, places: Array, rng: np.random.Generator) -> Array:
    """A day of light showers: a few millimetres each, over a few kilometres, each centred on a random place."""
    table = np.zeros((1440, len(places)))
    for _ in range(rng.poisson(per_day)):
        length = int(rng.integers(20, 120))
        start = int(rng.integers(0, 1440 - length))
        centre = tuple(places[rng.integers(len(places))]) if len(places) else (0.0, 0.0)
        shower = Storm(
            reference=centre,
            spells=(
                RainSpell(start_min=0, end_min=length, depth_mm=float(rng.exponential(5.0)), centre=(centre, centre)),
            ),
            along_km=8.0,
            across_km=4.0,
            background_share=0.0,
        )
        table[start : start + length] += storm_rain_mm(shower, places, rng)
    table[table < MIN_RAIN_MM] = 0.0
    return table
