"""A fleet of vehicles in a small city: from position reports to predictions."""

from collections.abc import Iterable

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geo import point_at_distance
from services.transit.fleet.fleet import Fleet, ReportedStop, ReportResult
from services.transit.model.position_report import PositionReport
from services.transit.model.prediction import Basis, TripPrediction
from services.transit.travel_times.link_times import TravelTimes
from services.transit.travel_times.stalled_vehicles import UNMOVED_VALID_S
from tests.transit_city import MONDAY, OUT, network

CITY = network()
LINE = CITY.patterns[OUT]
JOURNEY = CITY.journey("10-0600", MONDAY)
LATER = CITY.journey("10-0620", MONDAY)
assert JOURNEY is not None
assert LATER is not None
SIX = JOURNEY.start_at
SPEED_MS = 400 / 75


def drive(vehicle: str = "7", leaves: float = SIX, every_s: int = 20, trip_id: str = "10-0600") -> list[PositionReport]:
    """Reports of a bus of route 10 that stands for a minute and then drives at the speed of the timetable."""
    reports = []
    for after_s in range(-60, 400, every_s):
        along_m = min(max(0.0, after_s * SPEED_MS), LINE.length_m)
        latitude, longitude = point_at_distance(LINE.shape.points, LINE.shape.along_m, along_m)
        reports.append(PositionReport(vehicle, leaves + after_s, latitude, longitude, trip_id=trip_id, route_id="10"))
    return reports


def follow(fleet: Fleet, reports: Iterable[PositionReport]) -> list[ReportResult]:
    return [fleet.follow_report(report, report.at) for report in reports]


def bins(fleet: Fleet) -> dict[str, dict[int, list[float]]]:
    return {
        name: {bin_: [round(value, 3) for value in one] for bin_, one in link.bins.items()}
        for name, link in fleet.travel_times.links.items()
    }


def prediction_for(predictions: Iterable[TripPrediction], trip_id: str) -> TripPrediction | None:
    return next((one for one in predictions if one.trip_id == trip_id), None)


def test_a_bus_is_followed_from_stop_to_stop_and_its_predictions_are_scored() -> None:
    results = follow(Fleet(CITY, TravelTimes()), drive())
    visits = [visit for one in results for visit in one.visits]
    assert [visit.stop_id for visit in visits] == ["T1", "T2", "T3", "T4", "N5", "N6"]
    assert all(abs(visit.arrived_at - SIX - 75 * visit.position) < 8 for visit in visits)
    scores = [score for one in results for score in one.scores]
    assert len(scores) > 8
    assert sum(abs(score.error_s) for score in scores) / len(scores) < 60


def test_the_travel_times_of_one_bus_count_for_the_next() -> None:
    fleet = Fleet(CITY, TravelTimes())
    follow(fleet, drive())
    behind = drive("8", SIX + 1_200, trip_id="10-0620")[:8]
    prediction = follow(fleet, behind)[-1].prediction
    present = prediction_for(prediction.trips, "10-0620")
    assert present is not None
    assert (present.basis, present.recent_buses) == (Basis.RECENT, 1)


def test_a_link_is_learnt_only_once_the_position_beyond_it_has_arrived() -> None:
    fleet = Fleet(CITY, TravelTimes())
    for report in drive():
        fleet.follow_report(report, report.at)
        for link in fleet.travel_times.links.values():
            assert all(at <= report.at for at, _ in link.recent)


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_late_and_shuffled_reports_lead_to_the_same_state(chance) -> None:  # type: ignore[no-untyped-def]
    reports = drive()
    orderly, messy = Fleet(CITY, TravelTimes()), Fleet(CITY, TravelTimes())
    follow(orderly, reports)
    shuffled = list(reports)
    chance.shuffle(shuffled)
    for report in [*shuffled, *shuffled[:5]]:
        messy.follow_report(report, reports[-1].at)
    assert (
        msgspec.json.decode(messy.saved_state("7"))["belief"] == msgspec.json.decode(orderly.saved_state("7"))["belief"]
    )
    assert set(bins(messy)) == set(bins(orderly))
    for name, known in bins(orderly).items():
        assert [one[1] for one in bins(messy)[name].values()] == [one[1] for one in known.values()]


