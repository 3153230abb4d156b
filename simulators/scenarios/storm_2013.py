"""The storm of 2 and 3 April 2013 over La Plata.

On record (UNLP Observatory): 392.2 mm between about 03:00 on Tuesday and 06:25 on Wednesday, local time, 302.2 mm of
them from 16:00 to 19:00; 181 mm at the airport, 7.5 km away. The shape between those figures is ASSUMED, and so is the
pattern in space: no hyetograph of ten minutes is published.
"""

from datetime import UTC, datetime, timedelta

from simulators.environment.weather import Point, RainSpell, Storm, Weather
from simulators.scenario import Scenario

OBSERVATORY: Point = (-34.907, -57.932)
AIRPORT: Point = (-34.967, -57.895)
BEGAN_AT = datetime(2013, 4, 2, 6, 0, tzinfo=UTC)
"""Tuesday, 03:00 local time."""
DURATION = timedelta(hours=27, minutes=25)
REPEATS_EVERY = timedelta(days=4)


def _rain_spell(begins: str, ends: str, depth_mm: float, centre: tuple[Point, Point]) -> RainSpell:
    """A spell between two local times, hours counted on past midnight."""
    return RainSpell(start_min=_minute(begins), end_min=_minute(ends), depth_mm=depth_mm, centre=centre)


def _minute(local: str) -> int:
    hours, minutes = local.split(":")
    return (int(hours) - 3) * 60 + int(minutes)


WEST: Point = (-34.945, -58.010)
MIDDLE: Point = (-34.920, -57.965)
NORTH: Point = (-34.890, -57.975)
EAST: Point = (-34.900, -57.925)

STORM = Storm(
    reference=OBSERVATORY,
    spells=(
        _rain_spell("03:00", "07:00", 12.0, (WEST, MIDDLE)),
        _rain_spell("10:00", "12:00", 8.0, (WEST, MIDDLE)),
        _rain_spell("16:00", "17:00", 92.0, (WEST, MIDDLE)),
        _rain_spell("17:00", "18:00", 116.2, (MIDDLE, MIDDLE)),
        _rain_spell("18:00", "19:00", 94.0, (MIDDLE, NORTH)),
        _rain_spell("19:00", "21:30", 28.0, (NORTH, EAST)),
        _rain_spell("22:30", "25:30", 24.0, (WEST, EAST)),
        _rain_spell("27:00", "30:25", 18.0, (WEST, EAST)),
    ),
    along_km=16.0,
    across_km=6.1,
    axis_deg=45.0,
    background_share=0.12,
)

SCENARIO = Scenario(
    name="storm_2013",
    summary="la tormenta del 2 de abril de 2013 / the storm of 2 April 2013",
    weather=Weather(storm=STORM, storm_at=BEGAN_AT, repeats_every=REPEATS_EVERY, showers_per_day=0.5),
    default_start=datetime(2013, 4, 2, 18, 45, tzinfo=UTC),
)
