"""Simulated reports of buses on the outward pattern, for the tests of accuracy."""

from models.geo import point_at_distance
from services.transit.model.position_report import PositionReport
from tests.transit_city import MONDAY, OUT, network

CITY = network()
PATTERN = CITY.patterns[OUT]


def buses(*starts: str, slow: float = 1.0, every_s: int = 30) -> list[PositionReport]:
    """Reports of buses on route 10. `slow`: travel time as a multiple of the scheduled."""
    reports = []
    for start in starts:
        journey = CITY.journey(f"10-{start}", MONDAY)
        assert journey is not None
        for after_s in range(-30, int(450 * slow), every_s):
            along_m = min(max(0.0, after_s * 400 / 75 / slow), PATTERN.length_m)
            latitude, longitude = point_at_distance(PATTERN.shape.points, PATTERN.shape.along_m, along_m)
            reports.append(
                PositionReport(start, journey.start_at + after_s, latitude, longitude, trip_id=journey.trip.id)
            )
    return sorted(reports, key=lambda report: report.at)