def test_a_late_report_corrects_the_time_of_a_stop_visit() -> None:
    reports = drive(every_s=60)
    missing = reports.pop(4)
    fleet = Fleet(CITY, TravelTimes())
    before = {visit.position: visit.arrived_at for one in follow(fleet, reports) for visit in one.visits}
    late = PositionReport(
        **{**{name: getattr(missing, name) for name in PositionReport.__struct_fields__}, "at": missing.at - 25}
    )
    after = {visit.position: visit.arrived_at for visit in fleet.follow_report(late, reports[-1].at).visits}
    assert any(abs(after[position] - before[position]) > 1 for position in after)


def test_following_continues_after_a_restart() -> None:
    reports = drive()
    first, second = Fleet(CITY, TravelTimes()), Fleet(CITY, TravelTimes())
    prediction = follow(first, reports[:12])[-1].prediction
    second.restore_vehicle("7", first.saved_state("7"), prediction)
    now = reports[12].at
    second_trips, first_trips = (
        [(one.trip_id, one.basis) for one in fleet.unassigned_trips(now)] for fleet in (second, first)
    )
    assert second_trips == first_trips, "its trip has a vehicle, before the vehicle is heard again"
    again = [visit.stop_id for one in follow(second, reports[12:]) for visit in one.visits]
    whole = [visit.stop_id for one in follow(first, reports[12:]) for visit in one.visits]
    assert again == whole
    assert whole[-1] == "N6"


def test_a_trip_without_a_vehicle_is_predicted_by_the_timetable_and_withdrawn_where_the_route_reports() -> None:
    fleet = Fleet(CITY, TravelTimes())
    before = prediction_for(fleet.unassigned_trips(SIX + 600), "10-0620")
    assert before is not None
    assert before.basis is Basis.SCHEDULE
    assert before.p10[0] < before.p50[0] < before.p90[0]
    unheard = prediction_for(fleet.unassigned_trips(SIX + 1_200 + 700), "10-0620")
    assert unheard is not None
    assert unheard.basis is Basis.SCHEDULE
    follow(fleet, drive("9", SIX + 600, trip_id="10s-0610"))
    withdrawn = prediction_for(fleet.unassigned_trips(SIX + 1_200 + 700), "10-0620")
    assert withdrawn is not None
    assert (withdrawn.basis, withdrawn.reason, withdrawn.p50) == (Basis.NOT_COMING, "no_vehicle", ())


def test_a_withdrawn_trip_stays_withdrawn_when_the_route_falls_silent() -> None:
    fleet = Fleet(CITY, TravelTimes())
    follow(fleet, drive("9", SIX))
    for after_s in (1_950, 2_050, 2_150):
        withdrawn = prediction_for(fleet.unassigned_trips(SIX + after_s), "10-0620")
        assert withdrawn is not None
        assert (withdrawn.basis, withdrawn.reason) == (Basis.NOT_COMING, "no_vehicle"), after_s


def test_while_a_whole_agency_is_silent_nothing_is_withdrawn_and_afterwards_missing_trips_are() -> None:
    """From 6:23:30 no report arrives, with a bus on its way. At 6:36 another bus is heard."""
    fleet = Fleet(CITY, TravelTimes())
    follow(fleet, drive("7", SIX + 1_200, trip_id="10-0620")[:14])
    for after_s in range(1_410, 2_160, 15):
        predictions = fleet.unassigned_trips(SIX + after_s)
        assert {one.trip_id for one in predictions if one.basis is Basis.NOT_COMING} <= {"10s-0610"}, (
            "missing before the silence"
        )
        assert prediction_for(predictions, "10-0620") is None, "its trip still has a vehicle"
    follow(fleet, drive("9", SIX + 2_220, trip_id="10-0640"))
    predictions = fleet.unassigned_trips(SIX + 2_160)
    reasons = {one.trip_id: one.reason for one in predictions if one.basis is Basis.NOT_COMING}
    assert (reasons["10-0620"], reasons["10s-0630"]) == ("silent", "no_vehicle")


