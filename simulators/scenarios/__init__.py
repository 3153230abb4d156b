"""Which stories can a simulated city play? The mapping SCENARIOS enables them."""

from simulators.scenario import Scenario
from simulators.scenarios import quiet, rush_hour, storm_2013

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario for scenario in (storm_2013.SCENARIO, quiet.SCENARIO, rush_hour.SCENARIO)
}
