"""An ordinary week: a light shower now and then, streams at their dry flow, the tide going in and out."""

from datetime import UTC, datetime

from simulators.environment.weather import Weather
from simulators.scenario import Scenario

SCENARIO = Scenario(
    name="quiet",
    summary="días tranquilos, algún chaparrón / quiet days, a shower now and then",
    weather=Weather(showers_per_day=1.0),
    default_start=datetime(2013, 3, 26, 12, 0, tzinfo=UTC),
)
