"""Problem reports of riders: stored without who and where they are, and limited."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from onebusaway import RateLimitError
from sqlalchemy import Engine, text

from models.tables.rider_reports import rider_reports
from services.queries.transit.rider_reports import (
    MOST_PER_MINUTE,
    ReportCode,
    RiderReport,
    TooManyReports,
    count_never_came,
    store_report,
)
from services.upkeep.data_register import register_page
from services.upkeep.retention import RIDER_REPORTS_KEPT
from services.web.context import MAX_REPORTS_PER_MINUTE
from tests.services.web.api.transit_town import SEVEN, Town, moment, town_on
from tests.services.web.oba.conftest import DAY_MS, strict_client


@pytest.fixture
def town(database: Engine) -> Iterator[Town]:
    """A town of this test alone: reports are counted."""
    with town_on(database) as made:
        yield made


def kept(town: Town) -> list[Any]:
    """All reports, the newest last."""
    with town.database.connect() as connection:
        return list(connection.execute(text("SELECT * FROM rider_reports ORDER BY id")).mappings())


def test_riders_reports_are_kept_without_where_the_rider_stood(town: Town) -> None:
    sdk = strict_client(town)
    stop = sdk.report_problem_with_stop.retrieve(
        "muni_T3", code="stop_name_wrong", user_comment="Es 7 y 51", user_lat=-34.9, user_lon=-57.9
    )
    trip = sdk.report_problem_with_trip.retrieve(
        "muni_10s-0710",
        code="vehicle_never_came",
        service_date=DAY_MS,
        stop_id="muni_T4",
        user_comment="é" * 700,
        user_on_vehicle=False,
        user_vehicle_number="12",
    )
    assert (stop.code, trip.code) == (200, 200)
    of_stop, of_trip = kept(town)
    assert {of_stop[name] for name in ("source", "code", "stop_id", "comment")} == {
        "onebusaway",
        "stop_name_wrong",
        "T3",
        "Es 7 y 51",
    }
    assert (of_trip["trip_id"], of_trip["route_id"], of_trip["stop_id"]) == ("10s-0710", "10", "T4")
    assert (f"{of_trip['service_date']:%Y%m%d}", of_trip["vehicle"], of_trip["on_board"]) == ("20260302", "12", False)
    assert len(of_trip["comment"]) == 500
    assert not {"lat", "lon", "latitude", "longitude"} & of_trip.keys()


def test_reports_are_taken_with_the_id_among_the_parameters_and_whatever_their_code(town: Town) -> None:
    stop = town.client.get("/api/where/report-problem-with-stop.json", params={"stopId": "muni_T1", "code": "smells"})
    trip = town.client.get(
        "/api/where/report-problem-with-trip.json",
        params={"tripId": "muni_20", "stopId": "muni_L2", "vehicleId": "muni_5", "userComment": "a\0b"},
    )
    assert (stop.status_code, trip.status_code) == (200, 200)
    assert stop.json()["data"] == {}
    assert [one["code"] for one in kept(town)] == ["other", "other"]
    assert [one["comment"] for one in kept(town)] == ["", "ab"]
    assert kept(town)[1]["vehicle"] == "muni_5"


def test_one_address_may_not_report_without_end(town: Town) -> None:
    sdk = strict_client(town)
    for _ in range(MAX_REPORTS_PER_MINUTE):
        sdk.report_problem_with_stop.retrieve("muni_T3", code="other")
    with pytest.raises(RateLimitError) as refused:
        sdk.report_problem_with_stop.retrieve("muni_T3", code="other")
    assert refused.value.response.json()["code"] == 429
    assert refused.value.response.headers["retry-after"] == "60"
    assert len(kept(town)) == MAX_REPORTS_PER_MINUTE


def test_the_city_takes_so_many_a_minute_and_counts_the_buses_that_did_not_pass(database: Engine) -> None:
    at = moment(SEVEN)
    missed = RiderReport(at=at, source="page", code=ReportCode.VEHICLE_NEVER_CAME, stop_id="T3", route_id="10")
    with database.begin() as transaction:
        for _ in range(MOST_PER_MINUTE):
            store_report(transaction, missed)
        with pytest.raises(TooManyReports):
            store_report(transaction, missed)
        assert count_never_came(transaction, at, at + timedelta(minutes=1)) == {"10": MOST_PER_MINUTE}
        assert count_never_came(transaction, at - timedelta(minutes=1), at) == {}


def test_the_data_register_names_all_that_is_kept() -> None:
    section = register_page().partition("(`rider_reports`)")[2]
    assert [column.name for column in rider_reports.columns if f"`{column.name}`" not in section] == ["id"]
    assert f"{RIDER_REPORTS_KEPT.days} días" in section