def test_the_last_trip_of_the_night_is_withdrawn_though_its_route_was_long_silent() -> None:
    """A bus ends its trip at 6:06, then nothing of the route is heard. Two trips later no trip is withdrawn yet."""
    fleet = Fleet(CITY, TravelTimes())
    follow(fleet, drive())
    (few, many) = (fleet.unassigned_trips(SIX + minutes * 60 + 620) for minutes in (20, 60))
    late = prediction_for(few, "10-0620")
    assert late is not None
    assert late.reason == "no_vehicle"
    assert all(one.basis is Basis.SCHEDULE for one in many), "a route whose buses are never heard may run all the same"


def test_no_trip_without_a_vehicle_is_predicted_longer_than_ten_minutes_where_the_route_reports() -> None:
    fleet = Fleet(CITY, TravelTimes())
    follow(fleet, drive("9", SIX + 3_000, trip_id="10-0640"))
    predictions = fleet.unassigned_trips(SIX + 3_400)
    ghosts = [one for one in predictions if one.basis is Basis.SCHEDULE and CITY.patterns[one.pattern].route_id == "10"]
    starts = [CITY.journey(one.trip_id, MONDAY, one.start_s) for one in ghosts]
    assert all(start is not None and start.start_at > SIX + 3_400 - 600 for start in starts)


def test_a_trip_with_a_vehicle_is_not_predicted_without_and_is_withdrawn_once_the_vehicle_is_silent() -> None:
    fleet = Fleet(CITY, TravelTimes())
    follow(fleet, drive()[:15])
    assert prediction_for(fleet.unassigned_trips(SIX + 300), "10-0600") is None
    silent = prediction_for(fleet.unassigned_trips(SIX + 250 + 700), "10-0600")
    assert silent is None or (silent.basis, silent.reason) == (Basis.NOT_COMING, "silent")


def test_a_trip_whose_bus_stood_and_then_fell_silent_is_withdrawn() -> None:
    fleet = Fleet(CITY, TravelTimes())
    reports = drive()[:12]
    latest = reports[-1]
    stands = [msgspec.structs.replace(latest, at=latest.at + after_s) for after_s in range(20, 401, 20)]
    follow(fleet, [*reports, *stands])
    assert prediction_for(fleet.unassigned_trips(latest.at + UNMOVED_VALID_S - 20), "10-0600") is None
    withdrawn = prediction_for(fleet.unassigned_trips(latest.at + UNMOVED_VALID_S + 20), "10-0600")
    assert withdrawn is not None
    assert (withdrawn.basis, withdrawn.reason) == (Basis.NOT_COMING, "silent")


def test_the_state_of_long_silent_vehicles_is_deleted() -> None:
    fleet = Fleet(CITY, TravelTimes())
    follow(fleet, drive())
    fleet.remove_stale(SIX + 9_000)
    assert "7" not in fleet._histories


def test_a_vehicle_that_reports_its_stops_needs_no_position() -> None:
    assert JOURNEY is not None
    fleet = Fleet(CITY, TravelTimes())
    fleet.follow_stop(ReportedStop("7", JOURNEY, 0, left_at=SIX + 5), SIX + 5)
    result = fleet.follow_stop(ReportedStop("7", JOURNEY, 1, arrived_at=SIX + 80), SIX + 80)
    present = result.prediction.trips[0]
    assert present.first_position == 2
    assert abs(present.p50[0] - (SIX + 155)) < 10
    fleet.follow_stop(ReportedStop("7", JOURNEY, 1, arrived_at=SIX + 80, left_at=SIX + 110), SIX + 110)
    result = fleet.follow_stop(ReportedStop("7", JOURNEY, 2, arrived_at=SIX + 190), SIX + 190)
    assert result.scores or result.visits
    assert fleet.travel_times.links["T2>T3"].dwell.value == 30.0


def test_a_vehicle_that_reports_waiting_at_its_first_stop_is_predicted_from_its_departure() -> None:
    assert JOURNEY is not None
    fleet = Fleet(CITY, TravelTimes())
    result = fleet.follow_stop(ReportedStop("7", JOURNEY, 0, arrived_at=SIX - 600), SIX - 600)
    assert SIX - 60 < result.prediction.trips[0].p50[0] < SIX + 300
    fleet.follow_stop(ReportedStop("7", JOURNEY, 0, SIX - 600, SIX + 20), SIX + 20)
    fleet.follow_stop(ReportedStop("7", JOURNEY, 1, SIX + 95), SIX + 95)
    assert fleet.travel_times.links["T1>T2"].recent == [(SIX + 95, 75.0)]
