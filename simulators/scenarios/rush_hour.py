"""A dry working day with crowded avenues, from before the schools open."""

from datetime import UTC, datetime

from simulators.environment.weather import Weather
from simulators.scenario import Scenario

SCENARIO = Scenario(
    name="rush_hour",
    summary="hora pico un día hábil / rush hour on a working day",
    weather=Weather(),
    default_start=datetime(2013, 3, 26, 10, 0, tzinfo=UTC),
    traffic_factor=1.6,
)
