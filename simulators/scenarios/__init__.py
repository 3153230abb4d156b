"""The stories a simulated city can tell; this mapping turns them on."""

from simulators.scenario import Scenario
from simulators.scenarios import quiet, rush_hour, storm_2013

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario for scenario in (storm_2013.SCENARIO, quiet.SCENARIO, rush_hour.SCENARIO)
}
